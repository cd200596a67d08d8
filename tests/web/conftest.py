"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.support.served import Served, serve_fake


@pytest.fixture
async def served() -> AsyncGenerator[Served, None]:
    async with serve_fake() as fake:
        yield fake

"""A real listener on a free port, in front of a Control in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
import pytest
import trio

from hfs_appliance.web import api
from tests.support.control import FakeControl


@dataclass
class Served:
    """What a test needs of a running API."""

    control: FakeControl
    port: int
    shutdown: trio.Event
    client: httpx.AsyncClient


@pytest.fixture
async def served(nursery: trio.Nursery) -> AsyncGenerator[Served, None]:
    control = FakeControl()
    shutdown = trio.Event()
    app = api.build(control, lambda: b"hfs_converged 1.0\n")

    async def serve(*, task_status: trio.TaskStatus[int]) -> None:
        await api.serve(app, "127.0.0.1", 0, shutdown=shutdown, task_status=task_status)

    port = await nursery.start(serve)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
        yield Served(control=control, port=port, shutdown=shutdown, client=client)
    shutdown.set()

"""One environment for all tests of a file: building one takes a while, and breaking it must not spoil it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.appliance import LOCAL, Appliance


@pytest.fixture(scope="module")
def environment(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """Give the environment of configs/local.toml, converged; nothing of it is left afterwards."""
    appliance = Appliance.prepare([executable], tmp_path_factory.mktemp("environment"), LOCAL.read_text())
    appliance.start()
    try:
        trio.run(partial(appliance.converged, within_s=120))
        yield appliance
    finally:
        appliance.clean()

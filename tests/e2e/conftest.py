"""One environment for all tests of a file: building one takes a while, and breaking it must not spoil it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.appliance import LOCAL, Appliance


def with_one_httpbin(source: str) -> str:
    """Ask for one instance of it: installing one takes as much as all other services, and proves as much as two."""
    source, count = re.subn(r"(\[service\.httpbin\.version\..*\n)instances = 2\n", r"\1instances = 1\n", source)
    assert count == 1
    return source


@pytest.fixture(scope="module")
def environment(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """Give the environment of configs/local.toml, converged; nothing of it is left afterwards."""
    source = with_one_httpbin(LOCAL.read_text())
    appliance = Appliance.prepare([executable], tmp_path_factory.mktemp("environment"), source)
    appliance.start()
    try:
        trio.run(partial(appliance.converged, within_s=200))
        yield appliance
    finally:
        appliance.clean()

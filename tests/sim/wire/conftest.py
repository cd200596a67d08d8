"""Servers for the tests of the embedded registry, and the real one beside it where it is the judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.support.zookeeper import Servers, prepare_embedded, prepare_standalone


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _serving(prepare_standalone(tmp_path_factory.mktemp("real")))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _serving(prepare_embedded(tmp_path_factory.mktemp("embedded")))


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.zookeeper)])
def address(request: pytest.FixtureRequest) -> str:
    """Give the address of either server: what is tested must hold for both."""
    found: str = request.getfixturevalue(request.param)
    return found


def _serving(servers: Servers) -> Iterator[str]:
    try:
        trio.run(servers.start)
        (address,) = servers.hosts
        yield address
    finally:
        servers.kill()

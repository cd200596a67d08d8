"""The servers that the contract is tested over, started once for all tests, and sessions with them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio

from hfs_appliance.ports.registry import Registry
from tests.support.registries import connected
from tests.support.simulated import SimulatedNetwork, SimulatedServers, in_virtual_time, simulated_network
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.zookeeper import Servers, prepare_embedded, prepare_ensemble, prepare_standalone

_SERIAL = itertools.count()


def prepare_simulated(_folder: Path) -> SimulatedServers:
    """Make the servers of a world in virtual time."""
    return SimulatedServers()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(prepare_embedded, id="embedded"),
        pytest.param(prepare_standalone, id="zookeeper", marks=pytest.mark.zookeeper),
        pytest.param(prepare_ensemble, id="ensemble", marks=pytest.mark.zookeeper),
        pytest.param(prepare_simulated, id="simulated", marks=pytest.mark.trio(run=in_virtual_time)),
    ],
)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Give servers that serve; a test that kills one starts it again."""
    prepared: Servers = request.param(tmp_path_factory.mktemp("registry") / "servers")
    try:
        trio.run(prepared.start)
        yield prepared
    finally:
        prepared.kill()


@pytest.fixture
def root() -> str:
    """Give a path that no other test uses; nothing is there yet."""
    return f"/contract/{next(_SERIAL)}"


@pytest.fixture
async def proxy(servers: Servers | SimulatedServers) -> AsyncIterator[TcpProxy | SimulatedNetwork]:
    """Give the network between one client and one server, to break."""
    if isinstance(servers, SimulatedServers):
        async with simulated_network() as network:
            yield network
        return
    async with tcp_proxy(servers.members[0].address) as between:
        yield between


@pytest.fixture
async def registry(proxy: TcpProxy) -> AsyncIterator[Registry]:
    """Give a session behind the breakable network, with a long timeout."""
    async with connected(proxy.address) as session:
        yield session


@pytest.fixture
async def other(servers: Servers) -> AsyncIterator[Registry]:
    """Give somebody else's session, whose network is whole, with the same server."""
    async with connected(servers.members[0].address) as session:
        yield session


@pytest.fixture(autouse=True)
def deadline(request: pytest.FixtureRequest) -> None:
    """Have every test of the contract fail after half a minute."""
    test: Callable[..., Awaitable[None]] = request.node.obj

    @functools.wraps(test)
    async def within(**arguments: object) -> None:
        with trio.fail_after(30):
            await test(**arguments)

    request.node.obj = within

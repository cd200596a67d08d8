"""Real agents on servers of the local provider, a real registry session, and a real service to look after."""

from __future__ import annotations

import itertools
import json
import os
import signal as signals
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio

from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.adapters.marks import SERVER_MARK, find_marked
from hfs_appliance.adapters.process import ProcessId, read_pidfile
from hfs_appliance.model import desired
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import Health, Registrar, RunSpec
from hfs_appliance.model.ids import EnvironmentName, ServiceName, Version
from hfs_appliance.model.instants import Duration, seconds
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.observed import CloudServer, Registration
from hfs_appliance.ports.registry import Registry, Znode
from hfs_appliance.registry import formats
from hfs_appliance.registry.curator import read_registration
from hfs_appliance.registry.paths import Layout
from tests.support.clouds import kill_all, spec
from tests.support.registries import CLOCK, connected, find
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.zookeeper import Servers, prepare_embedded

PATIENCE_SECONDS = 30
SESSION_MS = 2000
SERVICE = ServiceName("obedient")
_SERIAL = itertools.count()
_AGENT = (sys.executable, "-m", "hfs_appliance.agent")


class Lab:
    """One server with its agent, and the hands and eyes of a test."""

    def __init__(
        self, environment: EnvironmentName, registry: Registry, cloud: LocalCloud, server: CloudServer, place: Path
    ) -> None:
        self.registry = registry
        self.cloud = cloud
        self.server = server
        self.place = place
        self.layout = Layout(environment)
        self.path = self.layout.registration(SERVICE, server.server)
        self.trouble_path = self.layout.trouble(server.server)
        self.pool_path = self.layout.pool_entry(server.server)
        self.assignment = Assignment(
            server=server.server,
            nonce=server.nonce,
            service=SERVICE,
            version=Version("1.2.3"),
            slot=0,
            port=9000,
            run=RunSpec(
                command=("python3", "{directory}/service.py", "{service}-{server}", "{other}"),
                environment={"WHERE": "{address}:{port}"},
                directory=str(Path(__file__).parent / "obedient"),
                restart_backoff=seconds(0.05),
            ),
            health=Health(interval=seconds(0.2), timeout=seconds(0.5), unhealthy_after=2),
            registrar=Registrar.AGENT,
            document="/openapi.json",
            base_path="/",
            drain=seconds(0.5),
            claimed_at=CLOCK.now(),
        )

    async def assign(self, *, drain: Duration | None = None, **run: object) -> None:
        """Give the server its role."""
        role = replace(self.assignment, run=replace(self.assignment.run, **run))  # type: ignore[arg-type]
        self.assignment = role if drain is None else replace(role, drain=drain)
        await self.registry.create(self.layout.ledger, formats.write_ledger(Ledger(next_serial=2)))
        await self.registry.create(self.layout.record(self.server.server), b"{}")
        await self.registry.create(self.layout.assignment(self.server.server), formats.write(self.assignment))

    async def drain(self) -> None:
        """Ask the instance to leave."""
        role = replace(self.assignment, drain_at=CLOCK.now())
        await self.registry.set(self.layout.assignment(self.server.server), formats.write(role))

    async def serve(self, **run: object) -> Registration:
        """Give the server its role and wait for the registration."""
        await self.assign(**run)  # type: ignore[arg-type]
        return self.registration(await self.wait_entry(self.path))

    def registration(self, entry: Znode) -> Registration:
        """Read a registration."""
        return read_registration(SERVICE, self.server.server, entry.value, entry.czxid)

    async def wait_entry(self, path: str, is_it: Callable[[Znode], bool] = lambda _: True) -> Znode:
        """Wait until an entry is there, and as wanted."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                found = await find(self.registry, path)
                if found is not None and is_it(found):
                    return found
                await trio.sleep(0.005)

    async def wait_no_entry(self, path: str) -> None:
        """Wait until an entry is gone."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                if await find(self.registry, path) is None:
                    return
                await trio.sleep(0.005)

    async def log(self) -> str:
        """Give what agent and service wrote."""
        return await self.cloud.log(self.server.server, 1000)

    async def wait_logged(self, words: str, times: int = 1) -> None:
        """Wait until words stand in the log, so many times."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                if (await self.log()).count(words) >= times:
                    return
                await trio.sleep(0.01)

    def service(self) -> ProcessId:
        """Give the service's process."""
        process = read_pidfile(self.place / "service.pid")
        assert process is not None
        return process

    def agent(self) -> ProcessId:
        """Give the agent's process."""
        mark = f"{self.layout.environment}/{self.server.server}/{self.server.nonce}"
        running = [process for process in find_marked(SERVER_MARK, mark) if _is_agent(process)]
        assert len(running) == 1
        return running[0]

    def signal_agent(self, signal: signals.Signals) -> None:
        """Send the agent a signal."""
        os.kill(self.agent().pid, signal)

    def signal_service(self, signal: signals.Signals) -> None:
        """Send the service a signal."""
        os.kill(self.service().pid, signal)

    async def ask(self, path: str) -> object:
        """Ask the service."""
        url = f"http://{self.server.address}:{self.assignment.port}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            return json.loads((await client.get(url)).content)

    async def tell(self, path: str) -> None:
        """Tell the service something that it may not live to answer."""
        try:
            await self.ask(path)
        except httpx.TransportError:
            return


def _is_agent(process: ProcessId) -> bool:
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    return arguments[0] != b"/bin/sh" and b"hfs_appliance.agent" in arguments


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Give a registry that serves."""
    prepared = prepare_embedded(tmp_path_factory.mktemp("registry") / "servers")
    try:
        trio.run(prepared.start)
        yield prepared
    finally:
        prepared.kill()


@pytest.fixture
async def registry(servers: Servers) -> AsyncIterator[Registry]:
    """Give the test's own session."""
    async with connected(*servers.hosts) as session:
        yield session


@pytest.fixture
async def network(servers: Servers) -> AsyncIterator[TcpProxy]:
    """Give the network between the agent and the registry, to break."""
    async with tcp_proxy(servers.members[0].address) as between:
        yield between


@pytest.fixture
async def lab(registry: Registry, network: TcpProxy, tmp_path: Path) -> AsyncIterator[Lab]:
    """Give a server that is built and waits in the pool."""
    serial = next(_SERIAL)
    environment = EnvironmentName(f"agent-{serial}")
    cloud = local_cloud(environment, tmp_path)
    asked = replace(spec(environment, "small-0001"), registry_hosts=(network.address,), session_timeout_ms=SESSION_MS)
    try:
        server = await cloud.create(asked)
        lab = Lab(environment, registry, cloud, server, tmp_path / "servers" / server.server)
        await lab.wait_entry(lab.pool_path)
        yield lab
    finally:
        await kill_all(cloud)


def local_cloud(environment: EnvironmentName, place: Path) -> LocalCloud:
    """Give a cloud of real agents that build nothing."""
    settings = desired.LocalCloud(network=_own_network(), boot=seconds(0), updates=seconds(0), configuration=seconds(0))
    return LocalCloud(environment, place, settings, CLOCK, _AGENT)


def _own_network() -> str:
    # One for each test process: two runs of the tests on one machine do not take each other's ports.
    return f"127.{128 + (os.getpid() >> 8 & 63)}.{os.getpid() & 255}.0/24"

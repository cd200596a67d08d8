"""Agents for servers on which nothing runs: one task stands in for the agents of all servers of an environment.

It asks the cloud itself which servers are ACTIVE, and keeps for each what its agent would keep in the registry: in the
pool, then registered with its role, then leaving. One session holds all entries; what a server's end takes away with
its session is deleted here. All servers answer on loopback addresses of their own, each request with 200.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import DesiredState, ServiceRole
from hfs_appliance.model.ids import ServerId, serial_of
from hfs_appliance.model.observed import CloudServer, CloudStatus, InstanceStatus, PoolEntry, Registration
from hfs_appliance.model.traffic import ProxyServes
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import Conflict, Missing, PortError
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry import formats
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.paths import Layout
from sim.wire.openstack.http import Request, Response

LOOK_EVERY_S: Final = 1.0
STEP_EVERY_S: Final = 0.3


@dataclass
class Agent:
    """What one server's agent has in the registry."""

    server: CloudServer
    entry: str = ""
    """Path of its entry: in the pool, or registered."""
    proxy: str = ""
    content: bytes = b""
    role: bytes = b""


class Crew:
    """The agents of one environment."""

    def __init__(self, cloud: Cloud, registry: Registry, desired: DesiredState) -> None:
        self._cloud: Final = cloud
        self._registry: Final = registry
        self._layout: Final = Layout(desired.environment)
        self._proxies: Final = {name for name, service in desired.services.items() if service.role is ServiceRole.PROXY}
        self._agents: Final[dict[ServerId, Agent]] = {}

    async def run(self) -> None:
        """Stand in until cancelled; neither cloud nor registry has to be well."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look)
            nursery.start_soon(self._step)

    async def _look(self) -> None:
        while True:
            with suppress(PortError):
                listed = (await self._cloud.servers()).servers
                for name, server in listed.items():
                    known = self._agents.get(name)
                    if server.status is CloudStatus.ACTIVE and (known is None or known.server.nonce != server.nonce):
                        self._agents[name] = Agent(server)
                for name in self._agents.keys() - {n for n, s in listed.items() if s.status is CloudStatus.ACTIVE}:
                    agent = self._agents.pop(name)
                    await self._forget(agent)
            await trio.sleep(LOOK_EVERY_S)

    async def _step(self) -> None:
        while True:
            with suppress(PortError):
                names = list(self._agents)
                paths = {name: self._layout.assignment(name) for name in names}
                found = await self._registry.get_many(paths.values())
                for name in names:
                    entry = found[paths[name]]
                    if name in self._agents:
                        await self._live(self._agents[name], entry.value if entry is not None else b"")
            await trio.sleep(STEP_EVERY_S)

    async def _live(self, agent: Agent, role: bytes) -> None:
        """Take one step of a server's life, if its role has changed."""
        if agent.entry and role == agent.role:
            return
        assignment = formats.read_assignment(role) if role else None
        if assignment is not None and assignment.nonce != agent.server.nonce:
            return
        if assignment is None:
            if agent.role:
                await self._forget(agent)  # its work is done
                agent.entry, agent.role = "-", role
                return
            server = agent.server
            entry = PoolEntry(server=server.server, nonce=server.nonce, pool=server.pool, address=address_of(server))
            await self._keep(agent, self._layout.pool_entry(server.server), formats.write(entry))
            return
        path = self._layout.registration(assignment.service, assignment.server)
        if agent.entry != path:
            await self._forget(agent)
        await self._ensure(self._layout.services + f"/{assignment.service}")
        await self._keep(agent, path, self._registered(agent, assignment))
        agent.role = role
        if assignment.service in self._proxies:
            await self._serve(agent, assignment)

    def _registered(self, agent: Agent, assignment: Assignment) -> bytes:
        registration = Registration(
            service=assignment.service,
            instance=assignment.server,
            version=assignment.version,
            address=address_of(agent.server),
            port=assignment.port,
            status=InstanceStatus.UP if assignment.drain_at is None else InstanceStatus.DRAINING,
            server=assignment.server,
            nonce=assignment.nonce,
            slot=assignment.slot,
            boot=assignment.nonce,
            document=assignment.document,
        )
        return write_registration(registration, SystemClock().now())

    async def _serve(self, agent: Agent, assignment: Assignment) -> None:
        agent.proxy = self._layout.proxy(assignment.server)
        serves = ProxyServes(proxy=assignment.server, address=address_of(agent.server), port=assignment.port)
        with suppress(Conflict):
            await self._registry.create(agent.proxy, formats.write(serves), is_ephemeral=True)

    async def _keep(self, agent: Agent, path: str, content: bytes) -> None:
        if agent.entry == path:
            await self._registry.set(path, content)
        else:
            try:
                await self._registry.create(path, content, is_ephemeral=True)
            except Conflict:  # of a former server of that name, whose end went unseen
                await self._registry.set(path, content)
        agent.entry = path

    async def _forget(self, agent: Agent) -> None:
        for path in (agent.entry, agent.proxy):
            if path.startswith("/"):
                with suppress(Missing):
                    await self._registry.delete(path)
        agent.entry = agent.proxy = ""

    async def _ensure(self, path: str) -> None:
        with suppress(Conflict):
            await self._registry.create(path)


def address_of(server: CloudServer) -> str:
    """Give a loopback address for a server: by its number."""
    number = serial_of(server.server)
    return f"127.91.{number // 250 % 250}.{number % 250 + 1}"


async def answer(_request: Request) -> Response:
    """Answer as a healthy service does."""
    return Response(body={})

"""A standing fleet around a real registry: entries of every instance, and a cloud and a proxy that answer at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import trio

from hfs_appliance.adapters.clock import SystemEntropy
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import (
    AvailabilityZone,
    CloudId,
    EnvironmentUuid,
    Nonce,
    PoolName,
    ServerId,
    ServiceName,
    Version,
    server_id,
)
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.load import Reading
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView, PoolEntry, Registration, ServerRecord
from hfs_appliance.model.probes import Answer, Pulse, Target
from hfs_appliance.model.strain import Strain
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Permit, ServerSpec, unconditional
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.registry import CreateOp, Registry
from hfs_appliance.ports.web import Proxy
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.registry import formats
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.plane import Backends
from hfs_appliance.telemetry.bus import EventBus

T = TypeVar("T")

UUID: Final = EnvironmentUuid("0123456789abcdef" * 2)
NONCE: Final = Nonce("0123456789abcdef")
_BATCH: Final = 50


class StandingCloud:
    """Implements the Cloud port in memory: servers run as soon as they are asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._servers: Map[ServerId, CloudServer] = Map()

    def add(self, server: ServerId, nonce: Nonce, pool: PoolName, address: str) -> CloudServer:
        """Have a server."""
        found = CloudServer(
            cloud_id=CloudId(server),
            server=server,
            nonce=nonce,
            pool=pool,
            az=AvailabilityZone("az1"),
            status=CloudStatus.ACTIVE,
            address=address,
            created_at=self._clock.now(),
            uuid=UUID,
        )
        self._servers = self._servers.updated({server: found})
        return found

    async def servers(self) -> CloudView:
        """List all."""
        await trio.lowlevel.checkpoint()
        return CloudView(servers=self._servers, project="bench")

    async def server(self, server: ServerId) -> CloudServer:
        """Ask for one. Errors: Missing."""
        await trio.lowlevel.checkpoint()
        found = self._servers.get(server)
        if found is None:
            raise Missing(f"server {server} is not there")
        return found

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Make one."""
        await trio.lowlevel.checkpoint()
        permit()
        return self._servers.get(spec.server) or self.add(spec.server, spec.nonce, spec.pool, "10.255.255.254")

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Take one away."""
        await trio.lowlevel.checkpoint()
        permit()
        self._servers = self._servers.updated({server: None})

    async def log(self, server: ServerId, lines: int) -> str:  # noqa: ARG002  # the port's signature
        """Give nothing."""
        await trio.lowlevel.checkpoint()
        return ""

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Take one away."""
        await self.delete(server, permit=permit)


class StandingProxy:
    """Implements the Proxy port: everything is served at once."""

    async def publish(self, table: RouteTable) -> None:  # noqa: ARG002  # the port's signature
        """Take a table."""
        await trio.lowlevel.checkpoint()

    async def publish_files(self, files: Mapping[str, bytes]) -> None:  # noqa: ARG002  # the port's signature
        """Take files."""
        await trio.lowlevel.checkpoint()

    async def ensure_running(self) -> bool:
        """Run."""
        await trio.lowlevel.checkpoint()
        return False

    async def wait_dead(self) -> None:
        """Live for ever."""
        await trio.sleep_forever()

    async def stop(self) -> None:
        """End."""
        await trio.lowlevel.checkpoint()


class Quiet:
    """Implements Prober, LoadSource, StrainSource, SpecSource and Worker: all is well, and nobody asks for anything."""

    async def probe(self, target: Target, *, within: Duration) -> Answer:  # noqa: ARG002  # the port's signature
        """Answer well."""
        await trio.lowlevel.checkpoint()
        return Answer(pulse=Pulse.ALIVE, words="status 200")

    async def ask(self, address: str, *, within: Duration) -> Strain | None:  # noqa: ARG002  # the port's signature
        """Know nothing."""
        await trio.lowlevel.checkpoint()
        return None

    async def skip(self) -> None:
        """Count nothing."""
        await trio.lowlevel.checkpoint()

    async def read(self) -> Reading:
        """Count nothing."""
        await trio.lowlevel.checkpoint()
        return Reading(begin=Instant(0), end=Instant(0), services={})

    async def fetch(self, url: str) -> bytes:
        """Have no documents. Errors: Missing."""
        await trio.lowlevel.checkpoint()
        raise Missing(url)

    async def run(self, work: Callable[[], T]) -> T:
        """Do work here and now."""
        await trio.lowlevel.checkpoint()
        return work()


def backends(registry: Registry, cloud: StandingCloud, proxy: Proxy, clock: Clock, bus: EventBus) -> Backends:
    """Give what a control plane works with: a registry that is real, and the rest of this file."""
    quiet = Quiet()
    return Backends(
        registry=registry,
        registry_hosts=(),
        cloud=cloud,
        proxy=proxy,
        last_good=None,
        prober=quiet,
        load=quiet,
        strain=quiet,
        specs=quiet,
        worker=quiet,
        clock=clock,
        entropy=SystemEntropy(),
        sink=bus,
        us=Candidate(appliance="bench", name="bench", address="http://127.0.0.1:1"),
    )


def hosts(cloud: StandingCloud, desired: DesiredState) -> Iterator[tuple[CloudServer, Service | None, Version, int]]:
    """Have a cloud hold all servers of an environment: each with its service, version and slot, or (None) warm."""
    serial = 0
    for service in desired.services.values():
        for version, instances in service.versions.items():
            for slot in range(instances):
                serial += 1
                yield _host(cloud, service.pool, serial), service, version, slot
    for pool in desired.pools.values():
        for slot in range(pool.size):
            serial += 1
            yield _host(cloud, pool.name, serial), None, Version(""), slot


async def stand(registry: Registry, cloud: StandingCloud, desired: DesiredState, now: Instant) -> None:
    """Write everything that an environment holds in which all instances serve and all pools are full."""
    layout = Layout(desired.environment)
    for path in layout.parents:
        await registry.create(path)
    for name in desired.services:
        await registry.create(f"{layout.services}/{name}")
    serial, entries = 0, list[CreateOp]()
    for server, service, version, slot in hosts(cloud, desired):
        serial += 1
        role = (service.name, version, slot) if service is not None else None
        record = CreateOp(path=layout.record(server.server), value=formats.write(_record(server, now, role=role)))
        if service is not None:
            path = layout.registration(service.name, server.server)
            value = write_registration(_registration(server, service.name, version, service.port), now)
        else:
            entry = PoolEntry(server=server.server, nonce=NONCE, pool=server.pool, address=server.address)
            path, value = layout.pool_entry(server.server), formats.write(entry)
        entries += record, CreateOp(path=path, value=value, is_ephemeral=True)
    for begin in range(0, len(entries), _BATCH):
        await registry.transact(entries[begin : begin + _BATCH])
    await registry.create(layout.anchor, formats.write(Anchor(uuid=UUID, project="bench", incarnation=NONCE)))
    await registry.create(layout.ledger, formats.write_ledger(Ledger(next_serial=serial + 1)))


def _host(cloud: StandingCloud, pool: PoolName, serial: int) -> CloudServer:
    return cloud.add(server_id(pool, serial), NONCE, pool, f"10.0.{serial >> 8}.{serial & 255}")


def _record(server: CloudServer, now: Instant, *, role: tuple[ServiceName, Version, int] | None) -> ServerRecord:
    service, version, slot = role or (None, None, None)
    since = now if role is not None else None
    return ServerRecord(
        server=server.server,
        nonce=NONCE,
        pool=server.pool,
        az=server.az,
        created_at=now,
        cause="meet-demand",
        built_at=now,
        service=service,
        version=version,
        slot=slot,
        assigned_at=since,
        ready_at=since,
    )


def _registration(server: CloudServer, service: ServiceName, version: Version, port: int) -> Registration:
    return Registration(
        service=service,
        instance=server.server,
        version=version,
        address=server.address,
        port=port,
        server=server.server,
        nonce=NONCE,
    )

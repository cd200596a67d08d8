"""Worlds without a runtime: builders of Worlds, and the plan carried out on them at once (the *policy* rung).

Property tests apply plans until quiet and look at every World on the way; benchmarks take whole fleets from here.
Nothing waits: what a real server needs minutes for happens when `step` is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.enact import adopted, announced, changed, made, recorded, registered, resumed
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.desired import (
    Admin,
    CloudProvider,
    CloudSettings,
    DesiredState,
    Endpoint,
    Limits,
    Pool,
    RegistrySettings,
    RunSpec,
    Service,
)
from hfs_appliance.model.ids import (
    AvailabilityZone,
    EnvironmentName,
    EnvironmentUuid,
    Nonce,
    PoolName,
    ServerId,
    ServiceName,
    Version,
    serial_of,
    server_id,
)
from hfs_appliance.model.instants import HOUR, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import (
    CloudServer,
    CloudStatus,
    CloudView,
    Observation,
    PoolEntry,
    Registration,
    RegistryView,
    ServerRecord,
)
from hfs_appliance.model.plan import (
    Action,
    Adopt,
    Cause,
    Claim,
    Condemn,
    ConfirmBuilt,
    ConfirmReady,
    Create,
    Delete,
    Drain,
    Forget,
    Plan,
    Reason,
)
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.model.rollout import Move, Rollout
from hfs_appliance.model.traffic import ProxyServes, Traffic
from hfs_appliance.model.world import World

K = TypeVar("K", bound=str)
V = TypeVar("V")

EPOCH = Instant(1_700_000_000 * SECOND)
ZONES = tuple(AvailabilityZone(f"az{n}") for n in (1, 2, 3))
SMALL = PoolName("small")
ANCHOR = Anchor(uuid=EnvironmentUuid("0123456789abcdef" * 2), project="test", incarnation=Nonce("0"))
PROBE_EVERY = Duration(3 * SECOND)
_BUILT = Reason(cause=Cause.MEET_DEMAND, words="built before the story begins")


def desired(
    counts: Mapping[str, Mapping[str, int]], *, pool_size: int = 2, max_servers: int = 1_000_000
) -> DesiredState:
    """Build a desired state: instances by service and version, one pool."""
    services = {
        ServiceName(name): Service(
            name=ServiceName(name),
            pool=SMALL,
            port=8000,
            run=RunSpec(command=("serve",)),
            versions={Version(version): n for version, n in versions.items()},
        )
        for name, versions in counts.items()
    }
    return DesiredState(
        environment=EnvironmentName("test"),
        generation=1,
        registry=RegistrySettings(),
        cloud=CloudSettings(provider=CloudProvider.LOCAL, azs=ZONES),
        endpoint=Endpoint(address="127.0.0.1", port=8080),
        admin=Admin(address="127.0.0.1", port=8081),
        limits=Limits(max_servers=max_servers, max_creating=100_000, max_deleting=100_000),
        pools={SMALL: Pool(name=SMALL, size=pool_size)},
        services=services,
    )


@dataclass(slots=True)
class Fleet:
    """A world that can be changed: the truth behind the Worlds that policy sees."""

    desired: DesiredState
    now: Instant = EPOCH
    records: dict[ServerId, ServerRecord] = field(default_factory=dict)
    cloud: dict[ServerId, CloudServer] = field(default_factory=dict)
    pool: dict[ServerId, PoolEntry] = field(default_factory=dict)
    registrations: dict[ServiceName, dict[str, Registration]] = field(default_factory=dict)
    rollouts: dict[ServiceName, Rollout] = field(default_factory=dict)
    traffic: dict[ServiceName, Traffic] = field(default_factory=dict)
    proxy: ProxyServes = field(default_factory=lambda: ProxyServes(proxy="edge"))
    departed: dict[ServerId, Instant] = field(default_factory=dict)
    probes: dict[ServerId, Probe] = field(default_factory=dict)
    anchor: Anchor | None = ANCHOR
    ledger: Ledger = field(default_factory=Ledger)
    broken_versions: frozenset[Version] = frozenset()
    """Instances of these never become healthy."""
    _shown: RegistryView = field(default_factory=RegistryView)
    _listed: Map[ServerId, CloudServer] = field(default_factory=Map)

    def world(self) -> World:
        """Show the fleet as a World: all observations fresh, what has not changed shared with the World before."""
        before = self._shown
        entries = {
            name: follow(before.registrations.get(name, {}), entries) for name, entries in self.registrations.items()
        }
        self._shown = RegistryView(
            records=follow(before.records, self.records),
            pool=follow(before.pool, self.pool),
            registrations=follow(before.registrations, entries),
            rollouts=follow(before.rollouts, self.rollouts),
            traffic=follow(before.traffic, self.traffic),
            proxies=follow(before.proxies, {"edge": self.proxy}),
            departed=follow(before.departed, self.departed),
            anchor=self.anchor,
            synced_at=EPOCH,
        )
        self._listed = self._listed.became(self.cloud)
        listed = CloudView(servers=self._listed, project=ANCHOR.project)
        return World(
            now=self.now,
            desired=self.desired,
            cloud=Observation(value=listed, observed_at=self.now, revision=1),
            registry=Observation(value=self._shown, observed_at=self.now, revision=1),
            probes=dict(self.probes),
            ledger=self.ledger,
        )

    def step(self, span: Duration = SECOND) -> Plan:
        """Decide, carry the plan out, and let `span` pass, in which every server does what it should."""
        plan = decide(self.world())
        for action in plan.actions:
            self._carry_out(action)
        for move in plan.moves:
            self._write(move)
        self.ledger = ledger_after(self.ledger, plan)
        self.now = after(self.now, span)
        self._live()
        self._ask(plan.to_probe, span)
        return plan

    def _write(self, move: Move) -> None:
        """Write a move; the proxy follows at once."""
        _put(self.rollouts, move.service, move.rollout)
        _put(self.traffic, move.service, move.traffic)
        if move.versions is not None:
            service = replace(self.desired.services[move.service], versions=dict(move.versions))
            self.desired = replace(self.desired, services={**self.desired.services, move.service: service})
        epochs = {name: traffic.epoch for name, traffic in sorted(self.traffic.items())}
        self.proxy = replace(self.proxy, epochs=epochs)

    def settle(self, *, limit: int = 100, span: Duration = SECOND) -> int:
        """Step until a plan has no actions and the environment is converged; give the number of steps."""
        for steps in range(limit):
            if self.step(span).is_converged:
                return steps
        raise AssertionError(f"not converged after {limit} steps: {decide(self.world())}")

    def kill(self, server: ServerId) -> None:
        """Stop a server: the cloud says so, its session has expired."""
        self.cloud[server] = replace(self.cloud[server], status=CloudStatus.STOPPED)
        self.unregister(server)

    def unregister(self, server: ServerId) -> None:
        """End the registrations of a server."""
        self.pool.pop(server, None)
        for entries in self.registrations.values():
            entries.pop(server, None)
        self.departed[server] = self.now

    def serving(self, service: str, version: str) -> list[ServerId]:
        """List the servers that are registered for a service version."""
        entries = self.registrations.get(ServiceName(service), {})
        return sorted(ServerId(name) for name, entry in entries.items() if entry.version == version)

    def _ask(self, servers: Iterable[ServerId], span: Duration) -> None:
        """Ask servers whether they live, as often as is usual in `span`."""
        times = max(1, span // PROBE_EVERY)
        before, self.probes = self.probes, {}
        for server in servers:
            machine, record = self.cloud.get(server), self.records.get(server)
            is_running = machine is not None and machine.status is CloudStatus.ACTIVE
            is_meant = record is not None and record.drain_at is None and record.version not in self.broken_versions
            is_well = is_running and is_meant
            answer = Answer(pulse=Pulse.ALIVE if is_well else Pulse.DARK, words="asked")
            failures = 0 if is_well else times + (before[server].failures if server in before else 0)
            self.probes[server] = Probe(answer=answer, at=self.now, failures=failures, darks=failures)

    def _carry_out(self, action: Action) -> None:
        record = self.records.get(action.server)
        match action:
            case Create():
                self._create(action)
            case Adopt():
                found = self.cloud[action.server]
                written = adopted(found, action.reason.cause, found.created_at)
                entries = (entries.get(action.server) for entries in self.registrations.values())
                entry = next((entry for entry in entries if entry is not None and entry.nonce == found.nonce), None)
                self.records[action.server] = written if entry is None else resumed(written, entry, self.now)
            case Forget():
                del self.records[action.server]
                self.departed.pop(action.server, None)
            case _ if record is None:
                raise AssertionError(f"no record for {action}")
            case Claim() | ConfirmBuilt() | ConfirmReady() | Condemn() | Drain():
                self.records[action.server] = changed(record, action, self.now)
            case Delete():
                self.records[action.server] = changed(record, action, self.now)
                self.cloud.pop(action.server, None)
                self.unregister(action.server)

    def _create(self, action: Create) -> None:
        serial = serial_of(action.server)
        if action.server not in self.records:
            self.records[action.server] = recorded(action, Nonce(f"{serial:016x}"), self.now)
        address = f"10.0.{serial >> 8 & 255}.{serial & 255}"
        self.cloud[action.server] = made(self.records[action.server], ANCHOR.uuid, address, self.now)

    def _live(self) -> None:
        """Every running server announces itself, takes its role, registers or leaves."""
        for server, machine in self.cloud.items():
            record = self.records.get(server)
            if machine.status is not CloudStatus.ACTIVE:
                self.unregister(server)  # its session expires
            elif record is None:
                continue
            elif record.drain_at is not None:
                self.unregister(server)
            elif record.service is None or record.version is None:
                self.pool[server] = announced(machine)
                self.departed.pop(server, None)
            elif record.version not in self.broken_versions:
                self.pool.pop(server, None)
                self.departed.pop(server, None)
                entries = self.registrations.setdefault(record.service, {})
                entries[server] = registered(record, machine.address, 8000)
            else:
                self.pool.pop(server, None)


def follow(before: Mapping[K, V], entries: Mapping[K, V]) -> Map[K, V]:
    """Give the Map that an observer would: made from its former one."""
    return (before if isinstance(before, Map) else Map(before)).became(entries)


def _put(entries: dict[ServiceName, V], name: ServiceName, value: V | None) -> None:
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = value


def converged_fleet(servers: int, *, per_service: int = 50) -> Fleet:
    """Build a fleet that has been serving for an hour, in services of `per_service` instances, with a pool of two."""
    services = max(1, servers // per_service)
    counts = {f"service-{n:04d}": {"1.0.0": per_service} for n in range(services)}
    fleet = Fleet(desired=desired(counts), now=after(EPOCH, HOUR))
    names = [(ServiceName(name), slot) for name in counts for slot in range(per_service)]
    for serial in range(1, len(names) + 3):
        server = server_id(SMALL, serial)
        fleet._carry_out(  # noqa: SLF001  # this module's own class
            Create(server=server, pool=SMALL, az=ZONES[serial % 3], reason=_BUILT)
        )
        fleet.records[server] = replace(fleet.records[server], built_at=fleet.now)
        if serial <= len(names):
            service, slot = names[serial - 1]
            fleet.records[server] = replace(
                fleet.records[server],
                service=service,
                version=Version("1.0.0"),
                slot=slot,
                assigned_at=fleet.now,
                ready_at=fleet.now,
            )
    fleet.ledger = Ledger(next_serial=len(names) + 3)
    fleet.now = after(fleet.now, HOUR)
    fleet._live()  # noqa: SLF001  # this module's own class
    return fleet

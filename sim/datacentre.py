"""The simulated datacentre: zones, hosts and machines as plain objects, and everything that goes wrong with them.

This is the truth that checkers compare the product's beliefs with; what the product may see of it goes through the
Cloud port (sim/cloud.py). What runs on a machine is a SimServer (sim/servers.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeAlias

from hfs_appliance.model.ids import AvailabilityZone, CloudId, ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, Transient
from sim.clock import WorldClock
from sim.streams import Stream, Table
from sim.truth import Condition, DeletionBegun, MachineGone, MachineMade, StatusChanged, Truth

HOSTS_PER_ZONE: Final = 20


class Life(Protocol):
    """What runs on a machine."""

    def power_on(self) -> None:
        """Begin, or begin again with what is on the disk."""
        ...

    def power_off(self) -> None:
        """End at once."""
        ...

    @property
    def condition(self) -> Condition:
        """Tell how it really is."""
        ...

    @property
    def role(self) -> tuple[ServiceName, Version] | None:
        """Tell what it serves, or is to serve."""
        ...


@dataclass(slots=True, eq=False)
class Machine:
    """One machine."""

    spec: ServerSpec
    host: str
    listed: CloudServer
    """What the cloud says of it."""
    life: Life | None = None
    is_running: bool = False
    is_never_booting: bool = False


Birth: TypeAlias = Callable[[Machine], Life | None]


# What follows from a quiet cloud is measured (shared/openstack/README.md); the tails are assumptions.
API: Final = Table.of_ms((0, 30), (500, 100), (990, 1_500), (1000, 6_000))
"""One way; a POST takes 0.2 s when Nova is quiet, 7.5 s when it is busy."""
BUILDING: Final = Table.of_ms((0, 1_500), (500, 2_300), (990, 15_000), (1000, 40_000))
"""POST to ACTIVE: 1.5 to 2.3 s one at a time."""
DELETING: Final = Table.of_ms((0, 500), (500, 800), (990, 10_000), (1000, 60_000))
STALLED: Final = 30 * MINUTE
"""A stalled deletion is reaped after this (nova: running_deleted_instance_poll_interval)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the cloud takes."""

    api: Table = API
    building: Table = BUILDING
    deleting: Table = DELETING
    stalled: int = STALLED


@dataclass(slots=True, kw_only=True)
class CloudFaults:
    """What goes wrong now; rates are per mille. Ids are those of the fault catalogue."""

    is_down: bool = False
    """O14: every call fails."""
    hangs: bool = False
    """O10: no call is answered."""
    slowness: int = 1
    """O10: factor on the time of every call."""
    refused_calls: int = 0
    """O1, O9: calls that fail before anything was done."""
    refused_creates: int = 0
    """O1."""
    lost_creates: int = 0
    """O2: creations that are carried out though the caller hears that they failed."""
    late_creates: int = 0
    """O3: creations whose server comes into being minutes after the caller heard that they failed."""
    broken_builds: int = 0
    """V1: ERROR instead of ACTIVE."""
    stalled_builds: int = 0
    """V2: BUILD for ever."""
    dead_builds: int = 0
    """V3: ACTIVE, but nothing ever boots."""
    stalled_deletes: int = 0
    """V4: stuck in DELETING."""
    ignored_deletes: int = 0
    """V4: accepted, and nothing happens."""
    unlisted: int = 0
    """O4: servers that the list leaves out; always the same ones."""
    unlisted_zones: set[AvailabilityZone] = field(default_factory=set)
    """O4: zones whose servers the list leaves out."""
    admits_gaps: bool = True
    """Whether a list says that it is incomplete."""
    quota: int | None = None
    """O7."""


class Datacentre:
    """All machines of one environment."""

    def __init__(
        self, clock: WorldClock, stream: Stream, birth: Birth, *, pace: Pace | None = None, truth: Truth | None = None
    ) -> None:
        self.clock: Final = clock
        self.truth: Final = truth or Truth(clock.now)
        self.stream: Final = stream
        self.pace: Final = pace or Pace()
        self.faults: Final = CloudFaults()
        self.machines: Final[dict[ServerId, Machine]] = {}
        self.ever_made = 0
        self.deletions = 0
        """Deletions that were begun."""
        self._birth = birth
        self.at_address: Final[dict[str, Machine]] = {}
        self._addresses: deque[str] = deque()
        self._listed: Map[ServerId, CloudServer] = Map()
        self._view: CloudView | None = None

    # What the API does, at the instant at which it does it

    def listed(self) -> CloudView:
        """List the machines, as far as the list is whole."""
        if self._view is None:
            self._view = CloudView(servers=self._listed)
        faults = self.faults
        if not faults.unlisted and not faults.unlisted_zones:
            return self._view
        listed = {
            server: machine.listed
            for number, (server, machine) in enumerate(self.machines.items())
            if number % 1000 >= faults.unlisted and machine.spec.az not in faults.unlisted_zones
        }
        return CloudView(servers=listed, is_complete=not faults.admits_gaps)

    def find(self, server: ServerId) -> Machine:
        """Give one machine. Errors: Missing."""
        try:
            return self.machines[server]
        except KeyError:
            raise Missing(f"server {server} is not there") from None

    def create(self, spec: ServerSpec) -> CloudServer:
        """Make a machine, or give back the one that was made. Errors: Conflict, Exhausted, Transient, Ambiguous."""
        known = self.machines.get(spec.server)
        if known is not None:
            if known.spec.nonce != spec.nonce:
                raise Conflict(f"server {spec.server} exists with another nonce")
            if known.listed.status is CloudStatus.DELETING:
                raise Conflict(f"server {spec.server} is being deleted")
            return known.listed
        faults, stream = self.faults, self.stream
        if faults.quota is not None and len(self.machines) >= faults.quota:
            raise Exhausted(f"quota exceeded for instances: {len(self.machines)} of {faults.quota} are used")
        if stream.chance(faults.refused_creates):
            raise Transient(f"create {spec.server}: 503, nothing was done")
        if stream.chance(faults.late_creates):
            self.clock.after(stream.between(1, 10) * MINUTE, lambda: self._make_late(spec))
            raise Ambiguous(f"create {spec.server}: 504, no answer from the scheduler")
        made = self._make(spec)
        if stream.chance(faults.lost_creates):
            raise Ambiguous(f"create {spec.server}: the connection was reset before the answer")
        return made.listed

    def delete(self, server: ServerId) -> None:
        """Begin to delete. Errors: Missing."""
        machine = self.find(server)
        if machine.listed.status is CloudStatus.DELETING or self.stream.chance(self.faults.ignored_deletes):
            return
        self.deletions += 1
        self._tell_deletion(machine)
        self._say(machine, CloudStatus.DELETING)
        is_stalled = self.stream.chance(self.faults.stalled_deletes)
        span = self.pace.stalled if is_stalled else self.stream.draw(self.pace.deleting)
        self.clock.after(span, lambda: self._remove(machine))

    # What happens to machines

    def kill(self, server: ServerId, words: str = "powered off") -> None:
        """End what runs on a machine; the cloud notices."""
        machine = self.find(server)
        self._power_off(machine)
        if machine.listed.status is not CloudStatus.DELETING:
            self._say(machine, CloudStatus.STOPPED, words)

    def vanish(self, server: ServerId) -> None:
        """H10: let a machine disappear, as if somebody else had deleted it."""
        self._remove(self.find(server))

    def lose_power(self, machines: Iterable[Machine], *, is_noticed: bool) -> None:
        """V5, V6: end what runs on machines; whether the cloud says so is another matter."""
        for machine in tuple(machines):
            if is_noticed:
                self.kill(machine.spec.server, "its host is down")
            else:
                self._power_off(machine)

    def regain_power(self, machines: Iterable[Machine]) -> None:
        """V7: let machines that were lost run again, as they were."""
        for machine in tuple(machines):
            is_there = self.machines.get(machine.spec.server) is machine
            if is_there and not machine.is_running and machine.listed.status is not CloudStatus.DELETING:
                self._say(machine, CloudStatus.ACTIVE)
                self._power_on(machine)

    def in_zone(self, zone: AvailabilityZone) -> list[Machine]:
        """List the machines of a zone."""
        return [machine for machine in self.machines.values() if machine.spec.az == zone]

    def on_host(self, host: str) -> list[Machine]:
        """List the machines of a host."""
        return [machine for machine in self.machines.values() if machine.host == host]

    def let_stand(self, spec: ServerSpec) -> Machine:
        """Have a machine that was made and booted before the story begins."""
        machine = self._add(spec, CloudStatus.ACTIVE)
        machine.is_running = True
        return machine

    def _make(self, spec: ServerSpec) -> Machine:
        machine = self._add(spec, CloudStatus.BUILDING)
        if not self.stream.chance(self.faults.stalled_builds):
            self.clock.after(self.stream.draw(self.pace.building), lambda: self._finish_build(machine))
        return machine

    def _add(self, spec: ServerSpec, status: CloudStatus) -> Machine:
        number = self.ever_made = self.ever_made + 1
        listed = CloudServer(
            cloud_id=CloudId(f"sim-{number:08x}"),
            server=spec.server,
            nonce=spec.nonce,
            pool=spec.pool,
            az=spec.az,
            status=status,
            address=self._addresses.popleft() if self._addresses else _address(number),
            created_at=self.clock.now(),
        )
        machine = Machine(spec=spec, host=f"{spec.az}-host{number % HOSTS_PER_ZONE:02d}", listed=listed)
        machine.life = self._birth(machine)
        self.machines[spec.server] = self.at_address[listed.address] = machine
        self._list(spec.server)
        self.truth.tell(
            MachineMade(
                server=spec.server,
                az=spec.az,
                nonce=spec.nonce,
                pool=spec.pool,
                address=listed.address,
                status=status,
            )
        )
        return machine

    def _make_late(self, spec: ServerSpec) -> None:
        if spec.server not in self.machines:
            self._make(spec)

    def _finish_build(self, machine: Machine) -> None:
        if machine.listed.status is not CloudStatus.BUILDING:
            return
        if self.stream.chance(self.faults.broken_builds):
            self._say(machine, CloudStatus.ERROR, "No valid host was found")
            return
        machine.is_never_booting = self.stream.chance(self.faults.dead_builds)
        self._say(machine, CloudStatus.ACTIVE)
        self._power_on(machine)

    def _power_on(self, machine: Machine) -> None:
        machine.is_running = True
        if machine.life is not None and not machine.is_never_booting:
            machine.life.power_on()

    def _power_off(self, machine: Machine) -> None:
        if machine.is_running and machine.life is not None:
            machine.life.power_off()
        machine.is_running = False

    def _say(self, machine: Machine, status: CloudStatus, fault: str = "") -> None:
        before = machine.listed.status
        machine.listed = replace(machine.listed, status=status, fault=fault)
        self._list(machine.spec.server)
        if before is not status:
            self.truth.tell(StatusChanged(server=machine.spec.server, before=before, after=status))

    def _list(self, server: ServerId) -> None:
        """Have the next list say what is true of a server now."""
        machine = self.machines.get(server)
        self._listed = self._listed.updated({server: machine.listed if machine is not None else None})
        self._view = None

    def _tell_deletion(self, machine: Machine) -> None:
        life = machine.life
        condition = life.condition if life is not None and machine.is_running else Condition.DARK
        service, version = (life.role if life is not None else None) or (None, None)
        self.truth.tell(
            DeletionBegun(server=machine.spec.server, condition=condition, service=service, version=version)
        )

    def _remove(self, machine: Machine) -> None:
        if self.machines.get(machine.spec.server) is not machine:
            return
        self._power_off(machine)
        del self.machines[machine.spec.server]
        del self.at_address[machine.listed.address]
        self.truth.tell(MachineGone(server=machine.spec.server))
        self._addresses.append(machine.listed.address)  # V11: given again, to whom is next
        self._list(machine.spec.server)


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

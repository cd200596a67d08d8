"""The simulated datacentre: zones, racks, hosts and machines, and everything that goes wrong with them.

This is the truth that checkers compare the product's beliefs with; what the product may see of it goes through the
Cloud port (sim/cloud.py). What runs on a machine is a SimServer (sim/servers.py).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import takewhile
from typing import Final

from hfs_appliance.model.ids import AvailabilityZone, CloudId, ServerId
from hfs_appliance.model.instants import MINUTE, seconds
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, Transient
from sim.clock import WorldClock
from sim.cloudfaults import CloudFaults
from sim.listing import Listing
from sim.machine import Birth, Machine, Pace
from sim.streams import Stream
from sim.truth import Condition, DeletionBegun, MachineGone, MachineHidden, MachineMade, StatusChanged, Truth

HOSTS_PER_ZONE: Final = 20
HOSTS_PER_RACK: Final = 5
RECOUNTED_AFTER: Final = seconds(1)
"""When nova counts again whom it has let in, and refuses who is too many: with ERROR."""

PROJECT: Final = "simulated"


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
        self.ghosts: Final[dict[ServerId, Machine]] = {}
        """Machines that the cloud has forgotten, on hosts that have not heard of it."""
        self.ever_made = 0
        self.late_until = 0
        """When the last thing is over that the cloud does long after it was asked, and that nobody foresees.

        A creation that was answered with an error; the end of a server that came back with its host after it was
        deleted, and that nobody tells to stop: somebody else has deleted it, or it has no role, and only waits in the
        pool until the cloud reaps it in the end.
        """
        self.deletions = 0
        """Deletions that were begun."""
        self.listing: Final = Listing(clock.now, self.listed, self.faults)
        self._birth = birth
        self.at_address: Final[dict[str, Machine]] = {}
        """Ghosts included."""
        self._addresses: deque[str] = deque()
        self._listed: Map[ServerId, CloudServer] = Map()
        self._view: CloudView | None = None
        self._dark: Final[Counter[str]] = Counter()
        """Power failures by host."""
        self._known_dark: Final[Counter[str]] = Counter()
        """Those that the scheduler knows of."""

    # What the API does, at the instant at which it does it

    def listed(self) -> CloudView:
        """List the machines as they are."""
        if self._view is None:
            self._view = CloudView(servers=self._listed, project=PROJECT)
        return self._view

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
        is_over_quota = self._is_over_quota()
        if stream.chance(faults.conflicting_calls):
            raise Conflict(f"create {spec.server}: 409, something else is going on")
        if stream.chance(faults.refused_creates):
            raise Transient(f"create {spec.server}: 503, nothing was done")
        if stream.chance(faults.late_creates):
            late = self.clock.now() + stream.between(1, 10) * MINUTE
            self.late_until = max(self.late_until, late)
            self.clock.at(late, lambda: self._make_late(spec))
            raise Ambiguous(f"create {spec.server}: 504, no answer from the scheduler")
        made = self._make_too_many(spec) if is_over_quota else self._make(spec)
        if stream.chance(faults.lost_creates):
            raise Ambiguous(f"create {spec.server}: the connection was reset before the answer")
        return made.listed

    def delete(self, server: ServerId) -> None:
        """Begin to delete. Errors: Missing, Conflict."""
        machine, faults, stream = self.find(server), self.faults, self.stream
        if stream.chance(faults.conflicting_calls):
            raise Conflict(f"delete {server}: 409, something else is going on")
        if machine.listed.status is CloudStatus.DELETING or stream.chance(faults.ignored_deletes):
            return
        self.deletions += 1
        self._tell_deletion(machine)
        self._say(machine, CloudStatus.DELETING)
        if stream.chance(faults.broken_deletes):
            self.clock.after(stream.draw(self.pace.deleting), lambda: self._fail_deletion(machine))
            return
        is_ghostly = stream.chance(faults.ghostly_deletes)
        span = self.pace.stalled if stream.chance(faults.stalled_deletes) else stream.draw(self.pace.deleting)
        self.clock.after(span, lambda: self._remove(machine, is_ghostly=is_ghostly))

    # What happens to machines

    def kill(self, server: ServerId, words: str = "powered off") -> None:
        """End what runs on a machine for good; the cloud notices."""
        machine = self.find(server)
        self._end_life(machine)
        machine.is_switched_on = False
        if machine.listed.status is not CloudStatus.DELETING:
            self._say(machine, CloudStatus.STOPPED, words)

    def reboot(self, server: ServerId) -> None:
        """V8: let somebody else press the button."""
        machine = self.find(server)
        self._end_life(machine)
        self._begin_life(machine)

    def vanish(self, server: ServerId) -> None:
        """H10: let a machine disappear, as if somebody else had deleted it."""
        machine = self.find(server)
        machine.is_vanished = True
        self._remove(machine)

    def lose_power(self, machines: Iterable[Machine], *, is_noticed: bool) -> None:
        """V5, V6: end what runs on machines; whether the cloud says so is another matter."""
        for machine in tuple(machines):
            self._end_life(machine)
            machine.outages += 1
            if is_noticed and machine.listed.status is CloudStatus.ACTIVE:
                self._say(machine, CloudStatus.STOPPED, "its host is down")

    def regain_power(self, machines: Iterable[Machine]) -> None:
        """V7: let machines that were lost run again, as they were; those that were deleted meanwhile, as ghosts."""
        for machine in tuple(machines):
            machine.outages = max(0, machine.outages - 1)
            if not machine.is_running:
                continue
            server = machine.spec.server
            if self.machines.get(server) is machine:
                if machine.listed.status is CloudStatus.STOPPED:
                    self._say(machine, CloudStatus.ACTIVE)
            elif self.ghosts.get(server) is machine:
                self._reap_later(machine)
            else:
                continue
            self._begin_life(machine)

    def darken(self, hosts: Iterable[str], *, is_noticed: bool) -> list[Machine]:
        """V6: take the power of hosts; give the machines on them. What is built there meanwhile never comes up."""
        victims = []
        for host in hosts:
            self._dark[host] += 1
            self._known_dark[host] += is_noticed
            victims += self.on_host(host)
        self.lose_power(victims, is_noticed=is_noticed)
        return victims

    def lighten(self, hosts: Iterable[str], *, was_noticed: bool) -> None:
        """V7: give hosts their power back."""
        for host in hosts:
            self._dark[host] -= 1
            self._known_dark[host] -= was_noticed
            self.regain_power(self.on_host(host))

    def in_zone(self, zone: AvailabilityZone) -> list[Machine]:
        """List the machines of a zone."""
        return [machine for machine in self.machines.values() if machine.spec.az == zone]

    def on_host(self, host: str) -> list[Machine]:
        """List the machines of a host, ghosts included."""
        return [machine for machine in (*self.machines.values(), *self.ghosts.values()) if machine.host == host]

    def let_stand(self, spec: ServerSpec) -> Machine:
        """Have a machine that was made and booted before the story begins."""
        machine = self._add(spec, CloudStatus.ACTIVE)
        machine.is_switched_on = True
        return machine

    def exorcise(self) -> None:
        """End all ghosts: somebody has looked at the hosts."""
        for machine in tuple(self.ghosts.values()):
            self._bury(machine)

    # How machines come and go

    def _make(self, spec: ServerSpec) -> Machine:
        machine = self._add(spec, CloudStatus.BUILDING)
        if not self.stream.chance(self.faults.stalled_builds):
            span = self.stream.draw(self.pace.building) * self.faults.slow_builds
            self.clock.after(span, lambda: self._finish_build(machine))
        return machine

    def _is_over_quota(self) -> bool:
        """Tell whether one is too many and let in all the same, with others that ask with it. Errors: Exhausted."""
        used, quota = len(self.machines) + self.faults.quota_drift, self.faults.quota
        if quota is None or used < quota:
            return False
        since = self.clock.now() - self.faults.unseen
        unseen = takewhile(lambda machine: machine.listed.created_at > since, reversed(self.machines.values()))
        if used - sum(1 for _ in unseen) >= quota:
            raise Exhausted(f"403, quota exceeded for instances: {used} of {quota} are used")
        return True

    def _make_too_many(self, spec: ServerSpec) -> Machine:
        machine = self._add(spec, CloudStatus.BUILDING)
        self.clock.after(RECOUNTED_AFTER, lambda: self._refuse(machine))
        return machine

    def _refuse(self, machine: Machine) -> None:
        is_gone = self.machines.get(machine.spec.server) is not machine
        if not is_gone and machine.listed.status is CloudStatus.BUILDING:
            machine.listed = replace(machine.listed, is_exhausted=True)
            self._say(machine, CloudStatus.ERROR, "Quota exceeded for instances: Requested 1, but there is no more")

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
            uuid=spec.uuid,
        )
        host = self._schedule(spec.az, number)
        machine = Machine(spec=spec, host=host, listed=listed, outages=self._dark[host])
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

    def _schedule(self, zone: AvailabilityZone, number: int) -> str:
        """Choose a host of the zone, one that is not known to be down if there is any."""
        hosts = hosts_of(zone)
        first = number % HOSTS_PER_ZONE
        if not self._known_dark[hosts[first]]:
            return hosts[first]
        in_turn = hosts[first:] + hosts[:first]
        return next((host for host in in_turn if not self._known_dark[host]), in_turn[0])

    def _make_late(self, spec: ServerSpec) -> None:
        if spec.server not in self.machines:
            self._make(spec)

    def _finish_build(self, machine: Machine) -> None:
        is_gone = self.machines.get(machine.spec.server) is not machine  # somebody has deleted it meanwhile
        if is_gone or machine.listed.status is not CloudStatus.BUILDING:
            return
        has_no_host = machine.spec.az in self.faults.full_zones or self._known_dark[machine.host]
        if has_no_host or self.stream.chance(self.faults.broken_builds):
            self._say(machine, CloudStatus.ERROR, "No valid host was found")
            return
        if machine.outages:
            return  # V2: its host took the request and is dark; nobody will ever say so
        machine.is_never_booting = self.stream.chance(self.faults.dead_builds)
        self._say(machine, CloudStatus.ACTIVE)
        machine.is_switched_on = True
        self._begin_life(machine)

    def _begin_life(self, machine: Machine) -> None:
        if machine.life is not None and machine.is_running and not machine.is_never_booting:
            machine.life.power_on()

    def _end_life(self, machine: Machine) -> None:
        if machine.life is not None and machine.is_running:
            machine.life.power_off()

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

    def _fail_deletion(self, machine: Machine) -> None:
        if machine.listed.status is CloudStatus.DELETING:
            self._say(machine, CloudStatus.ERROR, "its host did not answer")

    def _remove(self, machine: Machine, *, is_ghostly: bool = False) -> None:
        server = machine.spec.server
        if self.machines.get(server) is not machine:
            return
        del self.machines[server]
        self._list(server)
        if server in self.ghosts:  # made again under its name, and gone again
            self._bury(self.ghosts[server])
        self.ghosts[server] = machine
        if not is_ghostly and not (machine.outages and machine.is_switched_on):
            self._bury(machine)
            return
        self.truth.tell(MachineHidden(server=server))
        if is_ghostly:  # else its host hears of it when it is back
            self._reap_later(machine)

    def _reap_later(self, machine: Machine) -> None:
        due = self.clock.now() + self.stream.between(MINUTE, self.pace.stalled)
        is_roleless = machine.life is None or machine.life.role is None
        if machine.is_vanished or is_roleless:
            self.late_until = max(self.late_until, due)
        self.clock.at(due, lambda: self._bury(machine))

    def _bury(self, machine: Machine) -> None:
        server = machine.spec.server
        if self.ghosts.get(server) is not machine:
            return
        del self.ghosts[server]
        self._end_life(machine)
        machine.is_switched_on = False
        del self.at_address[machine.listed.address]
        if server not in self.machines:  # else it is told of the one that is hidden, and the new one has the name
            self.truth.tell(MachineGone(server=server))
        self._addresses.append(machine.listed.address)  # V11: given again, to whom is next


@cache
def hosts_of(zone: AvailabilityZone) -> tuple[str, ...]:
    """Name the hosts of a zone, rack by rack."""
    return tuple(f"{zone}-rack{number // HOSTS_PER_RACK}-host{number:02d}" for number in range(HOSTS_PER_ZONE))


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

"""The census: what there is in truth, folded from facts; checkers and metrics look things up here.

Each fact costs a constant. What the control plane could not know yet is kept for a while (`LATELY`), so that a judge
can tell a wrong decision from one that was right a moment ago.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from hfs_appliance.mcp.sizing import split
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import AvailabilityZone, Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from sim.entries import (
    Announced,
    DesiredStored,
    LedgerWritten,
    RecordGone,
    RecordWritten,
    Registered,
    RoleGiven,
    RoleTaken,
    RolloutGone,
    RolloutWritten,
    TrafficGone,
    TrafficWritten,
    Unannounced,
    Unregistered,
)
from sim.truth import (
    Condition,
    ConditionChanged,
    DeletionBegun,
    DemandChanged,
    Fact,
    MachineGone,
    MachineHidden,
    MachineMade,
    StatusChanged,
)

LATELY: Final = seconds(60)
"""A session's end, a poll, a queue of actions: what is younger may not have reached the control plane's hand."""

Key: TypeAlias = tuple[ServiceName, Version]


class Recent:
    """Counts what happened within a span."""

    __slots__ = ("_entries", "_span", "_total")

    def __init__(self, span: Duration = LATELY) -> None:
        self._span = span
        self._entries: deque[tuple[int, int]] = deque()
        self._total = 0

    def add(self, now: Instant, number: int = 1) -> None:
        """Count something that happens now."""
        self._entries.append((now, number))
        self._total += number

    def count(self, now: Instant) -> int:
        """Give how many happened within the span before now."""
        entries = self._entries
        while entries and entries[0][0] < now - self._span:
            self._total -= entries.popleft()[1]
        return self._total


@dataclass(slots=True, kw_only=True)
class Machine:
    """One machine."""

    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    address: str
    status: CloudStatus
    condition: Condition = Condition.DARK
    key: Key | None = None
    """What it serves, or is to serve."""
    has_run: bool = False
    is_going: bool = False
    """The cloud is deleting it at the product's wish."""


@dataclass(slots=True)
class Group:
    """The instances of one service version."""

    desired: int = 0
    serving: int = 0
    """In truth, registered or not."""
    up: dict[ServerId, Instant] = field(default_factory=dict)
    """Registered for traffic, and not told to leave; since when."""
    lost: Recent = field(default_factory=Recent)
    """Registrations that ended without our asking."""


@dataclass(slots=True)
class Whole:
    """One service, all versions together."""

    desired: int = 0
    serving: int = 0
    demand: int | None = None

    @property
    def wanted(self) -> int:
        """Instances that the traffic needs, as far as anybody has said."""
        return self.desired if self.demand is None else self.demand


class Census:
    """Machines (as far as the cloud knows them), records, roles, registrations and what is desired, as they are now."""

    def __init__(self) -> None:
        self.machines: dict[ServerId, Machine] = {}
        self.gone: dict[ServerId, Machine] = {}
        """Machines that went at this very instant."""
        self._gone_at = Instant(0)
        self.conditions: Counter[Condition] = Counter()
        self.warm: Counter[PoolName] = Counter()
        self.records: dict[ServerId, RecordWritten] = {}
        self.former_record: RecordWritten | None = None
        """What the record that was written or removed last had been."""
        self.roles: dict[ServerId, RoleGiven] = {}
        self.former_role: RoleGiven | None = None
        self.announced: dict[ServerId, Nonce] = {}
        self.registered: dict[ServerId, Registered] = {}
        self.traffic: dict[ServiceName, TrafficWritten] = {}
        self.rollouts: dict[ServiceName, RolloutWritten] = {}
        self.desired: DesiredState | None = None
        """The last one that could be read, with the sizes of the services that scale themselves."""
        self._stored: DesiredState | None = None
        self._sizes: Mapping[ServiceName, int] = {}
        self._stocks: Mapping[PoolName, int] = {}
        self.groups: dict[Key, Group] = {}
        self.services: dict[ServiceName, Whole] = {}
        self.desired_in_all = self.wanted_in_all = 0
        """Of all services together."""
        self._formerly: deque[tuple[Instant, DesiredState]] = deque()
        """Former desired states, with the instants at which they ended."""
        self._up: dict[ServerId, Key] = {}
        self._takes: Mapping[type[Fact], Callable[[Instant, Any], None]] = {
            MachineMade: self._made,
            StatusChanged: self._status,
            ConditionChanged: self._condition,
            DeletionBegun: self._going,
            MachineGone: self._gone,
            MachineHidden: self._gone,
            RecordWritten: self._record,
            RecordGone: self._no_record,
            RoleGiven: self._role,
            RoleTaken: self._no_role,
            Announced: self._announced,
            Unannounced: self._unannounced,
            Registered: self._registered,
            Unregistered: self._unregistered,
            DesiredStored: self._desired,
            LedgerWritten: self._ledger,
            TrafficWritten: self._traffic,
            TrafficGone: self._no_traffic,
            RolloutWritten: self._rollout,
            RolloutGone: self._no_rollout,
            DemandChanged: self._demand,
        }

    @property
    def kinds(self) -> tuple[type[Fact], ...]:
        """Facts that are taken."""
        return tuple(self._takes)

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact."""
        self._takes[type(fact)](now, fact)

    def group(self, key: Key) -> Group:
        """Give the instances of a service version."""
        found = self.groups.get(key)
        if found is None:
            found = self.groups[key] = Group()
        return found

    def service(self, name: ServiceName) -> Whole:
        """Give a service."""
        found = self.services.get(name)
        if found is None:
            found = self.services[name] = Whole()
        return found

    def lately(self, now: Instant) -> list[DesiredState]:
        """Give what is desired, and what was a moment ago; empty before anything could be read."""
        while self._formerly and self._formerly[0][0] < now - LATELY:
            self._formerly.popleft()
        former = [desired for _, desired in self._formerly]
        return [*former, self.desired] if self.desired is not None else former

    def is_leaving(self, server: ServerId) -> bool:
        """Tell whether the control plane has decided that a server must go."""
        record, role = self.records.get(server), self.roles.get(server)
        if record is not None and (record.is_draining or record.is_deleting):
            return True
        return role is not None and role.is_draining

    def is_owned(self, server: ServerId) -> bool:
        """Tell whether the registry holds the record of just this machine."""
        machine, record = self.machines.get(server), self.records.get(server)
        return machine is not None and record is not None and machine.nonce == record.nonce

    # Machines

    def _made(self, _: Instant, fact: MachineMade) -> None:
        self.conditions[Condition.DARK] += 1
        self.machines[fact.server] = Machine(
            server=fact.server,
            nonce=fact.nonce,
            pool=fact.pool,
            az=fact.az,
            address=fact.address,
            status=fact.status,
        )

    def _status(self, _: Instant, fact: StatusChanged) -> None:
        self.machines[fact.server].status = fact.after

    def _condition(self, _: Instant, fact: ConditionChanged) -> None:
        machine = self.machines.get(fact.server)
        if machine is None:
            return
        self._count(machine, -1)
        machine.condition = fact.after
        machine.has_run = True
        machine.key = (fact.service, fact.version) if fact.service is not None and fact.version is not None else None
        self._count(machine, 1)

    def _count(self, machine: Machine, step: int) -> None:
        self.conditions[machine.condition] += step
        if machine.condition is Condition.WARM:
            self.warm[machine.pool] += step
        if machine.condition is Condition.SERVING and machine.key is not None:
            self.group(machine.key).serving += step
            self.service(machine.key[0]).serving += step

    def _going(self, _: Instant, fact: DeletionBegun) -> None:
        self.machines[fact.server].is_going = True

    def _gone(self, now: Instant, fact: MachineGone | MachineHidden) -> None:
        machine = self.machines.pop(fact.server, None)  # None: a ghost, which nobody can do anything about
        if machine is None:
            return
        self._count(machine, -1)
        if now != self._gone_at:
            self._gone_at = now
            self.gone.clear()
        self.gone[fact.server] = machine

    # Entries of the registry

    def _record(self, now: Instant, fact: RecordWritten) -> None:
        self.former_record = self.records.get(fact.server)
        self.records[fact.server] = fact
        self._judge(now, fact.server)

    def _no_record(self, now: Instant, fact: RecordGone) -> None:
        self.former_record = self.records.pop(fact.server, None)
        self._judge(now, fact.server)

    def _role(self, now: Instant, fact: RoleGiven) -> None:
        self.former_role = self.roles.get(fact.server)
        self.roles[fact.server] = fact
        self._judge(now, fact.server)

    def _no_role(self, now: Instant, fact: RoleTaken) -> None:
        self.former_role = self.roles.pop(fact.server, None)
        self._judge(now, fact.server)

    def _announced(self, _: Instant, fact: Announced) -> None:
        self.announced[fact.server] = fact.nonce

    def _unannounced(self, _: Instant, fact: Unannounced) -> None:
        self.announced.pop(fact.server, None)

    def _registered(self, now: Instant, fact: Registered) -> None:
        self.registered[fact.instance] = fact
        self._judge(now, fact.instance)

    def _unregistered(self, now: Instant, fact: Unregistered) -> None:
        known = self.registered.get(fact.instance)
        if known is not None and known.service == fact.service:
            del self.registered[fact.instance]
            self._judge(now, fact.instance)

    def _traffic(self, _: Instant, fact: TrafficWritten) -> None:
        self.traffic[fact.service] = fact

    def _no_traffic(self, _: Instant, fact: TrafficGone) -> None:
        self.traffic.pop(fact.service, None)

    def _rollout(self, _: Instant, fact: RolloutWritten) -> None:
        self.rollouts[fact.service] = fact

    def _no_rollout(self, _: Instant, fact: RolloutGone) -> None:
        self.rollouts.pop(fact.service, None)

    def _judge(self, now: Instant, server: ServerId) -> None:
        """Put a server into the group for which it is up, or into none."""
        entry, before = self.registered.get(server), self._up.get(server)
        is_up = entry is not None and entry.is_up
        after = (entry.service, entry.version) if entry is not None and is_up and not self.is_leaving(server) else None
        if before == after:
            return
        if before is not None:
            group = self.group(before)
            del group.up[server]
            if not is_up and not self.is_leaving(server):
                group.lost.add(now)
            del self._up[server]
        if after is not None:
            self.group(after).up[server] = now
            self._up[server] = after

    # What is wanted

    def _desired(self, now: Instant, fact: DesiredStored) -> None:
        if fact.desired is not None:
            self._stored = fact.desired
            self._want(now, fact.desired)

    def _ledger(self, now: Instant, fact: LedgerWritten) -> None:
        if (fact.sizes, fact.stocks) != (self._sizes, self._stocks):
            self._sizes, self._stocks = fact.sizes, fact.stocks
            if self._stored is not None:
                self._want(now, self._stored)

    def _want(self, now: Instant, stored: DesiredState) -> None:
        """Take what is desired, with the sizes of the services and pools that scale themselves."""
        pools = {
            name: replace(pool, size=self._stocks[name])
            for name, pool in stored.pools.items()
            if name in self._stocks and pool.max is not None
        }
        stored = replace(stored, pools={**stored.pools, **pools}) if pools else stored
        services = {
            name: replace(service, versions=split(self._sizes[name], service.versions))
            for name, service in stored.services.items()
            if name in self._sizes and service.autoscale is not None
        }
        desired = replace(stored, services={**stored.services, **services}) if services else stored
        if self.desired is not None:
            self._formerly.append((now, self.desired))
        self.desired = desired
        for group in self.groups.values():
            group.desired = 0
        for whole in self.services.values():
            whole.desired = 0
        for name, service in desired.services.items():
            for version, count in service.versions.items():
                self.group((name, version)).desired = count
                self.service(name).desired += count
        self.desired_in_all = sum(whole.desired for whole in self.services.values())
        self.wanted_in_all = sum(whole.wanted for whole in self.services.values())

    def _demand(self, _: Instant, fact: DemandChanged) -> None:
        whole = self.service(fact.service)
        self.wanted_in_all -= whole.wanted
        whole.demand = fact.instances
        self.wanted_in_all += whole.wanted

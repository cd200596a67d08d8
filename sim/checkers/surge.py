"""Checkers of how much is built at a time: never without a need, never past the limits of the configuration."""

from __future__ import annotations

from collections import deque
from typing import Final

from hfs_appliance.model.events import HoldChanged, PhaseChanged, Recorded
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Phase
from sim.census import LATELY, Key
from sim.checkers.base import Case, Checker
from sim.checkers.capacity import Capacity
from sim.entries import Author, RecordGone, RecordWritten, RoleGiven, Unregistered
from sim.truth import ApiCalled, DeletionBegun, Fact, MachineGone, MachineHidden, MachineMade, StatusChanged


class Surge(Checker):
    """Each server that is made is needed when it is made, and what is too many leaves."""

    name = "surge"
    ids = ("S4", "S8", "S12")
    promise = (
        "a server is made, or given a role, only where one lacks past its grace; what is too many leaves in minutes"
    )
    hears = (HoldChanged, PhaseChanged)
    sees = (*Capacity.SEES, ApiCalled)

    GIVEN_UP_AFTER: Final = seconds(20)
    """Nobody waits for a call that takes longer: another server may have been asked for in its place."""
    RECORDED_LONG: Final = Duration(2 * MINUTE)
    """What was recorded so long before was needed then (S8), and could not be asked for: a clock was put back."""
    LEAVES_WITHIN: Final = Duration(5 * MINUTE)
    HOLDING: Final = frozenset({"destroy-budget", "storm"})
    DOUBTED: Final = frozenset({Phase.SUSPECT.value, Phase.LOST.value})

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._capacity = Capacity(case.census)
        self._list_lasts = case.list_lasts
        self._made: MachineMade | None = None
        self._recorded_at: dict[ServerId, Instant] = {}
        self._renewals: dict[ServerId, PoolName] = {}
        """Servers that are built in the place of others which leave when these are there."""
        self._too_many_since: dict[PoolName, Instant] = {}
        self._removed_at = Instant(0)
        self._absences: dict[Key, deque[tuple[Instant, ServerId]]] = {}
        self._holding: set[tuple[str, str]] = set()
        """What keeps the control plane from taking servers away, as it says: by scope and rule."""

    def hear(self, recorded: Recorded) -> None:
        """Note that nothing may leave now, or that it may again; and on whom the control plane does not count."""
        event = recorded.event
        if isinstance(event, PhaseChanged):
            self._capacity.doubt(recorded.at, event.server, is_doubted=event.phase in self.DOUBTED)
        if isinstance(event, HoldChanged) and event.rule in self.HOLDING:
            (self._holding.add if event.words else self._holding.discard)((event.scope, event.rule))
            self._removed_at = recorded.at

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge what the API was asked to make; look now and then for what is left over."""
        if not isinstance(fact, ApiCalled):
            self._capacity.see(now, fact)
            if isinstance(fact, MachineMade):
                self._made = fact
            elif isinstance(fact, RecordWritten | RecordGone):
                self._note_record(now, fact)
            elif isinstance(fact, RoleGiven) and not fact.is_draining:
                if fact.author is Author.PLANE:
                    self._judge_claim(now, fact)
            elif isinstance(fact, DeletionBegun | RoleGiven):
                self._removed_at = now
            elif isinstance(fact, Unregistered):
                self._note_absence(now, fact.instance)
        elif fact.call == "create":
            made, self._made = self._made, None
            if made is None or made.server != fact.server:
                return  # it came late (O3), or was there already
            was_recorded_long = now - self._recorded_at.get(made.server, now) > self.RECORDED_LONG
            if was_recorded_long or now - fact.asked_at > self.GIVEN_UP_AFTER:
                self._capacity.returned.add(now)
            else:
                self._judge(now, made)
        elif fact.call == "list":
            self._look_for_the_left_over(now)

    def _judge(self, now: Instant, made: MachineMade) -> None:
        too_many = self._capacity.spares_too_many(made.pool) - self._renewing(made.pool)
        if too_many > self._capacity.returned.count(now):
            self.accuse(f"{made.server} was made though pool {made.pool} has {too_many} servers too many with it")

    def _note_record(self, now: Instant, fact: RecordWritten | RecordGone) -> None:
        if isinstance(fact, RecordWritten):
            self._recorded_at.setdefault(fact.server, now)
        else:
            self._recorded_at.pop(fact.server, None)
        is_one = isinstance(fact, RecordWritten) and fact.is_renewal
        if isinstance(fact, RecordWritten) and is_one and not (fact.is_built or fact.has_failed or fact.is_deleting):
            self._renewals[fact.server] = fact.pool
        else:
            self._renewals.pop(fact.server, None)

    def _renewing(self, pool: PoolName) -> int:
        """Count what is built in the place of others: one in ten of a pool at a time, and one at least."""
        count = sum(1 for where in self._renewals.values() if where == pool)
        return min(count, max(1, self._capacity.sizes.get(pool, 0) // 10))

    def _judge_claim(self, now: Instant, role: RoleGiven) -> None:
        key = (role.service, role.version)
        too_many = self._capacity.instances_too_many(key) + self._wavering(now, key)
        if too_many > self._capacity.returned.count(now):
            words = f"{role.service} {role.version}, which has {too_many} instances too many with it"
            self.accuse(f"{role.server} was given to {words}")

    def _note_absence(self, now: Instant, server: ServerId) -> None:
        record = self._census.records.get(server)
        if record is not None and record.service is not None and record.version is not None:
            self._absences.setdefault((record.service, record.version), deque(maxlen=100)).append((now, server))

    def _wavering(self, now: Instant, key: Key) -> int:
        """Count those that have been silent for less than their grace: nobody may be put in their place yet."""
        if self._weather.may_lists_omit(now):
            return 0  # who is silent, and not listed, is no more
        desired = self._census.desired
        service = desired.services.get(key[0]) if desired is not None else None
        patience = service.suspect_grace - SECOND if service is not None else 0
        recent = (server for at, server in self._absences.get(key, ()) if now - at < patience)
        return sum(1 for server in recent if self._is_wavering(server))

    def _is_wavering(self, server: ServerId) -> bool:
        machine = self._census.machines.get(server)
        if machine is None or machine.status is not CloudStatus.ACTIVE or machine.is_going:
            return False
        if not self._census.is_owned(server):
            return False  # its record was removed: nothing tells what it was, or for how long it has been silent
        return server not in self._census.registered and not self._census.is_leaving(server)

    def _look_for_the_left_over(self, now: Instant) -> None:
        if self._holding:
            return
        able_since = self._weather.able_since
        for pool, size in self._capacity.sizes.items():
            # Those in building are left to finish first.
            too_many = min(self._capacity.spares_too_many(pool), self._census.warm[pool] - size)
            if too_many <= 0 or now - self._weather.listed_at > self._list_lasts:
                self._too_many_since.pop(pool, None)  # nothing leaves without a list
                continue
            since = self._too_many_since.setdefault(pool, now)
            if able_since is not None and max(since, able_since, self._removed_at) + self.LEAVES_WITHIN < now:
                self._too_many_since[pool] = now
                if self._is_deleting_at_most():
                    continue  # one that the cloud does not end keeps its place among those that may be deleted at once
                self.accuse(f"pool {pool} has had servers too many for five minutes, and none of them leaves")

    def _is_deleting_at_most(self) -> bool:
        desired, machines = self._census.desired, self._census.machines.values()
        deleting = sum(machine.status is CloudStatus.DELETING for machine in machines)
        return desired is not None and deleting >= desired.limits.max_deleting


class Limits(Checker):
    """The numbers of `[quota]` hold in the cloud itself."""

    name = "limits"
    ids = ("S4", "S12")
    promise = "never more servers, creations or deletions at one time than the configuration allows"
    sees = (MachineMade, StatusChanged, MachineGone, MachineHidden, RecordWritten, RecordGone, ApiCalled, DeletionBegun)

    UNLISTED: Final = seconds(50)
    """Of the minute that a creation has to be listed: it may take a while to reach the cloud."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._made: ServerId | None = None
        self._building: dict[ServerId, Instant] = {}
        """With the instants since when."""
        self._deleting: dict[ServerId, Instant] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Count."""
        match fact:
            case MachineMade():
                self._made = fact.server
                self._sort(now, fact.server)
            case StatusChanged() | MachineGone() | MachineHidden() | RecordWritten() | RecordGone():
                self._sort(now, fact.server)
            case ApiCalled(call="create") if self._made is not None and fact.server == self._made:
                self._made = None
                self._judge_creation(now)
            case DeletionBegun():
                self._deleting[fact.server] = now
                self._judge_deletion(now)

    def _sort(self, now: Instant, server: ServerId) -> None:
        """Of what nobody's record asks for, the control plane may not know."""
        machine, record = self._census.machines.get(server), self._census.records.get(server)
        is_known = machine is not None and record is not None and machine.nonce == record.nonce
        status = machine.status if machine is not None else None
        is_wanted = is_known and record is not None and not (record.is_deleting or record.has_failed)
        _put(self._building, server, now, is_in=is_wanted and status is CloudStatus.BUILDING)
        _put(self._deleting, server, now, is_in=is_known and status is CloudStatus.DELETING)

    def _judge_creation(self, now: Instant) -> None:
        lately = self._census.lately(now)
        if self._weather.are_lists_blurred:
            return  # of a server that is called UNKNOWN nobody can tell whether it is still being built
        machines, most = len(self._census.machines), max((d.limits.max_servers for d in lately), default=0)
        if machines > most:
            self.accuse(f"{machines} servers exist with the one just made, max_servers is {most}")
        # A build that is stuck beyond its time is given up: it must not keep others from being tried. One that no list
        # names is given up sooner, as never begun.
        patience = max((pool.build_within for d in lately for pool in d.pools.values()), default=0) - LATELY
        patience = min(patience, self.UNLISTED) if self._weather.may_lists_omit(now) else patience
        building = sum(1 for since in self._building.values() if now - since <= patience)
        most = max((d.limits.max_creating for d in lately), default=0)
        if building > most:
            self.accuse(f"{building} servers are being created at one time, max_creating is {most}")

    def _judge_deletion(self, now: Instant) -> None:
        deleting, most = len(self._deleting), max((d.limits.max_deleting for d in self._census.lately(now)), default=0)
        if deleting > most:
            self.accuse(f"{deleting} servers are being deleted at one time, max_deleting is {most}")


def _put(among: dict[ServerId, Instant], server: ServerId, now: Instant, *, is_in: bool) -> None:
    if is_in:
        among.setdefault(server, now)
    else:
        among.pop(server, None)

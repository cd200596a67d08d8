"""What servers count for, as the control plane could see it: the fold beneath the checkers of building too much."""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeAlias

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from sim.census import Census, Key, Recent
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
    Unannounced,
    Unregistered,
)
from sim.truth import (
    Condition,
    ConditionChanged,
    DeletionBegun,
    Fact,
    MachineGone,
    MachineHidden,
    MachineMade,
    StatusChanged,
)

Place: TypeAlias = PoolName | Key
"""What a server counts for: its pool's spares, or a service version."""

NOTICED_WITHIN: Final = seconds(90)
_COMING: Final = frozenset({Condition.BUILDING, Condition.WARM, Condition.STARTING, Condition.SERVING})
_LIVING: Final = frozenset({CloudStatus.BUILDING, CloudStatus.ACTIVE})

_AboutServer: TypeAlias = (
    MachineMade
    | StatusChanged
    | ConditionChanged
    | DeletionBegun
    | MachineGone
    | MachineHidden
    | RecordWritten
    | RecordGone
    | RoleGiven
    | RoleTaken
    | Announced
    | Unannounced
)


class Capacity:
    """Sorts servers into what they count for; one look at one server for each fact."""

    SEES: Final[tuple[type[Fact], ...]] = (
        MachineMade,
        StatusChanged,
        ConditionChanged,
        DeletionBegun,
        MachineGone,
        MachineHidden,
        RecordWritten,
        RecordGone,
        RoleGiven,
        RoleTaken,
        Announced,
        Unannounced,
        Registered,
        Unregistered,
        DesiredStored,
        LedgerWritten,
        RolloutWritten,
        RolloutGone,
    )

    def __init__(self, census: Census) -> None:
        self._census = census
        self._places: dict[ServerId, Place] = {}
        self._taken: DesiredState | None = None
        self._desired: dict[Place, int] = {}
        self._pool_of: dict[Place, PoolName] = {}
        self._slots: dict[ServerId, tuple[Key, int]] = {}
        self._owners: Counter[tuple[Key, int]] = Counter()
        self._twins: Counter[Place] = Counter()
        """Instances that share the slot of another one, by version: another one comes in the place of each."""
        self.counts: Counter[Place] = Counter()
        self.deficits: Counter[PoolName] = Counter()
        """Instances that lack a server, by the pool that should give it."""
        self._doubted: set[ServerId] = set()
        """What the control plane says is suspect or lost: another one may be built in its place, whatever it is."""
        self.sizes: dict[PoolName, int] = {}
        self.returned = Recent(NOTICED_WITHIN)
        """Servers that count again, and what is wanted no more: the control plane may have built for them just now."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Look at the server that a fact is about."""
        match fact:
            case DesiredStored() | LedgerWritten():
                self._take_desired(now)
            case RolloutWritten() | RolloutGone():
                self._taken = None  # what is to be there is another number now
                self._take_desired(now)
            case Registered() | Unregistered():
                self._look(now, fact.instance, is_made=False)
            case MachineMade():
                self._look(now, fact.server, is_made=True)
            case _:
                assert isinstance(fact, _AboutServer)
                self._look(now, fact.server, is_made=False)

    def doubt(self, now: Instant, server: ServerId, *, is_doubted: bool) -> None:
        """Hear that the control plane counts on a server no more, or again."""
        if is_doubted is not (server in self._doubted):
            (self._doubted.add if is_doubted else self._doubted.discard)(server)
            self._look(now, server, is_made=False)

    def spares_too_many(self, pool: PoolName) -> int:
        """Give how many more servers wait, or are built, than pool and services could want."""
        return self.counts[pool] - self.sizes.get(pool, 0) - self.deficits[pool]

    def instances_too_many(self, key: Key) -> int:
        """Give how many more instances a version has, or will have, than are wanted."""
        return self.counts[key] - self._wanted(key)

    def _look(self, now: Instant, server: ServerId, *, is_made: bool) -> None:
        before, after = self._places.get(server), self._place(server)
        self._seat(server, after)
        if before == after:
            return
        if before is not None:
            del self._places[server]
            self._count(before, -1)
        elif not is_made:
            self.returned.add(now)
        if after is not None:
            self._places[server] = after
            self._count(after, 1)

    def _place(self, server: ServerId) -> Place | None:
        census = self._census
        machine, record = census.machines.get(server), census.records.get(server)
        if machine is None or machine.is_going or record is None or record.nonce != machine.nonce:
            return None
        if record.has_failed or server in self._doubted or census.is_leaving(server) or machine.status not in _LIVING:
            return None
        if record.service is None or record.version is None:
            if record.is_built and census.announced.get(server) != record.nonce:
                return None  # cut off from the registry it is nobody's to claim: another one may be built in its place
            is_coming = machine.condition in _COMING or not machine.has_run
            return record.pool if is_coming else None
        entry = census.registered.get(server)
        is_up = entry is not None and entry.is_up and entry.nonce == record.nonce
        is_right = entry is None or (entry.service, entry.version) == (record.service, record.version)
        if is_right and (is_up or (not record.is_ready and machine.condition in _COMING)):
            return record.service, record.version
        return None

    def _seat(self, server: ServerId, place: Place | None) -> None:
        """Note which slot a server has, as its record says."""
        record = self._census.records.get(server)
        slot = (place, record.slot) if isinstance(place, tuple) and record is not None else None
        if (former := self._slots.pop(server, None)) is not None:
            self._share(former, -1)
        if slot is not None and slot[1] is not None:
            self._slots[server] = slot[0], slot[1]
            self._share(self._slots[server], 1)

    def _share(self, slot: tuple[Key, int], step: int) -> None:
        had = max(0, self._owners[slot] - 1)
        self._owners[slot] += step
        self._change(self._twins, slot[0], max(0, self._owners[slot] - 1) - had)

    def _count(self, place: Place, step: int) -> None:
        self._change(self.counts, place, step)

    def _change(self, counter: Counter[Place], place: Place, step: int) -> None:
        before = self._deficit(place)
        counter[place] += step
        if place in self._pool_of:
            self.deficits[self._pool_of[place]] += self._deficit(place) - before

    def _wanted(self, place: Place) -> int:
        return self._desired.get(place, 0) + self._twins[place]

    def _deficit(self, place: Place) -> int:
        return max(0, self._wanted(place) - self.counts[place])

    def _take_desired(self, now: Instant) -> None:
        desired = self._census.desired
        if desired is None or desired is self._taken:
            return
        self._taken = desired
        former, former_sizes = self._desired, self.sizes
        self._desired, self._pool_of = {}, {}
        for name, service in desired.services.items():
            rollout = self._census.rollouts.get(name)
            # A version that is not wanted any more is replaced, too, for as long as it may have to take all requests.
            kept = rollout.kept if rollout is not None else {}
            for version in (*service.versions, *(v for v in kept if v not in service.versions)):
                self._desired[name, version] = max(service.versions.get(version, 0), kept.get(version, 0))
                self._pool_of[name, version] = service.pool
        self.sizes = {name: pool.size for name, pool in desired.pools.items()}
        self.deficits.clear()
        for place, pool in self._pool_of.items():
            self.deficits[pool] += self._deficit(place)
        fewer = sum(max(0, count - self._desired.get(place, 0)) for place, count in former.items())
        fewer += sum(max(0, size - self.sizes.get(name, 0)) for name, size in former_sizes.items())
        if fewer:
            self.returned.add(now, fewer)

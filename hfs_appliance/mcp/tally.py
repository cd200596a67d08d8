"""The tally: servers by what they count for. Policy works on these short groups and never looks at the whole fleet.

A server stands in some groups (dicts by server) and counts in the zones of a pool; which ones is decided in one place,
`place`, and its Standing remembers them, so that it can be taken out again without a second set of rules.

To add a rule about some servers: give the Tally (all servers), InstanceTally (a service version) or PoolTally a group,
and have `place` put servers into it. What it holds is then right on every pass, whether few servers were looked at or
all. Groups have no order: sort what reaches a plan. Nobody but `Standings` changes a tally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from hfs_appliance.mcp.budget import scope_of
from hfs_appliance.mcp.facts import Facts
from hfs_appliance.mcp.losses import FAILURES, SILENT, Loss, LossKind, Plight, cause_of_loss, loss_of
from hfs_appliance.mcp.phases import DRAINED, FOREIGN, QUESTIONED, UNCOUNTED
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version, serial_of
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Action, Cause, Claim, Create, Delete, Phase, Verdict, VersionCount

_SERVING: Final = Phase.SERVING
_ADOPTED: Final = Cause.ADOPTION.value
Zones: TypeAlias = Counter[AvailabilityZone]


class Standing(NamedTuple):
    """One server in the tally: what is known and believed of it, and where it counts."""

    facts: Facts
    verdict: Verdict | None
    """None: nothing is known of it but an action in flight."""
    until: Instant | None
    """When time alone may change the verdict."""
    action: Action | None
    """What is being done with it."""
    place: Place


Group: TypeAlias = dict[ServerId, Standing]


class Place(NamedTuple):
    """Where a server counts."""

    groups: tuple[Group, ...]
    service: ServiceName | None = None
    """Set when it counts as an instance."""
    pool: PoolTally | None = None
    az: AvailabilityZone | None = None
    is_coming: bool = False
    """Set when it is being built."""
    loss: Loss | None = None
    plight: Plight | None = None
    """Set when it is to be taken away for being lost."""


@dataclass(slots=True, eq=False)
class InstanceTally:
    """Servers of one service version."""

    serving: Group = field(default_factory=dict)
    starting: Group = field(default_factory=dict)
    wavering: Group = field(default_factory=dict)
    """Suspects that may come back any moment: they still count as capacity."""
    missing: Group = field(default_factory=dict)
    """Suspects in whose place capacity is added."""
    draining: Group = field(default_factory=dict)
    lost: Group = field(default_factory=dict)
    """They are gone or no good, and to be taken away; no capacity, and nothing of the version's size."""
    silent: Group = field(default_factory=dict)
    """Those of the lost whose only second witness is that they do not answer."""
    shared: dict[tuple[PoolName, AvailabilityZone, bool], Place] = field(default_factory=dict)
    """Where those stand that serve and whose records say so, made once; the adopted apart."""
    adopted: Group = field(default_factory=dict)
    """Of those that stay, the ones whose record was lost: their slots may have been given away meanwhile."""
    unrecorded: Group = field(default_factory=dict)
    """They serve though no record of ours says so: until they are adopted, nothing is added in their place."""

    def is_empty(self) -> bool:
        """Tell whether no server is of this version."""
        there = self.serving or self.starting or self.wavering or self.missing
        return not (there or self.draining or self.lost or self.unrecorded)

    def size(self) -> int:
        """Count all servers of this version."""
        return sum(map(len, (self.serving, self.starting, self.wavering, self.missing, self.draining)))

    def staying(self) -> Iterator[Standing]:
        """Give all that are recorded but the draining, in no order."""
        groups = (self.serving, self.starting, self.wavering, self.missing)
        return chain.from_iterable(group.values() for group in groups)

    def stays(self) -> int:
        """Count those."""
        return len(self.serving) + len(self.starting) + len(self.wavering) + len(self.missing)

    def capacity(self) -> int:
        """Count what nothing is to be added for: what serves, or is thought to soon."""
        return len(self.serving) + len(self.starting) + len(self.wavering) + len(self.unrecorded)

    def slots(self) -> set[int | None]:
        """Give the slots that are taken."""
        return {slot_of(standing) for standing in chain(self.staying(), self.unrecorded.values())}

    def zones(self) -> Zones:
        """Count instances by zone."""
        return Counter(standing.facts.record.az for standing in self.staying() if standing.facts.record is not None)

    def count(self, desired: int) -> VersionCount:
        """Give the numbers that an operator sees."""
        return VersionCount(
            desired=desired,
            serving=len(self.serving),
            starting=len(self.starting),
            suspect=len(self.wavering) + len(self.missing) + len(self.unrecorded),
            draining=len(self.draining),
        )


@dataclass(slots=True, eq=False)
class PoolTally:
    """Servers of one pool."""

    warm: Group = field(default_factory=dict)
    building: Group = field(default_factory=dict)
    """In creation or being built; creations in flight are among them."""
    unrecorded: Group = field(default_factory=dict)
    """Warm, though no record of ours says so."""
    zones: Zones = field(default_factory=Counter)
    """All servers of the pool that count, with a role or without, by zone."""
    coming: Zones = field(default_factory=Counter)
    """Those of them that are in building."""


@dataclass(slots=True, eq=False)
class Tally:
    """All servers, sorted into what policy asks for."""

    instances: dict[ServiceName, dict[Version, InstanceTally]] = field(default_factory=dict)
    pools: dict[PoolName, PoolTally] = field(default_factory=dict)
    lost: Group = field(default_factory=dict)
    drained: Group = field(default_factory=dict)
    deleting: Group = field(default_factory=dict)
    gone: Group = field(default_factory=dict)
    ambiguous: Group = field(default_factory=dict)
    foreign: Group = field(default_factory=dict)
    """Servers of another fleet of our name."""
    doubtful: Group = field(default_factory=dict)
    """Suspects without a role."""
    unsent: Group = field(default_factory=dict)
    """Recorded, and never listed by the cloud."""
    unconfirmed: Group = field(default_factory=dict)
    """Serving, and our record does not say so yet."""
    unnoted: Group = field(default_factory=dict)
    """Warm for the first time, and our record does not say so yet."""
    questioned: Group = field(default_factory=dict)
    """Instances whose fate hangs on what they answer when they are asked."""
    in_creation: Group = field(default_factory=dict)
    creations: Group = field(default_factory=dict)
    """Creations in flight of which nothing else is known yet."""
    deletions: Group = field(default_factory=dict)
    """Deletions in flight."""
    ahead: Group = field(default_factory=dict)
    """Servers whose serial the ledger does not know of."""
    losses: dict[ServiceName | None, Counter[Loss]] = field(default_factory=dict)
    """What was well and is lost, by service (None: warm servers); without entries of 0."""
    lost_in: Counter[tuple[AvailabilityZone, LossKind]] = field(default_factory=Counter)
    """The same of all services together."""
    condemned: Group = field(default_factory=dict)
    """Failures that have been counted and are still there."""
    failed: Group = field(default_factory=dict)
    """Failures that are lost and not counted yet."""
    absent: Group = field(default_factory=dict)
    """Lost, and the cloud does not list them: to take them away costs nobody anything."""
    plights: Counter[Plight] = field(default_factory=Counter)
    """The lost that are to be taken away, all but failures that are not counted yet; without entries of 0."""
    phases: Counter[Phase] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Servers that exist, may exist or are about to."""
        return sum(self.phases.values()) - self.phases[Phase.GONE] + len(self.creations)

    def of(self, service: ServiceName, version: Version) -> InstanceTally:
        """Give the tally of one service version, empty when it has no servers."""
        versions = self.instances.get(service)
        return (versions.get(version) if versions is not None else None) or InstanceTally()

    def serves(self, service: ServiceName, versions: Mapping[Version, int]) -> bool:
        """Tell whether so many instances of each of these versions serve."""
        return all(len(self.of(service, version).serving) >= count for version, count in versions.items())

    def instance(self, service: ServiceName, version: Version) -> InstanceTally:
        """Give the tally of one service version to put servers into."""
        versions = self.instances.get(service)
        if versions is None:
            versions = self.instances[service] = {}
        found = versions.get(version)
        if found is None:
            found = versions[version] = InstanceTally()
        return found

    def drop_empty(self, service: ServiceName) -> None:
        """Forget the versions of a service that have no servers any more."""
        versions = self.instances.pop(service, None)
        if versions is not None:
            left = {version: instance for version, instance in versions.items() if not instance.is_empty()}
            if left:
                self.instances[service] = left

    def pool(self, name: PoolName) -> PoolTally:
        """Give the tally of one pool to put servers into."""
        found = self.pools.get(name)
        if found is None:
            found = self.pools[name] = PoolTally()
        return found

    def add(self, standing: Standing) -> None:
        """Put a server where it counts."""
        server, place = standing.facts.server, standing.place
        for group in place.groups:
            group[server] = standing
        self._count(place, 1)
        if standing.verdict is not None:
            self.phases[standing.verdict.phase] += 1

    def remove(self, standing: Standing) -> None:
        """Take a server out again."""
        server, place = standing.facts.server, standing.place
        for group in place.groups:
            del group[server]
        self._count(place, -1)
        if standing.verdict is not None:
            self.phases[standing.verdict.phase] -= 1

    def _count(self, place: Place, by: int) -> None:
        if place.pool is not None and place.az is not None:
            place.pool.zones[place.az] += by
            if place.is_coming:
                place.pool.coming[place.az] += by
        if place.loss is not None:
            self._count_loss(place.service, place.loss, by)
        if place.plight is not None:
            self.plights[place.plight] += by
            if not self.plights[place.plight]:
                del self.plights[place.plight]

    def _count_loss(self, service: ServiceName | None, loss: Loss, by: int) -> None:
        self.lost_in[loss[1:]] += by
        losses = self.losses.setdefault(service, Counter())
        losses[loss] += by
        if not losses[loss]:
            del losses[loss]
            if not losses:
                del self.losses[service]


def in_order(group: Group) -> list[Standing]:
    """Give the servers of a group sorted by their ids."""
    return [group[server] for server in sorted(group)]


def slot_of(standing: Standing) -> int | None:
    """Give the slot that a server has, gets by the claim in flight, or, while its record is lost, says that it has."""
    record, registration = standing.facts.record, standing.facts.registration
    if record is not None and record.slot is not None:
        return record.slot
    if registration is not None and registration.slot is not None:
        return registration.slot
    return standing.action.slot if isinstance(standing.action, Claim) else None


def place(tally: Tally, facts: Facts, verdict: Verdict | None, action: Action | None, next_serial: int) -> Place:
    """Tell where a server counts; what an action in flight will bring already does."""
    if verdict is None:
        found = _place_unknown(tally, action)
    elif verdict.phase is _SERVING and action is None and facts.record is not None:
        found = _place_serving(tally, facts, facts.record, verdict)
    elif verdict.rule == FOREIGN:
        found = Place((tally.foreign,))
    elif facts.record is None or verdict.phase is Phase.AMBIGUOUS:
        found = _place_unrecorded(tally, facts)
    elif isinstance(action, Claim) and verdict.phase is Phase.WARM:
        starting = tally.instance(action.service, action.version).starting
        found = Place((starting,), action.service, tally.pool(facts.record.pool), facts.record.az)
    elif isinstance(action, Create) and verdict.phase is Phase.LOST:
        # Its time is over, and yet its creation may still succeed: another one in its place could be one too many.
        pool = tally.pool(facts.record.pool)
        found = Place((pool.building, tally.in_creation), None, pool, facts.record.az, is_coming=True)
    else:
        found = _place_known(tally, facts, facts.record, verdict)
    if verdict is not None and verdict.rule in QUESTIONED:
        found = found._replace(groups=(*found.groups, tally.questioned))
    if isinstance(action, Delete):
        found = found._replace(groups=(*found.groups, tally.deletions))
    if serial_of(facts.server) >= next_serial:
        found = found._replace(groups=(*found.groups, tally.ahead))
    return found


def _place_unknown(tally: Tally, action: Action | None) -> Place:
    if not isinstance(action, Create):
        return Place(())
    pool = tally.pool(action.pool)
    return Place((pool.building, tally.in_creation, tally.creations), None, pool, action.az, is_coming=True)


def _place_unrecorded(tally: Tally, facts: Facts) -> Place:
    """Z15: a registry that was emptied or rolled back has forgotten them, and they are there all the same."""
    registration, entry = facts.registration, facts.pool_entry
    if facts.cloud is None:
        return Place((tally.ambiguous,))  # a ghost, or a list that leaves it out
    if registration is not None:
        instance = tally.instance(registration.service, registration.version)
        return Place((tally.ambiguous, instance.unrecorded), registration.service)
    if entry is not None:
        return Place((tally.ambiguous, tally.pool(entry.pool).unrecorded))
    return Place((tally.ambiguous,))


def _place_serving(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    """Nearly all servers serve and are recorded as serving: those of one service and zone share one place."""
    service, version = record.service, record.version
    if service is None or version is None or record.ready_at is None:
        return _place_known(tally, facts, record, verdict)
    instance = tally.instance(service, version)
    is_adopted = record.cause == _ADOPTED
    found = instance.shared.get((record.pool, record.az, is_adopted))
    if found is None:
        groups = (instance.serving, instance.adopted) if is_adopted else (instance.serving,)
        found = Place(groups, service, tally.pool(record.pool), record.az)
        instance.shared[record.pool, record.az, is_adopted] = found
    return found


def _place_known(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    phase = verdict.phase
    if phase is Phase.GONE:
        return Place((tally.gone,))
    if phase is Phase.DELETING:
        return Place((tally.deleting,))
    if phase is Phase.LOST:
        return _place_lost(tally, facts, record, verdict)
    pool = tally.pool(record.pool)
    loss = loss_of(record, verdict) if phase is Phase.SUSPECT else None
    if record.service is not None and record.version is not None:
        instance = tally.instance(record.service, record.version)
        groups = _groups_of_instance(tally, instance, record, verdict)
        return Place(groups, record.service, pool, record.az, loss=loss)
    groups = _groups_of_spare(tally, pool, record, phase)
    return Place(groups, None, pool, record.az, is_coming=groups[0] is pool.building, loss=loss)


def _place_lost(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    loss, cause = loss_of(record, verdict), cause_of_loss(verdict)
    is_counted = cause not in FAILURES or record.failed_at is not None
    groups: tuple[Group, ...] = (tally.lost,) if is_counted else (tally.lost, tally.failed)
    if is_counted and facts.cloud is None:
        groups += (tally.absent,)
    elif is_counted and cause in FAILURES:
        groups += (tally.condemned,)
    plight = Plight(scope_of(record), record.az, verdict.rule, cause) if is_counted else None
    if record.service is None or record.version is None:
        return Place(groups, loss=loss, plight=plight)
    instance = tally.instance(record.service, record.version)
    groups += (instance.lost, instance.silent) if verdict.rule == SILENT else (instance.lost,)
    return Place(groups, record.service, loss=loss, plight=plight)


def _groups_of_instance(
    tally: Tally, instance: InstanceTally, record: ServerRecord, verdict: Verdict
) -> tuple[Group, ...]:
    phase = verdict.phase
    if phase is Phase.DRAINING:
        return (instance.draining, tally.drained) if verdict.rule == DRAINED else (instance.draining,)
    adopted = (instance.adopted,) if record.cause == _ADOPTED else ()
    if phase is Phase.SERVING:
        unconfirmed = () if record.ready_at is not None else (tally.unconfirmed,)
        return (instance.serving, *unconfirmed, *adopted)
    if phase is not Phase.SUSPECT:
        return (instance.starting, *adopted)
    return (instance.missing if verdict.rule in UNCOUNTED else instance.wavering, *adopted)


def _groups_of_spare(tally: Tally, pool: PoolTally, record: ServerRecord, phase: Phase) -> tuple[Group, ...]:
    if phase is Phase.WARM:
        return (pool.warm,) if record.built_at is not None else (pool.warm, tally.unnoted)
    if phase is Phase.SUSPECT:
        # Warm once, and now called dead by the cloud or gone from the pool: not claimable, and not to be destroyed yet.
        return (tally.doubtful,)
    if phase is Phase.DRAINING:
        return (tally.drained,)
    if phase is Phase.CONFIGURING:
        return (pool.building,)
    if phase is Phase.CREATING and record.built_at is None:
        return (pool.building, tally.in_creation, tally.unsent)
    return (pool.building, tally.in_creation)

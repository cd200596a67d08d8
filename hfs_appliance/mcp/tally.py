"""The tally: servers by what they count for. One pass over them all; later policy works on these short lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from hfs_appliance.mcp.facts import Circumstances, Facts, join
from hfs_appliance.mcp.phases import DRAINED, UNCOUNTED, classify
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Claim, Create, Phase, Verdict, VersionCount
from hfs_appliance.model.world import World


@dataclass(slots=True)
class InstanceTally:
    """Servers of one service version, each list in order of their ids."""

    serving: list[Facts] = field(default_factory=list)
    starting: list[Facts] = field(default_factory=list)
    wavering: list[Facts] = field(default_factory=list)
    """Suspects that may come back any moment: they still count as capacity."""
    missing: list[Facts] = field(default_factory=list)
    """Suspects in whose place capacity is added."""
    draining: int = 0
    slots: set[int] = field(default_factory=set)
    zones: Counter[AvailabilityZone] = field(default_factory=Counter)

    def count(self, desired: int) -> VersionCount:
        """Give the numbers that an operator sees."""
        return VersionCount(
            desired=desired,
            serving=len(self.serving),
            starting=len(self.starting),
            suspect=len(self.wavering) + len(self.missing),
            draining=self.draining,
        )


@dataclass(slots=True)
class PoolTally:
    """Servers of one pool that have no role."""

    warm: dict[ServerId, Facts] = field(default_factory=dict)
    building: int = 0
    zones: Counter[AvailabilityZone] = field(default_factory=Counter)
    """All servers of the pool, with a role or without, by zone."""


@dataclass(slots=True)
class Tally:
    """All servers, sorted into what policy asks for."""

    verdicts: dict[ServerId, Verdict] = field(default_factory=dict)
    instances: dict[tuple[ServiceName, Version], InstanceTally] = field(default_factory=dict)
    pools: dict[PoolName, PoolTally] = field(default_factory=dict)
    lost: list[tuple[Facts, Verdict]] = field(default_factory=list)
    drained: list[Facts] = field(default_factory=list)
    deleting: list[Facts] = field(default_factory=list)
    gone: list[Facts] = field(default_factory=list)
    ambiguous: list[Facts] = field(default_factory=list)
    doubtful: list[Facts] = field(default_factory=list)
    """Suspects without a role."""
    unsent: list[Facts] = field(default_factory=list)
    """Recorded, not listed by the cloud."""
    total: int = 0
    """Servers that exist, may exist or are about to."""
    in_creation: int = 0
    creations: list[ServerId] = field(default_factory=list)
    """Creations in flight of which nothing else is known yet."""
    requeue_at: Instant | None = None

    @property
    def known(self) -> Iterable[ServerId]:
        """All servers that exist or are being asked for."""
        return chain(self.verdicts, self.creations)

    def of(self, service: ServiceName, version: Version) -> InstanceTally:
        """Give the tally of one service version, empty when it has no servers."""
        return self.instances.get((service, version)) or InstanceTally()

    def look_again(self, at: Instant | None) -> None:
        """Note that time alone may change the answer at `at`."""
        if at is not None and (self.requeue_at is None or at < self.requeue_at):
            self.requeue_at = at


def take(world: World, c: Circumstances) -> Tally:
    """Classify every server and sort it in; what actions in flight will bring already counts."""
    assert world.registry is not None
    tally = Tally()
    in_flight = world.in_flight
    for facts in join(world.registry.value, world.cloud.value.servers if world.cloud is not None else {}):
        verdict, until = classify(facts, c)
        tally.verdicts[facts.server] = verdict
        # An instant that has passed changes nothing any more by passing: what the rule waits for is something else.
        if until is not None and until > c.now:
            tally.look_again(until)
        action = in_flight.get(facts.server) if in_flight else None
        if isinstance(action, Claim) and verdict.phase is Phase.WARM:
            _sort_claimed(tally, action, facts)
        else:
            _sort(tally, facts, verdict)
    for action in in_flight.values():
        if isinstance(action, Create) and action.server not in tally.verdicts:
            _count_creation(tally, action)
    return tally


def _sort_claimed(tally: Tally, claim: Claim, facts: Facts) -> None:
    tally.total += 1
    instance = tally.instances.setdefault((claim.service, claim.version), InstanceTally())
    instance.starting.append(facts)
    instance.slots.add(claim.slot)
    assert facts.record is not None
    instance.zones[facts.record.az] += 1
    tally.pools.setdefault(facts.record.pool, PoolTally()).zones[facts.record.az] += 1


def _count_creation(tally: Tally, create: Create) -> None:
    pool = tally.pools.setdefault(create.pool, PoolTally())
    pool.building += 1
    pool.zones[create.az] += 1
    tally.total += 1
    tally.in_creation += 1
    tally.creations.append(create.server)


def _sort(tally: Tally, facts: Facts, verdict: Verdict) -> None:
    phase = verdict.phase
    if phase is Phase.GONE:
        tally.gone.append(facts)
        return
    tally.total += 1
    record = facts.record
    if record is None or phase is Phase.AMBIGUOUS:
        tally.ambiguous.append(facts)
        return
    pool = tally.pools.get(record.pool)
    if pool is None:
        pool = tally.pools[record.pool] = PoolTally()
    if phase is Phase.DELETING:
        tally.deleting.append(facts)
    elif phase is Phase.LOST:
        tally.lost.append((facts, verdict))
    elif record.service is not None and record.version is not None:
        pool.zones[record.az] += 1
        _sort_instance(tally, (record.service, record.version), facts, verdict)
    else:
        pool.zones[record.az] += 1
        _sort_spare(tally, pool, facts, phase)


def _sort_instance(tally: Tally, key: tuple[ServiceName, Version], facts: Facts, verdict: Verdict) -> None:
    instance = tally.instances.get(key)
    if instance is None:
        instance = tally.instances[key] = InstanceTally()
    record = facts.record
    assert record is not None
    phase = verdict.phase
    if phase is Phase.DRAINING:
        instance.draining += 1
        if verdict.rule == DRAINED:
            tally.drained.append(facts)
        return
    if record.slot is not None:
        instance.slots.add(record.slot)
    instance.zones[record.az] += 1
    if phase is Phase.SERVING:
        instance.serving.append(facts)
    elif phase is not Phase.SUSPECT:
        instance.starting.append(facts)
    elif verdict.rule in UNCOUNTED:
        instance.missing.append(facts)
    else:
        instance.wavering.append(facts)


def _sort_spare(tally: Tally, pool: PoolTally, facts: Facts, phase: Phase) -> None:
    if phase is Phase.WARM:
        pool.warm[facts.server] = facts
    elif phase is Phase.SUSPECT:
        # A warm server that the cloud calls dead: not claimable, and its end will be seen when its session expires.
        tally.doubtful.append(facts)
    elif phase is Phase.DRAINING:
        tally.drained.append(facts)
    else:
        pool.building += 1
        if phase is not Phase.CONFIGURING:
            tally.in_creation += 1
        if phase is Phase.CREATING:
            tally.unsent.append(facts)

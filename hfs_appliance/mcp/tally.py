"""The tally: servers by what they count for. Policy works on these short groups and never looks at the whole fleet.

A server stands in some groups (dicts by server) and counts in the zones of a pool; which ones is decided in one place
(placing.py), and its Standing remembers them, so that it can be taken out again without a second set of rules.

To add a rule about some servers: give the Tally (all servers), InstanceTally (a service version) or PoolTally a group,
and have `place` put servers into it. What it holds is then right on every pass, whether few servers were looked at or
all. Groups have no order: sort what reaches a plan. Nobody but `Standings` changes a tally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeAlias

from hfs_appliance.mcp.facts import Facts
from hfs_appliance.mcp.losses import Loss, LossKind, Plight
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Action, Claim, Phase, Verdict, VersionCount

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
    unfit: Group = field(default_factory=dict)
    """Warm, and their agents say that they must have no role."""
    by_recipe: dict[str, Group] = field(default_factory=dict)
    """The warm ones by what they were made of; without those that were adopted: of them nobody knows."""
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
        versions = self.instances.pop(service, {})
        left = {version: instance for version, instance in versions.items() if not instance.is_empty()}
        if left:
            self.instances[service] = left

    def let_go(self) -> None:
        """End its use: a server and the group that it stands in refer to each other, and only the collector would tell.

        Those that serve are nearly all; what else there is may be left to the collector.
        """
        for versions in self.instances.values():
            for instance in versions.values():
                instance.serving.clear()

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

    def add_alike(self, place: Place, phase: Phase, servers: Group) -> None:
        """Put servers that all count in one place, and are of one phase, there."""
        for group in place.groups:
            group.update(servers)
        self._count(place, len(servers))
        self.phases[phase] += len(servers)

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

"""Launches: how many servers may be begun now for a pool in a zone, as far as failed builds tell.

Failures are grouped by what they have in common. They are counted by pool and zone; a bad image shows in every zone of
its pool, a dead zone for every pool that tries it. Only what is guilty is held up: a pool where it has failed, a pool
everywhere once it has failed in all zones, a zone for everybody once two pools have failed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hfs_appliance.mcp.setbacks import is_open, together
from hfs_appliance.mcp.tally import Standing, Tally
from hfs_appliance.model.ids import AvailabilityZone, PoolName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.plan import Create

MANY: Final = 1_000_000
"""More than any limit allows: nothing speaks against a launch."""
_POOLS_SPEAK_OF_ZONE: Final = 2

Spot: TypeAlias = tuple[PoolName, AvailabilityZone]


@dataclass(slots=True)
class Launches:
    """What failed builds leave room for, less what the plan in the making has used of it."""

    now: Instant
    tally: Tally
    azs: Sequence[AvailabilityZone]
    dead_zones: Set[AvailabilityZone] = frozenset()
    """Zones that are dead as a whole: nothing is tried there before something of them is well again."""
    setbacks: Mapping[Spot, Setback] = field(default_factory=dict)
    _used: dict[Spot, int] = field(default_factory=dict)

    def room(self, pool: PoolName, az: AvailabilityZone) -> int:
        """Give how many servers may be begun: many, none while a breaker is open, one to try after that."""
        if az in self.dead_zones:
            return 0
        rooms = (self._room(pool, zones, setback) for setback, zones in self._doubts(pool, az))
        return min(rooms, default=MANY)

    def use(self, pool: PoolName, az: AvailabilityZone) -> None:
        """Note that the plan begins a server."""
        self._used[pool, az] = self._used.get((pool, az), 0) + 1

    def speaks_against(self, pool: PoolName, az: AvailabilityZone) -> Setback | None:
        """Give what is held against a launch; of several setbacks the one that lasts longest."""
        doubts = (setback for setback, _ in self._doubts(pool, az))
        return max(doubts, key=lambda setback: setback.not_before, default=None)

    def _doubts(self, pool: PoolName, az: AvailabilityZone) -> Iterator[tuple[Setback, Sequence[AvailabilityZone]]]:
        """Give the setbacks that are open here, each with the zones in which the pool's trials count for it."""
        if not self.setbacks:
            return
        own = self.setbacks.get((pool, az))
        if own is not None and (is_open(own) or self.now < own.not_before):
            yield own, (az,)
        everywhere = [self.setbacks[pool, zone] for zone in self.azs if (pool, zone) in self.setbacks]
        if len(everywhere) == len(self.azs) > 1:
            yield together(everywhere), self.azs
        others = [found for (_, zone), found in self.setbacks.items() if zone == az and is_open(found)]
        if own is None and len(others) >= _POOLS_SPEAK_OF_ZONE:
            yield max(others, key=lambda setback: setback.not_before), (az,)

    def _room(self, pool: PoolName, zones: Sequence[AvailabilityZone], setback: Setback) -> int:
        if self.now < setback.not_before:
            return 0
        known = self.tally.pools.get(pool)
        building = known.building.values() if known is not None else ()
        trials = sum(_is_trial(standing, zones, setback) for standing in building)
        used = sum(self._used.get((pool, az), 0) for az in zones)
        return max(0, 1 - trials - used)


def _is_trial(standing: Standing, zones: Sequence[AvailabilityZone], setback: Setback) -> bool:
    """Tell whether a server that is being built was begun in the knowledge of the failures."""
    record, action = standing.facts.record, standing.action
    if isinstance(action, Create):
        return action.az in zones
    return record is not None and record.az in zones and record.created_at >= setback.counted_at

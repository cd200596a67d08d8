"""The storm guard: when too many are lost at once, it is our eyes, not the fleet; and a zone that is dead as a whole.

Lost are instances and warm servers that were well and that only the registry, or their silence, speaks against. While
more than a share of them is lost, of a service or of all, nothing is taken away but what the cloud itself calls dead;
capacity is added all the same (insurance.py). A wholly dead zone is believed as long as the other zones are well: its
servers are no sign of a storm, and nothing is built there. All zones dead is not believed.

A version that nobody wants any more is not missed while all that is wanted of its service is seen to serve: a bad
release that has crashed is no failure of our eyes, and no sign of a storm.

A storm is remembered in the ledger: it ends when less than half of that share is lost, and a grace later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.mcp.losses import SILENT, LossKind, Plight
from hfs_appliance.mcp.tally import Tally
from hfs_appliance.mcp.tolls import Toll, Tolls
from hfs_appliance.model import guard
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import AvailabilityZone, ServiceName
from hfs_appliance.model.instants import Duration, Instant, after
from hfs_appliance.model.ledger import Storm
from hfs_appliance.model.orders import Orders
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.shares import WHOLE, Share, exceeds, format_share

_CERTAIN: Final = frozenset({"dead", "vanished"})
"""Verdicts that rest on the cloud's own word: true, whatever is wrong with the registry or with a check."""
_LEFT_OF_DEAD_ZONE: Final = 10
"""A zone is dead as a whole when for each server that is well there so many are lost."""


@dataclass(slots=True)
class Weather:
    """The storms of one World, and what they hold up."""

    storms: Mapping[str, Storm]
    """By scope: `environment` or `service/<name>`; to be remembered."""
    dead_zones: frozenset[AvailabilityZone]
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Words on each storm that rages."""
    amounts: Mapping[str, int] = field(default_factory=dict)
    approved: Set[str] = frozenset()
    """Scopes whose losses an operator has looked at, and believes."""
    ends_at: Instant | None = None
    """When time alone ends a storm."""
    withheld: Counter[str] = field(default_factory=Counter)

    @property
    def is_over_all(self) -> bool:
        """Whether a storm rages over the environment, and nobody has said that it is true."""
        return ENVIRONMENT in self.storms and ENVIRONMENT not in self.approved

    def forbids(self, plight: Plight, amount: int = 1) -> bool:
        """Tell, and count, whether so many servers must not be taken away now."""
        scope, az, rule, _ = plight
        if not self.storms or rule in _CERTAIN or (rule == SILENT and az in self.dead_zones):
            return False
        raging = self.storms.keys() - self.approved
        place = next((place for place in (ENVIRONMENT, scope) if place in raging), None)
        if place is None:
            return False
        self.withheld[place] += amount
        return True

    def holds(self) -> Iterable[Hold]:
        """Tell of each storm that rages or holds anything up."""
        for scope in sorted(self.storms.keys() - self.approved):
            waiting, words = self.withheld[scope], self.evidence.get(scope, "the storm is over since a moment")
            if scope in self.evidence or waiting:
                words = f"{words}; {waiting} that should go are kept meanwhile" if waiting else words
                yield Hold(scope=scope, rule="storm", words=words, amount=self.amounts.get(scope, 0))


class Barometer:
    """Judges the losses of Worlds that follow each other."""

    def __init__(self) -> None:
        self._tolls = Tolls()

    def look(
        self,
        tally: Tally,
        desired: DesiredState,
        stirred: Set[ServiceName] | None,
        before: Mapping[str, Storm],
        orders: Orders,
        now: Instant,
    ) -> Weather:
        """Judge the losses; `stirred` are the services whose instances have changed, None: perhaps all."""
        dead_zones, approved = wholly_dead(tally, desired), orders.approved("storm").keys()
        believed = frozenset(service for scope in approved if (service := _service_of(scope)) is not None)
        self._tolls.look(tally, desired.services, stirred, dead_zones=dead_zones, approved=believed)
        found = Weather(storms={}, dead_zones=dead_zones, approved=approved)
        storms, evidence, amounts = dict[str, Storm](), dict[str, str](), dict[str, int]()
        grace = Duration(desired.registry.session_timeout * 3 // 2)
        for scope in self._scopes(before):
            service = _service_of(scope)
            toll = self._tolls.of(service) if service is not None else self._tolls.fleet
            lost, (limit, servers) = toll.lost.total(), _limit(tally, desired, service)
            servers -= toll.unmissed
            storm = follow(before.get(scope), lost, servers, limit, now, grace)
            if storm is None:
                continue
            storms[scope], amounts[scope] = storm, lost
            if storm.calm_since is None:
                evidence[scope] = _words(toll, servers, limit)
            else:
                end = after(storm.calm_since, grace)
                found.ends_at = end if found.ends_at is None else min(found.ends_at, end)
        found.storms, found.evidence, found.amounts = storms, evidence, amounts
        return found

    def _scopes(self, before: Mapping[str, Storm]) -> Sequence[str]:
        """Name the scopes that may have a storm: what is remembered, and where anything is lost."""
        doubted = [f"service/{name}" for name in sorted(self._tolls.doubted)]
        if not (before or doubted or self._tolls.fleet.lost.total()):
            return ()
        return sorted({*before, *doubted, ENVIRONMENT})


def follow(
    storm: Storm | None, lost: int, servers: int, limit: guard.Storm, now: Instant, grace: Duration
) -> Storm | None:
    """Give the storm that there is now: it begins above the limit, and ends a grace after half of it."""
    if lost >= limit.min and exceeds(lost, servers, limit.percent):
        return replace(storm, calm_since=None) if storm is not None else Storm(since=now)
    if storm is None:
        return None
    if lost >= limit.min and exceeds(lost, servers, Share(limit.percent // 2)):
        return replace(storm, calm_since=None)
    calm_since = storm.calm_since if storm.calm_since is not None else now
    return replace(storm, calm_since=calm_since) if now < after(calm_since, grace) else None


def _service_of(scope: str) -> ServiceName | None:
    """Give the service of a scope; None: it is the environment's."""
    kind, _, name = scope.partition("/")
    return ServiceName(name) if kind == "service" else None


def _limit(tally: Tally, desired: DesiredState, name: ServiceName | None) -> tuple[guard.Storm, int]:
    """Give what a scope takes for a storm, and how many servers it is a share of."""
    if name is None:
        return desired.guard.storm, tally.total
    service, there = desired.services.get(name), tally.instances.get(name, {}).values()
    own, common = service.guard.storm if service is not None else guard.ServiceStorm(), desired.guard.storm
    return own.within(common), sum(instances.size() + len(instances.lost) for instances in there)


def wholly_dead(tally: Tally, desired: DesiredState) -> frozenset[AvailabilityZone]:
    """Name the zones that are dead as a whole while the others are well."""
    if not tally.losses:
        return frozenset()
    limit, lost, well = desired.guard.storm, Counter[AvailabilityZone](), Counter[AvailabilityZone]()
    for pool in tally.pools.values():
        well.update(pool.zones)
        well.subtract(pool.coming)
    for (az, kind), count in tally.lost_in.items():
        lost[az] += count
        if kind is LossKind.SUSPECT:
            well[az] -= count
    dead = {az for az in lost if lost[az] >= limit.min and lost[az] >= _LEFT_OF_DEAD_ZONE * max(0, well[az])}
    living = [az for az in desired.cloud.azs if az not in dead]
    elsewhere = sum(lost[az] for az in living)
    are_others_well = elsewhere < limit.min or not exceeds(
        elsewhere, elsewhere + sum(well[az] for az in living), limit.percent
    )
    return frozenset(dead) if living and are_others_well else frozenset()


def _words(toll: Toll, servers: int, limit: guard.Storm) -> str:
    zones = ", ".join(f"{count} in {az}" for az, count in sorted(toll.lost.items()) if count)
    total = toll.lost.total()
    return (
        f"{total} of {servers} are lost ({format_share(total, servers)}; {zones}), too many at once to be believed: "
        f"the cloud calls none of them dead, {toll.silent} do not answer when they are asked. Nothing is taken away "
        f"here but what the cloud calls dead, until less than {format_share(limit.percent // 2, WHOLE)} are lost"
    )

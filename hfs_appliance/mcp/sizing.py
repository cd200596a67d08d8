"""Sizing: the desired state with the numbers of instances that the autoscaler wants, service by service.

The autoscaler owns a service's total, its versions' counts say how that is split. Everything after this in a plan (and
the proxy's routes) sees only the sized desired state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hfs_appliance.mcp.demand import STALE, demand
from hfs_appliance.mcp.stocks import stocked
from hfs_appliance.model.autoscale import Demand, Size
from hfs_appliance.model.desired import DesiredState, Pool, Service
from hfs_appliance.model.ids import PoolName, ServiceName, Version
from hfs_appliance.model.instants import Instant, after
from hfs_appliance.model.load import LoadView
from hfs_appliance.model.observed import Observation
from hfs_appliance.model.world import World

_NOTHING: Final = LoadView(services={})


def sized(desired: DesiredState, sizes: Mapping[ServiceName, Size]) -> DesiredState:
    """Give the desired state with these totals; the very same one when they change nothing."""
    changed: dict[ServiceName, Service] = {}
    for name, size in sizes.items():
        service = desired.services.get(name)
        if service is None or service.autoscale is None:
            continue
        versions = split(size.total, service.versions)
        if versions != service.versions:
            former = split(size.total, service.former)
            changed[name] = replace(service, versions=versions, former=former)
    return replace(desired, services={**desired.services, **changed}) if changed else desired


def split(total: int, counts: Mapping[Version, int]) -> Mapping[Version, int]:
    """Divide a total as the counts are divided, with at least one instance for each version that is to have any.

    Nothing is divided among versions that are to have none: the operator has switched the service off.
    """
    whole = sum(counts.values())
    if not whole:
        return counts
    parts = {version: max(total * count // whole, min(count, 1)) for version, count in counts.items()}
    # Largest remainder first (Hamilton); equals in the order of their names. Fewer are left than have a remainder.
    order = sorted(counts, key=lambda version: (-(total * counts[version] % whole), version))
    left = total - sum(parts.values())
    for version in order[: max(0, left)]:
        parts[version] += 1
    for version in sorted(counts, key=lambda version: (-parts[version], version)):
        while left < 0 and parts[version] > 1:
            parts[version] -= 1
            left += 1
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What was found for one service, and what it rests on."""

    service: Service
    load: Observation[LoadView] | None
    before: Size | None
    demand: Demand


class Sizer:
    """Sizes Worlds that follow each other; what has not changed is not computed again."""

    def __init__(self) -> None:
        self._answers: dict[ServiceName, _Answer] = {}
        self._desired: DesiredState | None = None
        self._scaled: tuple[Service, ...] = ()
        self._sizes: Mapping[ServiceName, Size] = {}
        self._pools: Mapping[PoolName, Pool] = {}
        self._sized: DesiredState | None = None
        self.pools_until: Instant | None = None
        """When time alone may change the size of a pool."""

    def look(self, world: World, desired: DesiredState) -> Mapping[ServiceName, Demand]:
        """Give the demand for each service that scales itself."""
        if desired is not self._desired:
            self._scaled = tuple(service for service in desired.services.values() if service.autoscale is not None)
            self._answers = {}
        for service in self._scaled:
            before, known = world.ledger.sizes.get(service.name), self._answers.get(service.name)
            if known is None or not _holds(known, world, before):
                found = _demand(service, world, before)
                self._answers[service.name] = _Answer(service=service, load=world.load, before=before, demand=found)
        demands = {name: answer.demand for name, answer in self._answers.items()}
        sizes = {name: found.size for name, found in demands.items()}
        pools, self.pools_until = stocked(desired.pools, world.ledger.rushes, world.now)
        if desired is not self._desired or sizes != self._sizes or pools != self._pools:
            self._sized = replace(sized(desired, sizes), pools=pools)
        self._desired, self._sizes, self._pools = desired, sizes, pools
        return demands

    @property
    def desired(self) -> DesiredState:
        """The desired state of the last World, sized."""
        assert self._sized is not None
        return self._sized


def _holds(answer: _Answer, world: World, before: Size | None) -> bool:
    """Tell whether an answer is still right: on the same grounds, and before its time is over."""
    if answer.load is not world.load or before not in (answer.before, answer.demand.size):
        return False
    until = answer.demand.until
    return until is None or world.now < until


def _demand(service: Service, world: World, before: Size | None) -> Demand:
    assert service.autoscale is not None
    usual = sum(service.versions.values())
    series = (world.load.value if world.load is not None else _NOTHING).services.get(service.name, ())
    found = demand(service.autoscale, usual, service.floor, before, series, world.now)
    if series and found.needed is not None:
        stale_at = after(series[-1].end, STALE)
        found = replace(found, until=min(stale_at, found.until or stale_at))
    return found

"""Tolls: what each service, and the fleet, has lost; kept from plan to plan, and counted anew where something changed.

After the loss of a zone every service has lost some for hours, and each plan asks whether that is a storm.

The rule to keep: the toll of a service rests on its losses, its own instances and its desired versions, and on what is
believed of all (dead zones, approvals); when that changes, all are counted anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from hfs_appliance.mcp.losses import LossKind
from hfs_appliance.mcp.tally import Tally
from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import AvailabilityZone, ServiceName, Version
from hfs_appliance.model.maps import differing


@dataclass(slots=True)
class Toll:
    """What one scope has lost."""

    lost: Counter[AvailabilityZone] = field(default_factory=Counter)
    """What is missed and lost without the cloud's word, but for dead zones; some with 0."""
    silent: int = 0
    """Of all that is missed, what does not answer."""
    unmissed: int = 0
    """Of versions that nobody wants any more, while all that is wanted serves."""

    def add(self, other: Toll, *, is_doubted: bool, sign: int = 1) -> None:
        """Count another toll into this one, or (-1) out of it; what is not doubted is no loss to this one."""
        self.silent += sign * other.silent
        self.unmissed += sign * other.unmissed
        if is_doubted:
            for az, count in other.lost.items():
                self.lost[az] += sign * count


class Tolls:
    """The tolls of the last World."""

    def __init__(self) -> None:
        self.fleet = Toll()
        self.doubted: set[ServiceName] = set()
        """Services that have lost something that may be doubted."""
        self._tolls: dict[ServiceName | None, Toll] = {}
        self._services: Mapping[ServiceName, Service] = {}
        self._believed: tuple[Set[AvailabilityZone], Set[ServiceName]] = (frozenset(), frozenset())

    def of(self, service: ServiceName) -> Toll:
        """Give the toll of one service."""
        return self._tolls.get(service) or Toll()

    def look(
        self,
        tally: Tally,
        services: Mapping[ServiceName, Service],
        stirred: Set[ServiceName] | None,
        *,
        dead_zones: Set[AvailabilityZone],
        approved: Set[ServiceName],
    ) -> None:
        """Count anew: the services whose instances have changed (None: all), and those that are desired otherwise.

        The losses of an approved service are believed: they are no sign of a storm over all.
        """
        believed = (dead_zones, approved)
        touched: Iterable[ServiceName | None]
        if stirred is None or believed != self._believed:
            touched = {*self._tolls, *tally.losses}
        else:
            changed = stirred | differing(self._services, services)
            # Warm servers are nobody's: they are few, and always counted.
            touched = (None, *(name for name in changed if name in self._tolls or name in tally.losses))
        _, was_approved = self._believed
        for name in touched:
            before = self._tolls.pop(name, None)
            if name is not None:
                self.doubted.discard(name)
            if before is not None:
                self.fleet.add(before, is_doubted=name not in was_approved, sign=-1)
            if name in tally.losses:
                toll = self._tolls[name] = _count(tally, services, name, dead_zones)
                self.fleet.add(toll, is_doubted=name not in approved)
                if name is not None and toll.lost:
                    self.doubted.add(name)
        self._services, self._believed = services, believed


def _count(
    tally: Tally,
    services: Mapping[ServiceName, Service],
    name: ServiceName | None,
    dead_zones: Set[AvailabilityZone],
) -> Toll:
    toll = Toll()
    service = services.get(name) if name is not None else None
    for (version, az, kind), count in tally.losses[name].items():
        if not _is_missed(tally, service, version):
            toll.unmissed += count
            continue
        if kind is LossKind.SILENT:
            toll.silent += count
        if kind is not LossKind.DEAD and az not in dead_zones:
            toll.lost[az] += count
    return toll


def _is_missed(tally: Tally, service: Service | None, version: Version | None) -> bool:
    if service is None or version is None or service.versions.get(version):
        return True
    return not tally.serves(service.name, service.versions)

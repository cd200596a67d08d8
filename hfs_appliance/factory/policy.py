"""The warm pool: how many servers to build, where, and which one to claim. Pure; counts in, choices out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence

from hfs_appliance.factory.freshness import Grade
from hfs_appliance.model.ids import AvailabilityZone, ServerId


def wanted_builds(*, size: int, warm: int, building: int, unmet: int) -> int:
    """Give how many servers to build now.

    `unmet` instances wait for a server, and `size` warm ones shall be left when they have got theirs.
    """
    return max(0, size + unmet - warm - building)


def surplus(*, size: int, warm: int) -> int:
    """Give how many warm servers are too many; those in building are left to finish first."""
    return max(0, warm - size)


def spread(counts: MutableMapping[AvailabilityZone, int], azs: Sequence[AvailabilityZone]) -> AvailabilityZone:
    """Choose the zone with the fewest servers (the first of equals) and count the new one there."""
    az = min(azs, key=lambda zone: (counts.get(zone, 0), azs.index(zone)))
    counts[az] = counts.get(az, 0) + 1
    return az


class Stock:
    """Warm servers that may be claimed."""

    def __init__(self, warm: Iterable[tuple[Grade, ServerId, AvailabilityZone]]) -> None:
        self._grades: dict[Grade, dict[AvailabilityZone, list[ServerId]]] = {}
        """By grade, then by zone, the oldest last."""
        for grade, server, az in sorted(warm, reverse=True):
            self._grades.setdefault(grade, {}).setdefault(az, []).append(server)

    def __bool__(self) -> bool:
        return bool(self._grades)

    def take(self, instances: Mapping[AvailabilityZone, int]) -> tuple[ServerId, AvailabilityZone] | None:
        """Take one of the best grade that there is: the oldest of the zone with the fewest instances of the service.

        Of equal zones, the oldest of all.
        """
        if not self._grades:
            return None
        grade = min(self._grades)
        zones = self._grades[grade]
        az = min(zones, key=lambda zone: (instances.get(zone, 0), zones[zone][-1]))
        servers = zones[az]
        server = servers.pop()
        if not servers:
            del zones[az]
        if not zones:
            del self._grades[grade]
        return server, az

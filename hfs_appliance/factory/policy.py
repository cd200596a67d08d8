"""The warm pool: how many servers to build, where, and which one to claim. Pure; counts in, choices out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence

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

    def __init__(self, warm: Iterable[tuple[ServerId, AvailabilityZone]]) -> None:
        self._zones: dict[AvailabilityZone, list[ServerId]] = {}
        """By zone, the oldest last."""
        for server, az in sorted(warm, reverse=True):
            self._zones.setdefault(az, []).append(server)

    def __bool__(self) -> bool:
        return bool(self._zones)

    def take(self, instances: Mapping[AvailabilityZone, int]) -> tuple[ServerId, AvailabilityZone] | None:
        """Take the oldest of the zone with the fewest instances of the service; of equal zones, the oldest of all."""
        if not self._zones:
            return None
        az = min(self._zones, key=lambda zone: (instances.get(zone, 0), self._zones[zone][-1]))
        servers = self._zones[az]
        server = servers.pop()
        if not servers:
            del self._zones[az]
        return server, az

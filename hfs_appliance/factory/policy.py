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


def choose(
    warm: Iterable[tuple[ServerId, AvailabilityZone]], instances: Mapping[AvailabilityZone, int]
) -> ServerId | None:
    """Choose the warm server to claim: in the zone with the fewest instances of the service, the oldest first."""
    best = min(warm, key=lambda entry: (instances.get(entry[1], 0), entry[0]), default=None)
    return best[0] if best is not None else None

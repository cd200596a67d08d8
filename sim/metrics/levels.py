"""Sums over time, in integers."""

from __future__ import annotations

from hfs_appliance.model.instants import Instant

MILLION = 1_000_000


class Integral:
    """A level that changes at instants, summed over time (level x nanoseconds)."""

    __slots__ = ("_since", "level", "total")

    def __init__(self, now: Instant, level: int = 0) -> None:
        self._since = now
        self.level = level
        self.total = 0

    def set(self, now: Instant, level: int) -> None:
        """Have another level from now on."""
        self.total += self.level * (now - self._since)
        self._since = now
        self.level = level

    def until(self, now: Instant) -> int:
        """Give the sum up to now."""
        self.set(now, self.level)
        return self.total


def ppm(part: int, whole: int) -> int:
    """Give a share in parts of a million; all of nothing is all."""
    return part * MILLION // whole if whole else MILLION

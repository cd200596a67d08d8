"""Histograms with buckets that grow like 1, 2, 5, 10: the same for every run, so that two can be laid side by side."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from sim.outcome import Histogram

_ENDS: Final = tuple(step * 10**power for power in range(7) for step in (1, 2, 5))


def histogram(values: Iterable[int], unit: int) -> Histogram:
    """Sort values, counted in units of `unit` and rounded up, into buckets; empty ones at both ends are left out."""
    counts = [0] * (len(_ENDS) + 2)  # one for what is beyond all ends, which stays
    for value in values:
        counts[bisect_left(_ENDS, -(-value // unit))] += 1
    used = [place for place, count in enumerate(counts) if count]
    if not used:
        return Histogram()
    first, last = min(used[0], len(_ENDS) - 1), used[-1]
    ends = _ENDS[first : last + 1]
    return Histogram(up_to=ends, counts=tuple(counts[first : first + len(ends) + 1]))

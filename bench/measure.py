"""Measuring: repeat something, and say how long it took in figures that can be compared.

Percentiles are by nearest rank: each is a value that was really seen. Walls are what users feel; on a busy machine the
least of many is what the code costs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hfs_appliance.model.instants import SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the durations of one thing were distributed."""

    count: int
    ms_min: float
    ms_p50: float
    ms_p99: float
    ms_max: float

    @classmethod
    def of(cls, durations_ns: Sequence[int]) -> Spread:
        """Fold durations, at least one."""
        durations_ms = [duration / 1e6 for duration in durations_ns]
        return cls(
            count=len(durations_ms),
            ms_min=min(durations_ms),
            ms_p50=percentile(durations_ms, 0.50),
            ms_p99=percentile(durations_ms, 0.99),
            ms_max=max(durations_ms),
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Give the least of the values that at least `share` (0 to 1) of them do not exceed."""
    assert values
    assert 0 <= share <= 1
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def instant_of(event: Mapping[str, Any]) -> int:
    """Give when an event happened, as the admin API tells it, in nanoseconds since the epoch."""
    return read_instant(event["at"])


def read_instant(text: str) -> int:
    """Read a time in ISO 8601; in nanoseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


def repeat(times: int, what: Callable[[], object]) -> Spread:
    """Call `what` so many times."""
    return Spread.of([_timed(what) for _ in range(times)])


async def repeat_async(times: int, what: Callable[[], Awaitable[object]]) -> Spread:
    """Call and await `what` so many times, one after the other."""
    durations_ns = []
    for _ in range(times):
        began = time.perf_counter_ns()
        await what()
        durations_ns.append(time.perf_counter_ns() - began)
    return Spread.of(durations_ns)


def _timed(what: Callable[[], object]) -> int:
    began = time.perf_counter_ns()
    what()
    return time.perf_counter_ns() - began

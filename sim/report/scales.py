"""Scales: from values to places in a drawing, and the round values at which axes are labelled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.instants import DAY, HOUR, MINUTE, SECOND

_DAY_S: Final = DAY // SECOND
_HOUR_S: Final = HOUR // SECOND
_MINUTE_S: Final = MINUTE // SECOND
_TIME_STEPS_S: Final = (
    *(1, 5, 10, 30, _MINUTE_S, 2 * _MINUTE_S, 5 * _MINUTE_S, 10 * _MINUTE_S, 15 * _MINUTE_S, 30 * _MINUTE_S),
    *(_HOUR_S, 2 * _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S, 12 * _HOUR_S, _DAY_S, 2 * _DAY_S, 7 * _DAY_S, 30 * _DAY_S),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale; `first` and `last` are places (a picture's y grows downwards)."""

    low: int
    high: int
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Give the place of a value."""
        return self.first + (self.last - self.first) * (value - self.low) / max(self.high - self.low, 1)


def time_ticks(until_s: int, at_most: int = 10) -> Sequence[int]:
    """Give round times from 0 on."""
    wanted = bisect_left(_TIME_STEPS_S, until_s / at_most)
    step = _TIME_STEPS_S[min(wanted, len(_TIME_STEPS_S) - 1)]
    return range(0, until_s + 1, step)


def count_ticks(high: int, at_most: int = 5) -> Sequence[int]:
    """Give round whole numbers from 0 on; the last one is not below `high`."""
    step = 1
    while step * at_most < high:
        step = _next_round(step)
    return range(0, (-(-high // step) or 1) * step + 1, step)


def _next_round(step: int) -> int:
    """Give the next of 1, 2, 5, 10, 20, 50, …"""
    return step * 5 // 2 if str(step)[0] == "2" else step * 2


def clock(at_s: int) -> str:
    """Write a time since the beginning for an axis: `0:05`, `13:30`, `2d 06:00`; with seconds if it has some."""
    days, rest = divmod(at_s, _DAY_S)
    hours, minutes, seconds = rest // _HOUR_S, rest // _MINUTE_S % 60, rest % 60
    tail = f":{seconds:02}" if seconds else ""
    return f"{days}d {hours:02}:{minutes:02}{tail}" if days else f"{hours}:{minutes:02}{tail}"

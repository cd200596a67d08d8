"""How much is asked, as a function of time: lines between points, or steps, of whole numbers. Nothing is remembered.

Who reads a curve also asks when to look again, so that what is steady costs nothing and what is quick is followed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, TypeAlias

from hfs_appliance.model.instants import DAY, HOUR, MINUTE, SECOND, Duration, seconds
from sim.scenario import Shape, Traffic

Points: TypeAlias = Sequence[tuple[int, int]]

MILLI: Final = 1000
CLOSEST: Final = seconds(5)
"""No curve is looked at more often."""
LOOKS: Final = 12
"""So many looks at each line between two points."""
RAMP: Final = MINUTE
"""A crowd comes, and goes, within this (L-2)."""

_DAY: Final = (0, 17, 67, 146, 250, 371, 500, 629, 750, 854, 933, 983)
"""Half a day from trough to peak by the hour, per mille: a raised cosine."""


class Curve:
    """One course of values."""

    def __init__(self, points: Points, *, period: int = 0, is_stepped: bool = False, delay: int = 0) -> None:
        assert points
        self._values = [value for _, value in points]
        self._ats = [at for at, _ in points]
        self._period = period
        self._is_stepped = is_stepped
        self._delay = delay

    def value(self, at: int) -> int:
        """Give the value at an instant; before the first point it is the first one's, after the last the last one's."""
        at = self._within(at)
        ats, values = self._ats, self._values
        following = bisect_right(ats, at)
        if following == 0:
            return values[0]
        before = values[following - 1]
        if self._is_stepped or following == len(ats):
            return before
        begun = ats[following - 1]
        return before + (values[following] - before) * (at - begun) // (ats[following] - begun)

    def next_look(self, at: int) -> int | None:
        """Give the instant at which the value is worth reading again; None: it never changes any more."""
        place = self._within(at)
        ats = self._ats
        following = bisect_right(ats, place)
        if following == len(ats):
            return at + self._period - place + ats[0] if self._period else None
        if self._is_stepped or following == 0 or self._values[following] == self._values[following - 1]:
            return at + ats[following] - place
        step = max(CLOSEST, (ats[following] - ats[following - 1]) // LOOKS)
        return at + min(step, ats[following] - place)

    def _within(self, at: int) -> int:
        at -= self._delay
        return at % self._period if self._period else at


def of_service(traffic: Traffic, number: int) -> Curve:
    """Give what clients ask of one service of a scenario, in milli-requests a second."""
    base, peak, period = traffic.base * MILLI, traffic.peak * MILLI, traffic.period
    delay = number * traffic.apart
    match traffic.shape:
        case Shape.STEADY:
            return Curve([(0, base)])
        case Shape.DAILY:
            shares = (*_DAY, MILLI, *reversed(_DAY[1:]), 0)
            hours = [(hour * HOUR * period // DAY, share) for hour, share in enumerate(shares)]
            return Curve(
                [(at, base + (peak - base) * share // MILLI) for at, share in hours], period=period, delay=delay
            )
        case Shape.SQUARE:
            return Curve([(0, base), (period // 2, peak)], period=period, is_stepped=True, delay=delay)
        case Shape.RAMP:
            return Curve([(0, base), (period, peak)], delay=delay)
        case Shape.TRACE:
            return Curve(_trace(traffic), period=len(traffic.trace) * MINUTE, is_stepped=True, delay=delay)


def flash(begun: int, factor: int) -> Curve:
    """Rise to a factor within a minute; factors are per mille."""
    return Curve([(begun, MILLI), (begun + RAMP, factor)])


def fading(at: int, value: int) -> Curve:
    """Fall back to the usual within a minute."""
    return Curve([(at, value), (at + RAMP, MILLI)])


def rising(begun: int, factor: int, within: Duration) -> Curve:
    """Rise to a factor slowly."""
    return Curve([(begun, MILLI), (begun + max(within, SECOND), factor)])


def swinging(begun: int, factor: int, half: Duration) -> Curve:
    """Swing between the usual and a factor."""
    half = max(half, CLOSEST)
    return Curve([(0, factor), (half, MILLI)], period=2 * half, is_stepped=True, delay=begun)


def flat(value: int) -> Curve:
    """Stay at a value."""
    return Curve([(0, value)])


def _trace(traffic: Traffic) -> Points:
    """Turn requests of each minute into rates, so that the greatest is `peak` if that is given."""
    most = max(traffic.trace)
    rates = [count * traffic.peak * MILLI // most if traffic.peak else count * MILLI // 60 for count in traffic.trace]
    return [(minute * MINUTE, rate) for minute, rate in enumerate(rates)]

"""Time as integers: nanoseconds, no floats, no clock.

An `Instant` is nanoseconds since the Unix epoch as the Clock port tells them: anchored once at start, then advanced
by the monotonic clock, so that a jump of the wall clock never looks like an hour of silence.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NewType

Instant = NewType("Instant", int)
Duration = NewType("Duration", int)

MILLISECOND: Final = Duration(1_000_000)
SECOND: Final = Duration(1_000_000_000)
MINUTE: Final = Duration(60 * SECOND)
HOUR: Final = Duration(60 * MINUTE)
DAY: Final = Duration(24 * HOUR)

_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND))


def seconds(count: float) -> Duration:
    """Turn seconds into a Duration."""
    return Duration(round(count * SECOND))


def to_seconds(span: Duration) -> float:
    """Turn a Duration into seconds, for timers and for people."""
    return span / SECOND


def after(instant: Instant, span: Duration) -> Instant:
    """Give the instant `span` after `instant`."""
    return Instant(instant + span)


def between(earlier: Instant, later: Instant) -> Duration:
    """Give the span from `earlier` to `later`; negative when they come the other way round."""
    return Duration(later - earlier)


def format_duration(span: Duration) -> str:
    """Write a duration as an operator would: the two largest units that matter (`90s` is `1m30s`)."""
    if span < 0:
        return "-" + format_duration(Duration(-span))
    if 0 < span < SECOND:
        return f"{max(1, span // MILLISECOND)}ms"
    if span < 10 * SECOND and span % SECOND:
        return f"{span / SECOND:.1f}s"
    parts: list[str] = []
    rest: int = span
    for unit, size in _UNITS[:-1]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"


def format_instant(instant: Instant) -> str:
    """Write an instant as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(instant // SECOND, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % SECOND // MILLISECOND:03d}Z"

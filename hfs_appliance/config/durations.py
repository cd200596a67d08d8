"""Durations as an operator writes them: `"500ms"`, `"30s"`, `"1m30s"`, `"2d"`.

Whole numbers, the larger unit first, each unit once. `write` is the exact inverse of `read`;
`model.instants.format_duration` rounds for the eye.
"""

from __future__ import annotations

import re
from typing import Final

from hfs_appliance.model.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration

_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND))

PATTERN: Final = "(?=[0-9])" + "".join(f"(?:([0-9]{{1,9}}){unit})?" for unit, _ in _UNITS)
"""Regular expression that every duration matches as a whole."""

_DURATION: Final = re.compile(PATTERN)


def read(text: str) -> Duration:
    """Read a duration. Errors: ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    return Duration(sum(int(count) * size for count, (_, size) in zip(match.groups("0"), _UNITS, strict=True)))


def write(span: Duration) -> str:
    """Write a duration of whole milliseconds, not negative, exactly."""
    assert span >= 0
    assert span % MILLISECOND == 0
    parts: list[str] = []
    rest: int = span
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"

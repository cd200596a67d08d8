"""Setbacks: failures in a row slow down what comes next, by pool (builds) and by service version (instances)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.ledger import Setback

FIRST_PAUSE: Final = seconds(5)
LONGEST_PAUSE: Final = seconds(1800)
_DOUBLINGS: Final = 12


def pause(failures: int) -> Duration:
    """Give the pause after so many failures in a row: none after the first, then 5 s doubling up to half an hour.

    One failure is weather (a host died, a port was taken); the second one is the beginning of a pattern.
    """
    if failures < 2:
        return Duration(0)
    return Duration(min(LONGEST_PAUSE, FIRST_PAUSE << min(failures - 2, _DOUBLINGS)))


def another(before: Setback | None, now: Instant, words: str, until: Instant | None = None) -> Setback:
    """Count one more failure; `until` is the outside's own word on when to ask again."""
    failures = before.failures + 1 if before is not None else 1
    own = after(now, pause(failures))
    return Setback(failures=failures, not_before=max(own, until) if until is not None else own, words=words)

"""Setbacks: failures in a row slow down what comes next, by pool (builds) and by service version (instances)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.ledger import Setback

K = TypeVar("K")

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


class Failed(NamedTuple, Generic[K]):
    """One thing failed once more; `until` is the outside's own word on when to ask again."""

    what: K
    words: str
    until: Instant | None = None


def carried_on(before: Mapping[K, Setback], failed: Iterable[Failed[K]], now: Instant) -> dict[K, Setback]:
    """Count failures on top of the setbacks that there are."""
    after_all = dict(before)
    for what, words, until in failed:
        former = after_all.get(what)
        failures = former.failures + 1 if former is not None else 1
        own = after(now, pause(failures))
        not_before = max(own, until) if until is not None else own
        after_all[what] = Setback(failures=failures, not_before=not_before, words=words)
    return after_all

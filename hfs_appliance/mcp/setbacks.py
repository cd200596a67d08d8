"""Setbacks: failures in a row slow down what comes next of the same kind, and of that kind alone.

A setback is a breaker. It opens with the second failure, for a pause that doubles with each round; when the pause is
over one thing is tried (half-open), and its success closes the breaker. What was begun together and fails together is
one round: ten servers asked for at once say no more than one, and must not make a pause of half an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Generic, NamedTuple, TypeVar

from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.ledger import Setback

K = TypeVar("K")

FIRST_PAUSE: Final = seconds(5)
LONGEST_PAUSE: Final = seconds(1800)
OPENS_WITH: Final = 2
"""One failure is weather (a host died, a port was taken); the second one is the beginning of a pattern."""
_DOUBLINGS: Final = 12


def pause(failures: int, rounds: int) -> Duration:
    """Give the pause after so many failures in so many rounds: none after one, then 5 s doubling to half an hour."""
    if failures < OPENS_WITH:
        return Duration(0)
    return Duration(min(LONGEST_PAUSE, FIRST_PAUSE << min(rounds - 1, _DOUBLINGS)))


def is_open(setback: Setback) -> bool:
    """Tell whether a breaker is open, or half-open: then one is tried when the pause is over."""
    return setback.failures >= OPENS_WITH


class Failed(NamedTuple, Generic[K]):
    """One thing failed once more; `until` is the outside's own word on when to ask again."""

    what: K
    words: str
    begun_at: Instant
    until: Instant | None = None


def carried_on(before: Mapping[K, Setback], failed: Iterable[Failed[K]], now: Instant) -> dict[K, Setback]:
    """Count failures on top of the setbacks that there are."""
    after_all = dict(before)
    for failure in failed:
        after_all[failure.what] = failed_again(after_all.get(failure.what), failure, now)
    return after_all


def failed_again(former: Setback | None, failure: Failed[K], now: Instant) -> Setback:
    """Give the setback after one more failure."""
    failures, rounds, counted_at = 1, 1, now
    if former is not None:
        is_news = failure.begun_at >= former.counted_at
        failures, rounds = former.failures + 1, former.rounds + is_news
        counted_at = now if is_news else former.counted_at
    not_before = after(counted_at, pause(failures, rounds))
    if failure.until is not None:
        not_before = max(not_before, failure.until)
    return Setback(failures=failures, not_before=not_before, words=failure.words, rounds=rounds, counted_at=counted_at)


def together(setbacks: Sequence[Setback]) -> Setback:
    """Give the setback of what several have in common: as far back as the one that has failed least often."""
    newest = max(setbacks, key=lambda setback: setback.counted_at)
    failures = sum(setback.failures for setback in setbacks)
    rounds = min(setback.rounds for setback in setbacks)
    not_before = max(after(newest.counted_at, pause(failures, rounds)), min(s.not_before for s in setbacks))
    return replace(newest, failures=failures, rounds=rounds, not_before=not_before)

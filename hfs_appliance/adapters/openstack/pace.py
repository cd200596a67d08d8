"""Pace: how many calls of one kind may be under way at once, and until when there should be none. Pure.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989): each success adds a little, each sign
of overload halves, at most once in a while, for calls that were under way together fail together.
"""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.instants import SECOND, Duration, Instant, after

FIRST: Final = 4
"""Calls at once before anything is known of the cloud."""
LEAST: Final = 1
_APART: Final = SECOND
"""From one decrease to the next."""
_HELD_FIRST: Final = SECOND
_HELD_MAX: Final = Duration(60 * SECOND)


class Pace:
    """The pace of one kind of call."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._limit = float(min(FIRST, most))
        self._slowed_at: Instant | None = None
        self._refusals = 0
        self.held_until: Instant | None = None
        """Nothing should be sent before this."""

    @property
    def limit(self) -> int:
        """Give how many calls may be under way."""
        return int(self._limit)

    def is_held(self, now: Instant) -> bool:
        """Tell whether the cloud has asked to be left alone."""
        return self.held_until is not None and now < self.held_until

    def succeeded(self) -> None:
        """Note an answer in time."""
        self._refusals = 0
        self._limit = min(float(self._most), self._limit + 1 / self._limit)

    def overloaded(self, now: Instant) -> None:
        """Note an answer that says, or suggests, that it was too much: 503, no answer in time."""
        if self._slowed_at is None or now - self._slowed_at >= _APART:
            self._slowed_at = now
            self._limit = max(float(LEAST), self._limit / 2)

    def refused(self, now: Instant, retry_after: Duration | None) -> Instant:
        """Note a refusal for the rate (429); give when to come back. Who says nothing is given longer each time."""
        self.overloaded(now)
        self._refusals += 1
        own = min(_HELD_MAX, Duration(_HELD_FIRST << min(self._refusals - 1, 6)))
        until = after(now, own if retry_after is None else retry_after)
        self.held_until = max(self.held_until or until, until)
        return self.held_until

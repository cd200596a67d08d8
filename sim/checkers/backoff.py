"""The checker of backing off: what cannot be had is asked for less and less often, and said aloud (L5)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import HoldChanged, Recorded, SetbackNoted
from hfs_appliance.model.instants import MINUTE, Duration, Instant, after, seconds
from sim.census import Recent
from sim.checkers.base import Case, Checker
from sim.truth import ApiCalled, Condition, ConditionChanged, Fact


class BacksOff(Checker):
    """Creations that keep failing become rare, and an operator hears of it."""

    name = "backs-off"
    ids = ("L5", "Q1")
    promise = (
        "while no server that was asked for comes up, few more are asked for in ten minutes, and a setback is told"
    )
    hears = (SetbackNoted, HoldChanged)
    sees = (ApiCalled, ConditionChanged)

    WINDOW: Final = Duration(10 * MINUTE)
    ROUNDS: Final = 4
    """Rounds of `max_creating` servers; with pauses of 5 s, doubled by each round, more do not fit into the window."""
    SPARED: Final = 20
    PATIENCE: Final = Duration(4 * MINUTE)
    """A build takes its time: so long after the first creation, none having come up is no accident."""
    TOLD_AFTER: Final = 6
    """Refusals in a row."""
    TOLD_WITHIN: Final = seconds(10)
    """Of the first of them: many are asked for at one time, and refused before anybody has looked."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._creations = Recent(self.WINDOW)
        self._first: Instant | None = None
        """When the first of them was asked for."""
        self._is_accused = False
        self._refusals = 0
        self._refused_at = Instant(0)
        """When the first of them came."""
        self._is_told = False
        self._limit = self.ROUNDS * case.scenario.layout.at_once + self.SPARED

    def hear(self, recorded: Recorded) -> None:
        """Hear that something is withheld."""
        event = recorded.event
        if isinstance(event, SetbackNoted) or (isinstance(event, HoldChanged) and event.words):
            self._is_told = True

    def see(self, now: Instant, fact: Fact) -> None:
        """Count creations since the last server that came up."""
        if isinstance(fact, ConditionChanged):
            if fact.after is Condition.WARM:
                self._creations, self._first, self._is_accused = Recent(self.WINDOW), None, False
                self._refusals, self._is_told = 0, False
            return
        assert isinstance(fact, ApiCalled)
        if fact.call != "create":
            return
        self._creations.add(now)
        self._first = self._first if self._first is not None else now
        count = self._creations.count(now)
        if count > self._limit and now >= after(self._first, self.PATIENCE) and not self._is_accused:
            self._is_accused = True
            self.accuse(f"{count} creations within ten minutes, and not one server came up since the first of them")
        if fact.refusal:
            self._refused_at = self._refused_at if self._refusals else now
            self._refusals += 1
            is_late = now >= after(self._refused_at, self.TOLD_WITHIN)
            if self._refusals >= self.TOLD_AFTER and is_late and not self._is_told:
                self._is_told = True
                self.accuse(f"{self._refusals} creations in a row were refused, and no setback was told")

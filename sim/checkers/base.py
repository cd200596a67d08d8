"""What a checker is: a fold over the product's events and the world's truth that says when something must not be.

Checkers stand apart from the code under test: they see what an operator could see (the event stream) and what really
is (the truth), never the product's own state. Each costs a constant for what it hears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hfs_appliance.model.events import Recorded
from hfs_appliance.model.instants import Duration, Instant, format_duration
from sim.clock import EPOCH
from sim.outcome import Violation
from sim.scenario import Scenario
from sim.truth import Fact

KEPT = 50
"""Violations kept of one run: the first ones tell the most."""


@dataclass(slots=True)
class Docket:
    """The violations of one run."""

    now: Callable[[], Instant]
    violations: list[Violation] = field(default_factory=list)
    total: int = 0

    def accuse(self, checker: str, words: str) -> None:
        """Note that something was seen which must not be."""
        self.total += 1
        if len(self.violations) < KEPT:
            at = format_duration(Duration(self.now() - EPOCH))
            self.violations.append(Violation(checker=checker, instant=at, words=words))


class Checker:
    """Base of all checkers; each overrides what it needs."""

    name: str
    promise: str
    """What it checks, with the ids of the invariants (S1, L7, …)."""

    def __init__(self, docket: Docket, scenario: Scenario) -> None:
        self._docket = docket
        self._scenario = scenario

    def hear(self, recorded: Recorded) -> None:
        """Take an event of the product."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact of the world."""

    def finish(self, now: Instant) -> None:
        """Judge what can only be judged at the end."""

    def accuse(self, words: str) -> None:
        """Note a violation."""
        self._docket.accuse(self.name, words)

"""What a checker is: a fold over the product's events and the world's truth that says when something must not be.

Checkers stand apart from the code under test: they see what an operator could see (the event stream) and what really
is (the truth), never the product's own state. Each costs a constant for what it hears, and hears only what it asks for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, TypeVar

from hfs_appliance.model.instants import Duration, Instant, format_duration, seconds
from sim.census import Census
from sim.clock import EPOCH
from sim.folds import Fold
from sim.outcome import Violation
from sim.scenario import Scenario
from sim.weather import Weather

K = TypeVar("K")

KEPT: Final = 50
"""Violations kept of one run: the first ones tell the most."""
KEPT_OF_ONE: Final = 10
"""Of these, of one checker: one that repeats itself must not hide the others."""


@dataclass(slots=True)
class Docket:
    """The violations of one run."""

    now: Callable[[], Instant]
    violations: list[Violation] = field(default_factory=list)
    total: int = 0
    by_checker: Counter[str] = field(default_factory=Counter)
    is_enough: Callable[[Violation], bool] | None = None
    """Tells of a violation whether the run need not go on."""
    stop: Callable[[], object] | None = None
    """Ends the run."""

    def accuse(self, checker: str, words: str) -> None:
        """Note that something was seen which must not be."""
        self.total += 1
        self.by_checker[checker] += 1
        if len(self.violations) < KEPT and self.by_checker[checker] <= KEPT_OF_ONE:
            at = format_duration(Duration(self.now() - EPOCH))
            violation = Violation(checker=checker, instant=at, words=words)
            self.violations.append(violation)
            if self.stop is not None and self.is_enough is not None and self.is_enough(violation):
                self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a checker judges by."""

    docket: Docket
    scenario: Scenario
    census: Census
    weather: Weather

    @property
    def list_lasts(self) -> Duration:
        """How old the last list of servers may be for anything to be taken away."""
        return Duration(max(seconds(15), 5 * self.scenario.layout.poll))


class Checker(Fold):
    """Base of all checkers."""

    name: ClassVar[str]
    ids: ClassVar[tuple[str, ...]]
    """Of the invariants (S1, L7, …)."""
    promise: ClassVar[str]
    """What must hold, in words."""

    def __init__(self, case: Case) -> None:
        self._docket = case.docket
        self._scenario = case.scenario
        self._census = case.census
        self._weather = case.weather

    def accuse(self, words: str) -> None:
        """Note a violation."""
        self._docket.accuse(self.name, words)


class Waiting(Generic[K]):
    """Things that must come right within one and the same span; those that have not are given back when it is over."""

    def __init__(self, span: Duration) -> None:
        self._span = span
        self._queue: deque[tuple[int, K]] = deque()
        self._since: dict[K, int] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._since

    def begin(self, now: Instant, key: K) -> None:
        """Wait for something, unless it is waited for already."""
        if key not in self._since:
            self._since[key] = now
            self._queue.append((now, key))

    def end(self, key: K) -> None:
        """Wait for something no longer."""
        self._since.pop(key, None)

    def due(self, now: Instant) -> Iterator[K]:
        """Give, and forget, what has been waited for too long."""
        while self._queue and self._queue[0][0] + self._span <= now:
            since, key = self._queue.popleft()
            if self._since.get(key) == since:
                del self._since[key]
                yield key

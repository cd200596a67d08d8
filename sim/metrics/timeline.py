"""The timeline of a run: a bounded number of points, whatever its length, for people to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hfs_appliance.model.instants import SECOND, Instant
from sim.census import Census
from sim.clock import EPOCH
from sim.folds import Fold
from sim.metrics.counts import Causes, is_rejected
from sim.outcome import Histogram, Mark, Timeline
from sim.truth import (
    ApiCalled,
    Condition,
    ConditionChanged,
    DeletionBegun,
    Fact,
    FaultBegun,
    FaultEnded,
    MachineHidden,
)

POINTS: Final = 2_000
MARKS: Final = 500
LEAST: Final = "serving_least"


class Columns:
    """Columns with one value for each span; when there are many, spans are doubled and their values joined in pairs."""

    def __init__(self, sample: Callable[[], dict[str, int]]) -> None:
        self._sample = sample
        """Gives the levels as they have been since the last change."""
        self.step: int = SECOND
        self._length = 0
        """Spans that are over."""
        self._levels: dict[str, list[int]] = {}
        self._counts: dict[str, list[int]] = {}
        self._open: dict[str, int] = {}
        """Counts within the span that is not over."""
        self._least: int | None = None

    def advance(self, now: Instant) -> None:
        """Close the spans that are over by now."""
        if (now - EPOCH) // self.step == self._length:
            return
        while (now - EPOCH) // self.step > POINTS:
            self._halve()
        ended = (now - EPOCH) // self.step - self._length
        if ended <= 0:
            return  # what comes after the end is of no span
        levels = self._sample()
        least = levels[LEAST] if self._least is None else min(self._least, levels[LEAST])
        for name, level in levels.items():
            column = self._levels.setdefault(name, [0] * self._length)
            column += [least if name == LEAST else level] + [level] * (ended - 1)
        for name, count in self._open.items():
            self._counts.setdefault(name, [0] * self._length).append(count)
        self._length += ended
        for column in self._counts.values():
            column.extend([0] * (self._length - len(column)))
        self._open.clear()
        self._least = None

    def count(self, name: str) -> None:
        """Count one more within the present span."""
        self._open[name] = self._open.get(name, 0) + 1

    def dip(self, level: int) -> None:
        """Note that `serving` was as low as this within the present span."""
        self._least = level if self._least is None else min(self._least, level)

    def levels(self) -> dict[str, tuple[int, ...]]:
        """Give the columns of levels."""
        return {name: tuple(column) for name, column in self._levels.items()}

    def counts(self) -> dict[str, tuple[int, ...]]:
        """Give the columns of counts."""
        return {name: tuple(column) for name, column in sorted(self._counts.items())}

    def _halve(self) -> None:
        """Join spans in pairs; an odd one at the end is opened again."""
        odd = self._length % 2
        for name, column in self._levels.items():
            if odd:
                last = column.pop()
                if name == LEAST:
                    self.dip(last)
            pairs = zip(column[::2], column[1::2], strict=True)
            self._levels[name] = [min(pair) if name == LEAST else pair[1] for pair in pairs]
        for name, column in self._counts.items():
            if odd:
                self._open[name] = self._open.get(name, 0) + column.pop()
            self._counts[name] = [sum(pair) for pair in zip(column[::2], column[1::2], strict=True)]
        self._length //= 2
        self.step *= 2


class Course(Fold):
    """Levels at the end of each span, counts within it, and the faults."""

    sees = (ConditionChanged, MachineHidden, DeletionBegun, ApiCalled, FaultBegun, FaultEnded)

    def __init__(self, census: Census, causes: Causes) -> None:
        self._census = census
        self._causes = causes
        """Has seen each fact before."""
        self._columns = Columns(self._sample)
        self._marks: dict[int, Mark] = {}

    def before(self, now: Instant, fact: Fact) -> None:
        """Close the spans that a fact ends, while the census still shows what was before it."""
        del fact
        self._columns.advance(now)

    def see(self, now: Instant, fact: Fact) -> None:
        """Count and mark."""
        self._columns.advance(now)
        match fact:
            case ConditionChanged() | MachineHidden():
                self._columns.dip(self._census.conditions[Condition.SERVING])
            case DeletionBegun():
                self._count_cause()
            case ApiCalled():
                self._columns.count("api_calls")
                if is_rejected(fact):
                    self._columns.count("api_rejected")
                if fact.call == "create":
                    self._count_cause()
            case FaultBegun() if len(self._marks) < MARKS:
                at = (now - EPOCH) // SECOND
                self._marks[fact.number] = Mark(number=fact.number, kind=fact.kind, words=fact.words, begun_s=at)
            case FaultEnded() if fact.number in self._marks:
                self._end(fact.number, (now - EPOCH) // SECOND)
            case _:
                pass

    def finish(self, now: Instant) -> None:
        """Close the last span."""
        self._columns.advance(Instant(now + self._columns.step))

    def found(self, reconcile_ms: Histogram, repair_s: Histogram) -> Timeline:
        """Give the timeline."""
        return Timeline(
            step_s=self._columns.step // SECOND,
            levels=self._columns.levels(),
            counts=self._columns.counts(),
            faults=tuple(self._marks.values()),
            reconcile_ms=reconcile_ms,
            repair_s=repair_s,
        )

    def _count_cause(self) -> None:
        if self._causes.last is not None:
            self._columns.count("/".join(self._causes.last))

    def _end(self, number: int, at: int) -> None:
        mark = self._marks[number]
        self._marks[number] = Mark(
            number=number,
            kind=mark.kind,
            words=mark.words,
            begun_s=mark.begun_s,
            ended_s=at,
            is_instant=at == mark.begun_s,
        )

    def _sample(self) -> dict[str, int]:
        census = self._census
        serving = census.conditions[Condition.SERVING]
        levels = {
            "desired": census.desired_in_all,
            "demand": census.wanted_in_all,
            "serving": serving,
            LEAST: serving,
            "warm": census.conditions[Condition.WARM],
        }
        levels.update((f"machines/{condition}", census.conditions[condition]) for condition in Condition)
        return levels

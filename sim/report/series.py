"""Series: columns of the timeline, thinned to what a drawing can show without losing what matters in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sim.outcome import Timeline

COLUMNS: Final = 440
"""About half as many as there are pixels: more cannot be told apart."""
_LEAST: Final = "serving_least"


@dataclass(frozen=True, slots=True)
class Grid:
    """A timeline in at most COLUMNS columns."""

    step_s: int
    columns: int
    levels: Mapping[str, Sequence[int]]
    counts: Mapping[str, Sequence[int]]

    @property
    def until_s(self) -> int:
        """Give the end of the last column."""
        return self.step_s * self.columns

    def level(self, name: str) -> Sequence[int]:
        """Give a level; one that was not measured is zero."""
        return self.levels.get(name, (0,) * self.columns)

    def together(self, prefix: str) -> Sequence[int]:
        """Sum all levels of a prefix."""
        columns = [values for name, values in self.levels.items() if name.startswith(prefix)]
        return [sum(values) for values in zip(*columns, strict=True)] or (0,) * self.columns


def within(data: Grid, prefix: str, window_s: int) -> list[int]:
    """Sum all counts of a prefix over the window that ends with each column."""
    columns = [values for name, values in data.counts.items() if name.startswith(prefix)]
    each = [sum(values) for values in zip(*columns, strict=True)] or [0] * data.columns
    span = max(1, window_s // data.step_s)
    total, sums = 0, []
    for place, count in enumerate(each):
        total += count - (each[place - span] if place >= span else 0)
        sums.append(total)
    return sums


def grid(timeline: Timeline) -> Grid:
    """Thin a timeline: of a level the last value of a column (or the least, if it is about that), of counts the sum."""
    length = max(map(len, (*timeline.levels.values(), *timeline.counts.values())), default=0)
    together = max(1, -(-length // COLUMNS))
    levels: dict[str, Sequence[int]] = {
        name: _thinned(values, together, min if name == _LEAST else _last) for name, values in timeline.levels.items()
    }
    if least := levels.get(_LEAST):  # a fleet that stands at the beginning was not built in an instant
        levels[_LEAST] = (levels["serving"][0], *least[1:])
    counts = {name: _thinned(values, together, sum) for name, values in timeline.counts.items()}
    return Grid(timeline.step_s * together, -(-length // together), levels, counts)


def _thinned(values: Sequence[int], together: int, fold: Callable[[Sequence[int]], int]) -> Sequence[int]:
    if together == 1:
        return values
    return [fold(values[start : start + together]) for start in range(0, len(values), together)]


def _last(values: Sequence[int]) -> int:
    return values[-1]

"""Charts over time, on one time axis: capacity with the faults marked, machines by condition, calls to the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sim.faults import MENU
from sim.outcome import Mark
from sim.report import svg
from sim.report.scales import Scale, clock, count_ticks, time_ticks
from sim.report.series import Grid

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH: Final = 1000
_LEFT: Final = 132
"""Room for the names of faults, and for numbers."""
_RIGHT: Final = 16
_TOP: Final = 30
_PLOT: Final = 230
_AXIS: Final = 34
_ROW: Final = 20
_HALF_A_LABEL: Final = 12
_LINES_AT_MOST: Final = 80
"""Faults that get a line through the plot; the rows below show all of them."""
CONDITIONS: Final = (
    ("serving", "serving"),
    ("starting", "starting"),
    ("warm", "warm, in the pool"),
    ("building", "being built"),
    ("stopped", "left in order"),
    ("sick", "sick"),
    ("dark", "dark"),
)
"""From the ground up: what is well below what is not."""


def capacity(data: Grid, marks: Sequence[Mark], *, has_demand: bool) -> Markup:
    """Draw what answers against what is desired and what is needed, with a row of marks for each kind of fault."""
    names = ("desired", "serving", "demand") if has_demand else ("desired", "serving")
    kinds = sorted({mark.kind for mark in marks}, key=lambda kind: (MENU[kind].is_by_people, kind))
    plot = _Plot(data, max(max(data.level(name), default=0) for name in names))
    height = int(plot.bottom + _AXIS + _ROW * len(kinds) + 4)
    serving = plot.points("serving")
    parts = [
        *plot.axes("instances"),
        *(_band(plot, mark) for mark in marks if not mark.is_instant),
        *(_line(plot, mark) for mark in marks[:_LINES_AT_MOST]),
        svg.element("path", d=_area(serving, plot.bottom), class_="area serving"),
        svg.element("path", d=svg.steps(plot.points("serving_least")), class_="curve least"),
        svg.element("path", d=svg.steps(serving), class_="curve serving"),
        svg.element("path", d=svg.steps(plot.points("desired")), class_="curve desired"),
    ]
    if has_demand:
        parts.append(svg.element("path", d=svg.steps(plot.points("demand")), class_="curve demand"))
    for row, kind in enumerate(kinds):
        parts += _row(plot, kind, [mark for mark in marks if mark.kind == kind], plot.bottom + _AXIS + row * _ROW)
    least = min(data.level("serving_least"), default=0)
    return svg.picture(
        "capacity",
        WIDTH,
        height,
        "Instances that serve, against those desired, over time",
        f"Never fewer than {least:,} instances answered. Below the plot: when each kind of fault struck.",
        *parts,
    )


def machines(data: Grid) -> Markup:
    """Draw all machines by what they really are, one on top of the other."""
    layers = [data.level(f"machines/{name}") for name, _ in CONDITIONS]
    totals = [0] * data.columns
    stack = [list(totals)]
    for layer in layers:
        totals = [total + value for total, value in zip(totals, layer, strict=True)]
        stack.append(list(totals))
    plot = _Plot(data, max(totals, default=0))
    parts = list(plot.axes("machines"))
    for (lower, upper), (name, words) in zip(pairwise(stack), CONDITIONS, strict=True):
        if any(low != high for low, high in zip(lower, upper, strict=True)):
            shape = _ribbon(plot.at(lower), plot.at(upper))
            parts.append(svg.titled("path", words, d=shape, class_=f"layer {name}"))
    return svg.picture(
        "machines",
        WIDTH,
        int(plot.bottom + _AXIS),
        "Machines by condition over time",
        f"What the machines really were, up to {max(totals, default=0):,} at a time.",
        *parts,
    )


def calls(data: Grid) -> Markup:
    """Draw calls to the cloud a minute, and those of them that failed."""
    every, failed = (_per_minute(data, name) for name in ("api_calls", "api_rejected"))
    plot = _Plot(data, max(every, default=0))
    parts = [
        *plot.axes("calls a minute"),
        svg.element("path", d=_area(plot.at(every), plot.bottom), class_="area calls"),
        svg.element("path", d=svg.steps(plot.at(every)), class_="curve calls"),
        svg.element("path", d=_area(plot.at(failed), plot.bottom), class_="area failed"),
    ]
    return svg.picture(
        "calls",
        WIDTH,
        int(plot.bottom + _AXIS),
        "Calls to the cloud's API over time",
        f"At most {max(every, default=0):,} a minute.",
        *parts,
    )


def budget(data: Grid, spent: Sequence[int], allowed: Sequence[int]) -> Markup:
    """Draw how many servers were taken away within one window of the budget, against what it allows."""
    plot = _Plot(data, max((*spent, *allowed), default=0))
    parts = [
        *plot.axes("servers"),
        svg.element("path", d=_area(plot.at(spent), plot.bottom), class_="area spent"),
        svg.element("path", d=svg.steps(plot.at(spent)), class_="curve spent"),
        svg.element("path", d=svg.steps(plot.at(allowed)), class_="curve desired"),
    ]
    return svg.picture(
        "budget",
        WIDTH,
        int(plot.bottom + _AXIS),
        "Destruction budget used over time",
        f"At most {max(spent, default=0):,} were taken away within one window.",
        *parts,
    )


class _Plot:
    """The place where curves are drawn."""

    def __init__(self, data: Grid, high: int) -> None:
        self._ticks = count_ticks(high)
        self._data = data
        self.top, self.bottom = _TOP, _TOP + _PLOT
        self.x = Scale(0, data.until_s, _LEFT, WIDTH - _RIGHT)
        self.y = Scale(0, self._ticks[-1], self.bottom, self.top)

    def points(self, name: str) -> list[tuple[float, float]]:
        """Place a level."""
        return self.at(self._data.level(name))

    def at(self, values: Sequence[int]) -> list[tuple[float, float]]:
        """Place values, one for each column; the last one lasts to the end."""
        placed = [(self.x(number * self._data.step_s), self.y(value)) for number, value in enumerate(values)]
        return [*placed, (self.x(self._data.until_s), placed[-1][1])] if placed else [(self.x(0), self.y(0))]

    def axes(self, unit: str) -> Iterator[Markup]:
        """Draw the grid, the numbers and what they count."""
        for value in self._ticks:
            yield svg.line(_LEFT, self.y(value), WIDTH - _RIGHT, self.y(value), "grid")
            yield svg.text(_LEFT - 8, self.y(value) + 4, f"{value:,}", anchor="end", class_="tick")
        for at_s in time_ticks(self._data.until_s):
            yield svg.line(self.x(at_s), self.bottom, self.x(at_s), self.bottom + 5, "axis")
            is_at_end = self.x(at_s) > WIDTH - _RIGHT - _HALF_A_LABEL
            right = WIDTH - 2 if is_at_end else self.x(at_s)
            anchor = "end" if is_at_end else "middle"
            yield svg.text(right, self.bottom + 19, clock(at_s), anchor=anchor, class_="tick")
        yield svg.line(_LEFT, self.bottom, WIDTH - _RIGHT, self.bottom, "axis")
        yield svg.text(_LEFT - 8, self.top - 14, unit, anchor="end", class_="unit")


def _band(plot: _Plot, mark: Mark) -> Markup:
    begin, end = _span(plot, mark)
    return svg.element(
        "rect",
        x=begin,
        y=plot.top,
        width=max(end - begin, 1.0),
        height=plot.bottom - plot.top,
        class_=_tone(mark, "band"),
    )


def _line(plot: _Plot, mark: Mark) -> Markup:
    begin, _ = _span(plot, mark)
    return svg.line(begin, plot.top, begin, plot.bottom, _tone(mark, "moment"))


def _row(plot: _Plot, kind: str, marks: Sequence[Mark], top: float) -> Iterator[Markup]:
    """Draw when a kind of fault struck; marks that would hide each other are one."""
    middle = top + _ROW / 2
    yield svg.text(_LEFT - 8, middle + 4, kind, anchor="end", class_="fault")
    yield svg.line(_LEFT, middle, WIDTH - _RIGHT, middle, "grid")
    free = 0.0
    for mark in marks:
        begin, end = _span(plot, mark)
        if end - free < 1:
            continue
        free = max(begin + 3, end)
        until = f" to {clock(mark.ended_s)}" if mark.ended_s is not None and not mark.is_instant else ""
        words = f"{kind} at {clock(mark.begun_s)}{until}: {mark.words}"
        width = max(end - begin, 3.0)
        yield svg.titled(
            "rect", words, x=begin, y=middle - 6, width=width, height=12, rx=1.5, class_=_tone(mark, "mark")
        )


def _span(plot: _Plot, mark: Mark) -> tuple[float, float]:
    begin = plot.x(mark.begun_s)
    if mark.is_instant:
        return begin, begin
    return begin, plot.x(mark.ended_s) if mark.ended_s is not None else WIDTH - _RIGHT


def _tone(mark: Mark, shape: str) -> str:
    return f"{shape} asked" if MENU[mark.kind].is_by_people else f"{shape} broke"


def _area(points: Sequence[tuple[float, float]], bottom: float) -> str:
    return f"{svg.steps(points)}V{bottom:.0f}H{points[0][0]:.0f}Z"


def _ribbon(lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]) -> str:
    """Give the shape between two curves: along the upper one, and back along the lower one."""
    return f"{svg.steps(upper)}{svg.steps_back(lower)}Z"


def _per_minute(data: Grid, name: str) -> list[int]:
    return [value * 60 // data.step_s for value in data.counts.get(name, (0,) * data.columns)]

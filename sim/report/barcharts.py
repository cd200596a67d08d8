"""Charts of amounts: histograms of durations, and what was done by cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sim.outcome import Histogram
from sim.report import svg
from sim.report.scales import Scale, count_ticks

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH: Final = 480
_LEFT: Final = 56
_RIGHT: Final = 30
_TOP: Final = 32
_PLOT: Final = 150
_AXIS: Final = 46
_BAR: Final = 22
_NAMES: Final = 140
_COUNTS: Final = 110
_LABELS_AT_MOST: Final = 6

Write = Callable[[int], str]
"""Writes the end of a bucket with its unit."""


def histogram(identifier: str, title: str, found: Histogram, write: Write, *, counted: str) -> Markup:
    """Draw how many values lie in each bucket, from the first to the last that has some."""
    first, last = _occupied(found.counts)
    counts = found.counts[first : last + 1]
    ticks = count_ticks(max(counts, default=0), 4)
    bottom = _TOP + _PLOT
    y = Scale(0, ticks[-1], bottom, _TOP)
    width = (WIDTH - _LEFT - _RIGHT) / max(len(counts), 1)
    parts = [svg.text(0, 12, counted, class_="unit")]
    for value in ticks:
        parts.append(svg.line(_LEFT, y(value), WIDTH - _RIGHT, y(value), "grid"))
        parts.append(svg.text(_LEFT - 8, y(value) + 4, f"{value:,}", anchor="end", class_="tick"))
    every = -(-len(counts) // _LABELS_AT_MOST)
    for place, count in enumerate(counts):
        left, words = _LEFT + place * width, _bucket(found, first + place, write)
        shape = {"x": left + 1, "y": y(count), "width": max(width - 2, 1.0), "height": bottom - y(count)}
        parts.append(svg.titled("rect", f"{words}: {count:,}", **shape, class_="bar"))
        if place % every == every - 1 and first + place < len(found.up_to):
            parts.append(svg.line(left + width, bottom, left + width, bottom + 5, "axis"))
            end = write(found.up_to[first + place])
            parts.append(svg.text(left + width, bottom + 19, end, anchor="middle", class_="tick"))
    parts.append(svg.line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis"))
    total = sum(found.counts)
    return svg.picture(identifier, WIDTH, bottom + _AXIS - 14, title, f"{total:,} values by duration.", *parts)


def buckets(found: Histogram, write: Write) -> Iterator[tuple[str, int]]:
    """Give the buckets that have values, for those who read tables."""
    first, last = _occupied(found.counts)
    for place in range(first, last + 1):
        yield _bucket(found, place, write), found.counts[place]


def by_cause(identifier: str, title: str, started: Mapping[str, int], destroyed: Mapping[str, int]) -> Markup:
    """Draw servers started and destroyed, a pair of bars for each cause."""
    causes = sorted({*started, *destroyed}, key=lambda cause: (-started.get(cause, 0) - destroyed.get(cause, 0), cause))
    most = max((*started.values(), *destroyed.values()), default=0)
    x = Scale(0, most, 0, WIDTH - _NAMES - _COUNTS)
    parts, top = [], 6.0
    for cause in causes:
        there = [
            (kind, found[cause]) for kind, found in (("started", started), ("destroyed", destroyed)) if cause in found
        ]
        middle = top + _BAR * len(there) / 2
        parts.append(svg.text(_NAMES - 10, middle + 4, cause, anchor="end", class_="tick"))
        for kind, count in there:
            shape = {"x": _NAMES, "y": top + 3, "width": max(x(count), 1.0), "height": _BAR - 6, "rx": 2}
            parts.append(svg.titled("rect", f"{count:,} {kind} for {cause}", **shape, class_=f"amount {kind}"))
            parts.append(
                svg.text(_NAMES + max(x(count), 1.0) + 8, top + _BAR / 2 + 4, f"{count:,} {kind}", class_="tick")
            )
            top += _BAR
        top += 8
    return svg.picture(identifier, WIDTH, int(top), title, "Bars, longest first.", *parts)


def _occupied(counts: tuple[int, ...]) -> tuple[int, int]:
    """Give the first and the last bucket that has values."""
    having = [place for place, count in enumerate(counts) if count]
    return (having[0], having[-1]) if having else (0, -1)


def _bucket(found: Histogram, place: int, write: Write) -> str:
    if place >= len(found.up_to):
        return f"over {write(found.up_to[-1])}"
    low = f"{write(found.up_to[place - 1])} to " if place else "up to "
    return f"{low}{write(found.up_to[place])}"

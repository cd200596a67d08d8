"""What is printed at the end of a run: verdict, story and figures. Values in, a renderable out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from hfs_appliance.cli.simulation.frame import Sight, counted, label, timeline, told
from hfs_appliance.model.instants import format_duration, seconds
from sim.outcome import Outcome, Spread
from sim.report.words import percent, repaired
from sim.scenario import Bounds
from sim.story import Chapter, Line, Story

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_STORY_LINES: Final = 30
_CHAPTERS_OF_A_KIND: Final = 2
_LINES_OF_A_CHAPTER: Final = 4
"""At least."""
_VIOLATIONS_SHOWN: Final = 10


class Summary:
    """A rich renderable, as wide as the terminal."""

    def __init__(self, outcome: Outcome, sight: Sight, *, replay: str, page: Path | None = None) -> None:
        self._outcome = outcome
        self._sight = sight
        self._replay = replay
        self._page = page

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        del console
        outcome, sight = self._outcome, self._sight
        yield _verdict(outcome)
        yield Text(sight.board.scenario.words, "italic")
        yield Text(_size(outcome), "dim")
        yield Text()
        yield from timeline(sight, options.max_width)
        yield Text()
        if story := list(_story(sight.board.story)):
            yield Text("what happened", "bold")
            yield from map(_fitted, story)
            yield Text()
        if outcome.repair_s or outcome.detect_s:
            yield _by_fault(outcome, sight.board.scenario.bounds)
            yield Text()
        yield _figures(outcome)
        for violation in outcome.violations[:_VIOLATIONS_SHOWN]:
            yield Text(f"violation of {violation.checker} at {violation.instant}: {violation.words}", "bold red")
        if (more := max(outcome.violations_total, len(outcome.violations)) - _VIOLATIONS_SHOWN) > 0:
            yield Text(f"and {counted(more, 'violation')} more", "bold red")
        if self._page is not None:
            yield Text.assemble(label("page"), str(self._page), overflow="fold")
        yield Text.assemble(label("again"), self._replay, overflow="fold")


def _verdict(outcome: Outcome) -> Text:
    line = Text.assemble((outcome.scenario, "bold cyan"), f"  seed {outcome.seed}  ")
    if outcome.violations:
        return line.append(counted(max(outcome.violations_total, len(outcome.violations)), "violation"), "bold red")
    return line.append("every promise was kept", "bold green")


def _size(outcome: Outcome) -> str:
    virtual = format_duration(seconds(outcome.virtual_seconds))
    speed = int(outcome.virtual_seconds / outcome.cpu_seconds) if outcome.cpu_seconds else 0
    return (
        f"{outcome.servers:,} servers, {virtual} in {outcome.cpu_seconds:.1f} s of CPU: {speed:,} × real time; "
        f"{outcome.events:,} events, digest {outcome.digest}"
    )


def _story(story: Story) -> Iterator[Text]:
    """Tell what broke and what was done about it; each kind of fault comes before any of them a second time."""
    chosen = list(_chosen(story.chapters))
    for chapter, lines in sorted(chosen, key=lambda pair: pair[0].faults[0].at):
        yield from map(told, (*chapter.faults, *lines))
    faults = sum(line.times for chapter, _ in chosen for line in chapter.faults)
    if story.faults > faults:
        yield Text(f"{'':>11}and {counted(story.faults - faults, 'fault')} more", "dim")


def _chosen(chapters: Sequence[Chapter]) -> Iterator[tuple[Chapter, Sequence[Line]]]:
    room, before = _STORY_LINES, Counter[str]()
    kinds = len({kind for chapter in chapters for kind in chapter.kinds})
    each = max(_LINES_OF_A_CHAPTER, _STORY_LINES // max(kinds, 1) - 1)
    rounds: list[tuple[int, Chapter]] = []
    for chapter in chapters:
        rounds.append((min(before[kind] for kind in chapter.kinds), chapter))
        before.update(chapter.kinds)
    for number, chapter in sorted(rounds, key=lambda pair: pair[0]):
        lines = chapter.lines[:each]
        if number < _CHAPTERS_OF_A_KIND and room >= len(chapter.faults) + len(lines):
            room -= len(chapter.faults) + len(lines)
            yield chapter, lines


def _fitted(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _by_fault(outcome: Outcome, bounds: Bounds) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("victims of", no_wrap=True)
    for title in ("times", "detected p50", "p99", "repaired p50", "p99", "max", "bound"):
        table.add_column(title, justify="right", no_wrap=True)
    bound = format_duration(bounds.repair) if bounds.repair is not None else "-"
    for kind in sorted({*outcome.repair_s, *outcome.detect_s}):
        detect, repair = outcome.detect_s.get(kind, Spread()), outcome.repair_s.get(kind, Spread())
        table.add_row(
            kind,
            f"{max(detect.count, repair.count):,}",
            *_spans(detect, "p50", "p99"),
            *_spans(repair, "p50", "p99", "max"),
            bound,
        )
    return table


def _spans(spread: Spread, *names: str) -> Iterator[str]:
    for name in names:
        yield format_duration(seconds(getattr(spread, name))) if spread.count else "-"


def _figures(outcome: Outcome) -> RenderableType:
    table = Table.grid(padding=(0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, words in _facts(outcome):
        table.add_row(Text.assemble(label(name)), words)
    return table


def _facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    spread = outcome.reconcile_ms
    if spread.count:
        yield "reconcile", f"p50 {spread.p50:,} ms, p99 {spread.p99:,} ms, max {spread.max:,} ms, of {spread.count:,}"
    yield "repaired", repaired(outcome)
    if (asked := outcome.requests).asked:
        lost = f"{asked.lost:,} ({percent(asked.lost_ppm)})"
        yield "requests", f"{asked.asked:,}, of which {lost} were lost; p95 {asked.latency_p95_ms:,} ms"
    if outcome.availability:
        worst = min(sorted(outcome.availability), key=lambda name: outcome.availability[name].served_ppm)
        least = min(sorted(outcome.availability), key=lambda name: outcome.availability[name].capacity_ppm)
        served = percent(outcome.availability[worst].served_ppm)
        capacity = percent(outcome.availability[least].capacity_ppm)
        yield (
            "available",
            f"every service answered at least {served} of the time, with at least {capacity} of its capacity",
        )
    yield "started", _by_cause(outcome.created)
    yield "destroyed", _by_cause(outcome.destroyed)
    calls = outcome.api_calls
    yield "API calls", f"{calls.total:,}, of which {calls.rejected:,} failed"


def _by_cause(numbers: Mapping[str, int]) -> str:
    total = sum(numbers.values())
    return f"{total:,}: " + ", ".join(f"{count:,} {cause}" for cause, count in numbers.items()) if total else "none"

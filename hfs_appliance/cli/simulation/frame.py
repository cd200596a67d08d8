"""One frame of the live view: how far it is, what broke, what hfs believes and does. Values in, a renderable out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.text import Text

from hfs_appliance.cli import render
from hfs_appliance.cli.simulation import strips
from hfs_appliance.cli.simulation.board import Board, Stage
from hfs_appliance.model.instants import Duration, Instant, format_duration
from hfs_appliance.model.plan import Phase
from sim.clock import EPOCH
from sim.outcome import Spread, Violation
from sim.story import SIGNS, Line, Tone, since_beginning, stopwatch
from sim.truth import Condition

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_STYLES: Final = {
    Tone.BROKE: "bold red",
    Tone.OVER: "red",
    Tone.ASKED: "bold cyan",
    Tone.DOUBT: "yellow",
    Tone.TROUBLE: "yellow",
    Tone.ACTED: "blue",
    Tone.HELD: "magenta",
    Tone.WELL: "green",
    Tone.PLAIN: "",
}
_LABEL: Final = 11
"""Width of the words at the left."""
_TIMELINE_WIDTH: Final = 160
_ZONES_SHOWN: Final = 6
_UNDER_WAY_SHOWN: Final = 3
_HOLDS_SHOWN: Final = 2
_EVENTS_LEAST: Final = 4
_PHASES: Final = (
    ("serving", (Phase.SERVING,)),
    ("warm", (Phase.WARM,)),
    ("coming", (Phase.PLANNED, Phase.CREATING, Phase.BOOTING, Phase.CONFIGURING, Phase.ASSIGNED, Phase.WARMING)),
    ("suspect", (Phase.SUSPECT, Phase.AMBIGUOUS)),
    ("lost", (Phase.LOST, Phase.QUARANTINED)),
    ("leaving", (Phase.DRAINING, Phase.DELETING)),
)
"""What hfs believes, in fewer words than there are phases."""
_PHASE_STYLES: Final = {"coming": "blue", "leaving": "magenta", **render.PHASE_STYLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that one frame shows."""

    board: Board
    seed: int
    now: Instant
    cpu_s: float
    desired: int
    violations: Sequence[Violation] = ()
    violations_total: int = 0
    reconcile_ms: Spread


class Frame:
    """A rich renderable, as wide and as high as the terminal."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw; what is left of the terminal's height belongs to the events."""
        del console
        parts = [_headline(self._sight), _progress(self._sight), Text()]
        parts += timeline(self._sight, options.max_width)
        parts += [Text(), *_zones(self._sight, options.max_width), Text(), *_standing(self._sight), Text()]
        room = max(options.size.height - len(parts) - 1, _EVENTS_LEAST)
        newest = list(self._sight.board.story.newest)[-room:]
        for part in (*parts, *map(told, newest)):
            part.no_wrap, part.overflow = True, "ellipsis"
            yield part


def told(line: Line) -> Text:
    """Write one line of the story."""
    style = _STYLES[line.tone]
    words = Text.assemble((f"{since_beginning(line.at):>9}  ", "dim"), (f"{SIGNS[line.tone]} ", style))
    if line.times > 1:
        words.append(f"{line.times}× ", f"bold {style}".strip())
    return words.append(line.words, style)


def timeline(sight: Sight, width: int) -> list[Text]:
    """Draw the instances that answered over the whole run, and below them the faults."""
    board, room = sight.board, min(max(width - _LABEL, 10), _TIMELINE_WIDTH)
    least = board.served_until(sight.now)
    bins = max(board.expected(sight.now) // board.step + 1, len(least))
    lines = [Text.assemble(label("serving"), strips.levels(least, bins, room, max(sight.desired, 1)))]
    if board.marks:
        lines.append(Text.assemble(label("faults"), strips.marks(board.marks, bins, room, len(least))))
    return lines


def _headline(sight: Sight) -> Text:
    scenario = sight.board.scenario
    line = Text.assemble((scenario.name, "bold cyan"), f"  seed {sight.seed}  ", _state(sight), "  ")
    if sight.violations_total:
        return line.append(counted(sight.violations_total, "violation"), "bold red")
    return line.append("no violation", "green")


def _state(sight: Sight) -> tuple[str, str]:
    board = sight.board
    if board.is_dead:
        return ("the control plane is dead", "bold red")
    match board.stage:
        case Stage.COMING_UP:
            return ("the fleet comes up", "bold")
        case Stage.FAULTS:
            return ("faults fly", "bold red") if board.story.under_way else ("all quiet", "bold")
        case Stage.SETTLING:
            return ("it must settle", "bold yellow")
        case Stage.STAYING:
            return ("it must stay so", "bold green")


def _progress(sight: Sight) -> Text:
    spent = sight.now - EPOCH
    line = Text(f"{stopwatch(spent)} of {stopwatch(sight.board.expected(sight.now))}", "bold")
    speed = int(spent / 1e9 / sight.cpu_s) if sight.cpu_s else 0
    line.append(f"  {speed:,} × real time, {sight.cpu_s:.1f} s CPU  ", "dim")
    serving, needed = sight.board.serving, sight.board.needed
    line.append(f"{serving:,} of {sight.desired:,} serve", "green" if serving >= sight.desired else "bold yellow")
    if needed is not None:
        line.append(f", {needed:,} needed", "dim" if needed <= serving else "bold red")
    return line


def _zones(sight: Sight, width: int) -> list[Text]:
    board = sight.board
    zones = sorted(board.conditions)
    all_of_them: Counter[Condition] = Counter()
    for zone in zones:
        all_of_them.update(board.conditions[zone])
    room = min(max(width - _LABEL - 50, 12), 60)
    largest = max((board.conditions[zone].total() for zone in zones), default=0)
    lines = [Text.assemble(label("in truth"), strips.legend(all_of_them, room), ("  hfs believes", "dim"))]
    for zone in zones[:_ZONES_SHOWN]:
        counts = board.conditions[zone]
        bar = strips.shares(counts, room * counts.total() // max(largest, 1))
        bar.pad_right(room - len(bar))
        lines.append(Text.assemble(label(zone), bar, "  ", _believed(board.phases.get(zone, Counter()))))
    if len(zones) > _ZONES_SHOWN:
        lines.append(Text.assemble(label(""), (f"and {len(zones) - _ZONES_SHOWN} zones more", "dim")))
    return lines


def _believed(phases: Counter[str]) -> Text:
    line = Text()
    for word, members in _PHASES:
        number = sum(phases[phase.value] for phase in members)
        if number:
            line.append(f"{number} {word}  ", _PHASE_STYLES.get(word, ""))
    return line if line else Text("hfs believes nothing yet", "dim")


def _standing(sight: Sight) -> list[Text]:
    """Say what goes on now: faults, what is held, how quickly hfs reacts, what was violated."""
    board = sight.board
    lines = []
    broken = list(board.story.under_way.values())
    for trouble in broken[-_UNDER_WAY_SHOWN:]:
        age = format_duration(Duration(sight.now - trouble.at))
        lines.append(Text.assemble(label("broken"), (f"{trouble.words}, for {age}", "bold red")))
    if len(broken) > _UNDER_WAY_SHOWN:
        lines.append(Text.assemble(label(""), (f"and {len(broken) - _UNDER_WAY_SHOWN} more", "red")))
    held = sorted(board.holds.items())
    for (scope, rule), words in held[:_HOLDS_SHOWN]:
        lines.append(Text.assemble(label("held"), (f"{scope}: {words} ({rule})", "magenta")))
    if len(held) > _HOLDS_SHOWN:
        lines.append(Text.assemble(label(""), (f"and {len(held) - _HOLDS_SHOWN} more", "magenta")))
    spread = sight.reconcile_ms
    quick = f"p50 {spread.p50:,} ms, p99 {spread.p99:,} ms, max {spread.max:,} ms, of {spread.count:,}"
    lines.append(Text.assemble(label("reconcile"), quick if spread.count else ("nothing to do so far", "dim")))
    lines += [
        Text.assemble(label("violation"), (f"{one.instant}: {one.checker}: {one.words}", "bold red"))
        for one in sight.violations[:2]
    ]
    return lines


def label(words: str) -> tuple[str, str]:
    """Give the words at the left of a line."""
    return (f"{words:<{_LABEL}}", "dim")


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"

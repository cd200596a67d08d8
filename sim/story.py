"""The story of a run: what broke, what the control plane did about it and why, as lines for people.

A fold over truth and events that keeps what matters and counts what repeats. The live view shows its end, the report
its chapters. The rule to keep: what it costs depends on what happened, what it holds does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from hfs_appliance.model import events
from hfs_appliance.model.event import Severity
from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant
from hfs_appliance.model.plan import Cause, Phase
from hfs_appliance.telemetry.words import words
from sim.clock import EPOCH
from sim.faults import MENU
from sim.truth import Fact, FaultBegun, FaultEnded, MachineGone

NEWEST_KEPT: Final = 60
CHAPTERS_OF_A_KIND: Final = 4
CHAPTER_LINES: Final = 12
_TOGETHER: Final = Duration(10 * SECOND)
"""What happens again within this, or before anything else does, is one line with a count."""
_OPEN_AT_MOST: Final = 200
_OF_ITSELF: Final = (events.ApplianceStarted, events.SessionChanged, events.LeaderChanged, events.ModeChanged)
"""Events in which an appliance speaks of itself."""
_TOLD_PHASES: Final = {
    Phase.SERVING.value: "well",
    Phase.WARM.value: "well",
    Phase.SUSPECT.value: "doubt",
    Phase.AMBIGUOUS.value: "doubt",
    Phase.LOST.value: "trouble",
    Phase.QUARANTINED.value: "trouble",
}
"""The others are steps of an action that is told already."""


class Tone(StrEnum):
    """What kind of thing a line tells."""

    BROKE = "broke"
    """A fault begins."""
    OVER = "over"
    """A fault has ended."""
    ASKED = "asked"
    """People did something: operators, callers."""
    DOUBT = "doubt"
    TROUBLE = "trouble"
    ACTED = "acted"
    """The control plane did something."""
    HELD = "held"
    """The control plane withholds something."""
    WELL = "well"
    PLAIN = "plain"


SIGNS: Final = {
    Tone.BROKE: "✖",
    Tone.OVER: "└",
    Tone.ASKED: "◆",
    Tone.DOUBT: "?",
    Tone.TROUBLE: "!",
    Tone.ACTED: "→",
    Tone.HELD: "‖",
    Tone.WELL: "✓",
    Tone.PLAIN: "·",
}
"""One sign for each, for those who see no colours."""


@dataclass(slots=True)
class Line:
    """One line; what is alike and comes together is one line."""

    at: Instant
    tone: Tone
    words: str
    times: int = 1


@dataclass(slots=True)
class Deed:
    """What was done, or withheld, or went wrong, for one reason."""

    words: str
    """Of the first time."""
    times: int = 0


@dataclass(slots=True)
class Trouble:
    """A fault that goes on."""

    kind: str
    words: str
    at: Instant

    @property
    def is_asked(self) -> bool:
        """Tell whether people did it."""
        return MENU[self.kind].is_by_people


@dataclass(slots=True)
class Chapter:
    """Faults that came together, and what came after them until the next ones; what repeats is one line, counted."""

    kinds: list[str] = field(default_factory=list)
    faults: list[Line] = field(default_factory=list)
    """One line for each kind."""
    lines: list[Line] = field(default_factory=list)
    """The first ones."""
    more: int = 0
    """How much else came that is not kept."""
    _told: dict[Hashable, Line] = field(default_factory=dict)

    def tell(self, key: Hashable, line: Line) -> None:
        """Take a line, which this chapter keeps as its own."""
        if key in self._told:
            self._told[key].times += 1
        elif len(self.lines) < CHAPTER_LINES or line.tone is Tone.OVER:
            self._told[key] = line
            self.lines.append(line)
        else:
            self.more += 1


class Story:
    """Folds one run."""

    def __init__(self) -> None:
        self.newest: deque[Line] = deque(maxlen=NEWEST_KEPT)
        self.chapters: list[Chapter] = []
        self.faults = 0
        """How many there were; not every one of a kind has got a chapter."""
        self.struck: dict[str, Deed] = {}
        """The same by kind."""
        self.under_way: dict[int, Trouble] = {}
        """What goes on, by number."""
        self.deeds: dict[tuple[str, str], Deed] = {}
        """What the control plane did, by action and cause."""
        self.holds: dict[str, Deed] = {}
        """What it withheld, by rule."""
        self._said: dict[ServerId, tuple[str, str]] = {}
        """What was believed last of each server, of what is told at all."""
        self._told: dict[str, int] = {}
        """Chapters in which a kind occurs."""
        self._chapter: Chapter | None = None
        self._last_fault: Instant | None = None
        self._open: dict[Hashable, Line] = {}

    def hear(self, recorded: Recorded) -> None:
        """Take an event of the product."""
        event, tone = recorded.event, _tone(recorded.event)
        if tone is None or (isinstance(event, events.PhaseChanged) and not self._is_news(event)):
            return
        self._count(event)
        who = _who(recorded)
        self._tell((tone, event.kind, who, *_alike(event)), recorded.at, tone, f"{who}{_words(event)}")

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact of the world."""
        match fact:
            case FaultBegun(number=number):
                self.under_way[number] = trouble = Trouble(fact.kind, fact.words, now)
                self._begin(now, trouble)
            case FaultEnded(number=number):
                self._end(now, self.under_way.pop(number))
            case MachineGone(server=server):
                self._said.pop(server, None)
            case _:
                pass

    def _is_news(self, event: events.PhaseChanged) -> bool:
        """Tell whether nobody has said so before: appliances that stand by or start again say what they see, too."""
        said = (event.phase, event.rule)
        if self._said.get(event.server) == said:
            return False
        self._said[event.server] = said
        return True

    def _count(self, event: Event) -> None:
        match event:
            case events.ActionStarted(action=action, cause=cause, words=reason):
                self.deeds.setdefault((action, cause), Deed(reason)).times += 1
            case events.HoldChanged(rule=rule, words=reason) if reason:
                self.holds.setdefault(rule, Deed(reason)).times += 1
            case _:
                pass

    def _begin(self, now: Instant, trouble: Trouble) -> None:
        self.faults += 1
        self.struck.setdefault(trouble.kind, Deed(trouble.words)).times += 1
        if self._last_fault is None:
            self.holds.clear()  # doubts of an appliance that meets its fleet for the first time answer no fault
        if self._last_fault is None or now - self._last_fault > _TOGETHER:
            self._chapter = Chapter()
            self._open.clear()  # what comes now may be because of it
        self._last_fault = now
        tone = Tone.ASKED if trouble.is_asked else Tone.BROKE
        line, is_new = self._line((trouble.kind,), now, tone, f"{trouble.kind}: {trouble.words}")
        chapter = self._chapter
        if not is_new or chapter is None:
            return
        chapter.kinds.append(trouble.kind)
        chapter.faults.append(line)  # the same one: what repeats at once counts in both
        told = self._told[trouble.kind] = self._told.get(trouble.kind, 0) + 1
        if told <= CHAPTERS_OF_A_KIND and not (self.chapters and self.chapters[-1] is chapter):
            self.chapters.append(chapter)

    def _end(self, now: Instant, trouble: Trouble) -> None:
        if now != trouble.at:
            self._tell((trouble.kind, "over"), now, Tone.OVER, f"{trouble.kind} is over")

    def _tell(self, key: Hashable, at: Instant, tone: Tone, told: str) -> None:
        self._line(key, at, tone, told)
        if self._chapter is not None:
            self._chapter.tell(key, Line(at, tone, told))

    def _line(self, key: Hashable, at: Instant, tone: Tone, told: str) -> tuple[Line, bool]:
        """Give the line for something: one that is told already, or a new one."""
        line = self._open.get(key)
        if line is not None and (at - line.at <= _TOGETHER or line is self.newest[-1]):
            line.times += 1
            return line, False
        if len(self._open) >= _OPEN_AT_MOST:
            self._open.clear()
        self._open[key] = line = Line(at, tone, told)
        self.newest.append(line)
        return line, True


def stopwatch(span: int) -> str:
    """Write virtual time since the beginning as a clock: `0:01:06`, `1d 02:00:00`."""
    days, rest = divmod(span, 24 * HOUR)
    hours, minutes, seconds = rest // HOUR, rest // MINUTE % 60, rest // SECOND % 60
    return f"{days}d {hours:02}:{minutes:02}:{seconds:02}" if days else f"{hours}:{minutes:02}:{seconds:02}"


def since_beginning(instant: Instant) -> str:
    """Write an instant of a run as such a clock."""
    return stopwatch(instant - EPOCH)


def _tone(event: Event) -> Tone | None:
    """Say what kind of line an event is worth; None: it is bookkeeping, or told by another event already."""
    match event:
        case events.PhaseChanged(phase=phase) if phase in _TOLD_PHASES:
            return Tone(_TOLD_PHASES[phase])
        case events.ActionStarted(cause=cause) if cause != Cause.BOOKKEEPING:
            return Tone.ACTED
        case events.HoldChanged(words=text):
            return Tone.HELD if text else Tone.PLAIN
        case events.ConvergedChanged(is_converged=is_converged):
            return Tone.WELL if is_converged else None
        case (
            events.PhaseChanged()
            | events.ActionStarted()
            | events.ActionDone()
            | events.RoutesPublished()
            | events.DocumentsMerged()
        ):
            return None
        case _:
            is_trouble = event.severity in (Severity.WARNING, Severity.ERROR)
            return Tone.TROUBLE if is_trouble else Tone.PLAIN


def _who(recorded: Recorded) -> str:
    """Name the appliance that speaks of itself, if it is not the first one."""
    name, _, part = recorded.actor.partition("/")
    return f"{name}: " if part and isinstance(recorded.event, _OF_ITSELF) else ""


def _words(event: Event) -> str:
    """Say what happened; addresses say nothing here, and the reason comes sooner without them."""
    return words(replace(event, address=None) if isinstance(event, events.PhaseChanged) else event)


def _alike(event: Event) -> tuple[str, ...]:
    """Give what two events must have in common to be told as one."""
    match event:
        case events.PhaseChanged(phase=phase, rule=rule):
            return (phase, rule)
        case events.ActionStarted(action=action, cause=cause):
            return (action, cause)
        case events.ActionFailed(action=action, error=error):
            return (action, error)
        case events.HoldChanged(rule=rule, scope=scope):
            return (rule, scope.partition("/")[0])
        case events.SetbackNoted(scope=scope):
            return (scope,)
        case events.SessionChanged(state=state):
            return (state,)
        case events.PartRestarted(part=part) | events.PartFailed(part=part):
            return (part,)
        case events.ConvergedChanged():
            return ()
        case _:
            return (words(event),)

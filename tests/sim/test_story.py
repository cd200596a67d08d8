"""The story of a run: what is alike is one line, faults that come together are one chapter, bookkeeping is not told."""

from __future__ import annotations

from itertools import count

import pytest

from hfs_appliance.model.events import (
    ActionDone,
    ActionStarted,
    CloudUnreachable,
    ConvergedChanged,
    Event,
    HoldChanged,
    ModeChanged,
    PhaseChanged,
    Recorded,
    RoutesPublished,
)
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant, seconds
from sim.clock import EPOCH
from sim.story import CHAPTERS_OF_A_KIND, Story, since_beginning, stopwatch
from sim.truth import FaultBegun, FaultEnded, MachineGone


class Told:
    """A story, with the means to tell it."""

    def __init__(self) -> None:
        self.story = Story()
        self._numbers = count()

    def event(self, at_s: float, event: Event, actor: str = "reconcile") -> None:
        self.story.hear(Recorded(seq=next(self._numbers) + 1, at=at(at_s), actor=actor, event=event))

    def begin(self, at_s: float, number: int, kind: str = "server-dies", words: str = "it dies") -> None:
        self.story.see(at(at_s), FaultBegun(number=number, kind=kind, words=words))

    def end(self, at_s: float, number: int, kind: str = "server-dies") -> None:
        self.story.see(at(at_s), FaultEnded(number=number, kind=kind))

    @property
    def lines(self) -> list[str]:
        return [f"{line.tone} {line.times} {line.words}" for line in self.story.newest]


@pytest.fixture
def told() -> Told:
    return Told()


def at(at_s: float) -> Instant:
    return Instant(EPOCH + seconds(at_s))


def suspect(number: int, rule: str = "unregistered") -> PhaseChanged:
    return PhaseChanged(
        server=ServerId(f"small-{number:04d}"),
        phase="suspect",
        before="serving",
        rule=rule,
        words="lost its registration",
        address="10.0.0.1",
    )


def delete(cause: str = "remediation") -> ActionStarted:
    return ActionStarted(action="delete", server=ServerId("small-0001"), cause=cause, words="it is dead")


def test_what_is_alike_and_comes_together_is_one_line(told: Told) -> None:
    for number in range(3):
        told.event(number, suspect(number))
    told.event(3, suspect(3, rule="another"))
    told.event(20, suspect(4))
    told.event(900, suspect(5))
    assert told.lines == [
        "doubt 3 small-0000 is suspect: lost its registration",
        "doubt 1 small-0003 is suspect: lost its registration",
        "doubt 2 small-0004 is suspect: lost its registration",
    ], "and what comes before anything else does"


def test_faults_that_come_together_are_one_chapter_with_what_followed(told: Told) -> None:
    told.event(0, ConvergedChanged(is_converged=1, words=""))
    told.begin(60, 0)
    told.end(60, 0)
    told.begin(61, 1, words="another dies")
    told.begin(62, 2, "mcp-killed", "the control plane is killed")
    told.event(63, suspect(1))
    told.end(70, 2, "mcp-killed")
    told.begin(300, 3, words="a third dies")
    told.event(301, delete())
    first, second = told.story.chapters
    assert [(line.times, line.words) for line in first.faults] == [
        (2, "server-dies: it dies"),
        (1, "mcp-killed: the control plane is killed"),
    ]
    assert first.kinds == ["server-dies", "mcp-killed"]
    assert [line.words for line in first.lines] == [
        "small-0001 is suspect: lost its registration",
        "mcp-killed is over",
    ]
    assert [line.words for line in second.lines] == ["delete small-0001: it is dead"]
    assert told.story.faults == 4
    assert {kind: deed.times for kind, deed in told.story.struck.items()} == {"server-dies": 3, "mcp-killed": 1}
    assert sorted(told.story.under_way) == [1, 3]


def test_what_an_event_before_says_already_is_not_told(told: Told) -> None:
    told.event(1, delete(cause="bookkeeping"))
    told.event(1, ActionDone(action="delete", server=ServerId("small-0001"), elapsed_ms=1))
    told.event(1, RoutesPublished(digest="d", services=1, instances=1, words="", elapsed_ms=1))
    told.event(1, ConvergedChanged(is_converged=0, words=""))
    assert told.lines == []


def test_tones(told: Told) -> None:
    told.event(1, HoldChanged(scope="environment", rule="stale", words="the registry is away"))
    told.event(2, HoldChanged(scope="environment", rule="stale", words=""))
    told.event(3, ConvergedChanged(is_converged=1, words="after 3s"))
    told.event(4, CloudUnreachable(words="503"))
    told.begin(5, 0)
    assert [line.tone for line in told.story.newest] == ["held", "plain", "well", "trouble", "broke"]


def test_however_often_a_kind_comes_few_chapters_are_kept_and_few_lines_of_each(told: Told) -> None:
    for number in range(100):
        told.begin(number * 60, number)
        for second in range(0, 55, 11):
            for phase in range(20):
                told.event(number * 60 + second, suspect(second, rule=f"rule {phase}"))
        told.end(number * 60 + 55, number)
    told.begin(7000, 100, "registry-away", "it is away")
    assert len(told.story.chapters) == CHAPTERS_OF_A_KIND + 1
    chapter = told.story.chapters[0]
    assert len(chapter.lines) == 13, "twelve, and that it is over"
    assert chapter.lines[-1].words == "server-dies is over"
    assert {line.times for line in chapter.lines[:-1]} == {5}, "what repeats is one line of a chapter, however late"
    assert chapter.more == 5 * 8
    assert told.story.faults == 101
    assert len(told.story.newest) == told.story.newest.maxlen


def test_what_another_appliance_says_too_is_told_once(told: Told) -> None:
    told.event(1, suspect(1))
    told.event(30, suspect(1), actor="mcp-2/reconcile")
    told.event(60, suspect(1, rule="unconfirmed"), actor="mcp-2/reconcile")
    told.story.see(at(70), MachineGone(server=ServerId("small-0001")))
    told.event(80, suspect(1, rule="unconfirmed"))
    assert sum(line.times for line in told.story.newest) == 3


def test_an_appliance_that_speaks_of_itself_is_named_unless_it_is_the_first(told: Told) -> None:
    told.event(1, ModeChanged(mode="standby", words="its lease has ended"), actor="leadership")
    told.event(1, ModeChanged(mode="sync", words="takes over"), actor="mcp-2/leadership")
    assert told.lines == ["plain 1 mode standby: its lease has ended", "plain 1 mcp-2: mode sync: takes over"]


def test_what_was_done_is_counted_by_action_and_cause(told: Told) -> None:
    for second in (1, 30, 60):
        told.event(second, delete())
    told.event(61, delete(cause="scale-in"))
    told.event(62, delete(cause="bookkeeping"))
    told.event(63, HoldChanged(scope="environment", rule="stale", words="the registry is away"))
    told.event(64, HoldChanged(scope="environment", rule="stale", words=""))
    deeds = {key: (deed.times, deed.words) for key, deed in told.story.deeds.items()}
    assert deeds == {("delete", "remediation"): (3, "it is dead"), ("delete", "scale-in"): (1, "it is dead")}
    assert {rule: deed.times for rule, deed in told.story.holds.items()} == {"stale": 1}


def test_what_was_held_back_before_anything_broke_answers_nothing(told: Told) -> None:
    told.event(1, HoldChanged(scope="environment", rule="storm", words="41 of 99 are lost"))
    told.event(2, HoldChanged(scope="environment", rule="storm", words=""))
    assert {rule: deed.words for rule, deed in told.story.holds.items()} == {"storm": "41 of 99 are lost"}
    told.begin(60, 1)
    told.event(61, HoldChanged(scope="environment", rule="storm", words="30 of 99 are lost"))
    told.begin(62, 2)
    assert {rule: deed.words for rule, deed in told.story.holds.items()} == {"storm": "30 of 99 are lost"}


def test_clocks() -> None:
    assert stopwatch(seconds(3_725)) == "1:02:05"
    assert stopwatch(seconds(90_061)) == "1d 01:01:01"
    assert since_beginning(at(66)) == "0:01:06"

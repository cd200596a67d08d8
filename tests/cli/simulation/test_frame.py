"""Frames of the simulator's live view: at every width a person reads what broke, what is, and what hfs believes."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from hfs_appliance.cli.simulation import strips
from hfs_appliance.cli.simulation.board import Board, Mark
from hfs_appliance.cli.simulation.frame import Frame, Sight
from hfs_appliance.model.events import ConvergedChanged, Event, HoldChanged, PhaseChanged, Recorded
from hfs_appliance.model.ids import AvailabilityZone, Nonce, PoolName, ServerId, ServiceName
from hfs_appliance.model.instants import MINUTE, Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from sim.clock import EPOCH
from sim.outcome import Spread, Violation
from sim.scenario import Layout, Scenario
from sim.truth import (
    Condition,
    ConditionChanged,
    ControlPlaneKilled,
    ControlPlaneStarted,
    DemandChanged,
    Fact,
    FaultBegun,
    FaultsOver,
    MachineGone,
    MachineMade,
    Settled,
    StoryBegun,
)

SCENARIO = Scenario(name="short", words="one dies", layout=Layout(servers=2), lasts=MINUTE)


def at(at_s: float) -> Instant:
    return Instant(EPOCH + seconds(at_s))


def server(number: int) -> ServerId:
    return ServerId(f"small-{number:04d}")


def made(number: int, zone: str = "az1") -> MachineMade:
    return MachineMade(
        server=server(number),
        nonce=Nonce("0"),
        pool=PoolName("small"),
        az=AvailabilityZone(zone),
        address="10.0.0.1",
        status=CloudStatus.ACTIVE,
    )


def changed(number: int, before: Condition, after: Condition) -> ConditionChanged:
    return ConditionChanged(server=server(number), before=before, after=after)


def believes(number: int, phase: str) -> PhaseChanged:
    return PhaseChanged(server=server(number), phase=phase, before="", rule="r", words="")


def see(board: Board, at_s: float, *facts: Fact) -> None:
    for fact in facts:
        board.see(at(at_s), fact)


def hear(board: Board, at_s: float, *events: Event) -> None:
    for event in events:
        board.hear(Recorded(seq=1, at=at(at_s), actor="reconcile", event=event))


@pytest.fixture
def board() -> Board:
    """Two servers that serve, one of which is powered off after 30 s."""
    board = Board(SCENARIO)
    see(board, 0, ControlPlaneStarted())
    for number in (1, 2):
        see(board, 0, made(number, f"az{number}"), changed(number, Condition.DARK, Condition.SERVING))
    hear(board, 1, believes(1, "serving"), believes(2, "serving"), ConvergedChanged(is_converged=1, words=""))
    see(board, 1, StoryBegun())
    see(board, 30, changed(1, Condition.SERVING, Condition.DARK), FaultBegun(number=0, kind="server-dies", words="off"))
    hear(board, 33, believes(1, "suspect"), HoldChanged(scope="pool/small", rule="limit", words="30 at most"))
    return board


def sight(board: Board, now_s: float = 40) -> Sight:
    return Sight(board=board, seed=7, now=at(now_s), cpu_s=2.0, desired=2, reconcile_ms=Spread())


def drawn(shown: Frame, width: int = 80, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(shown)
    return [line.rstrip() for line in written.get().splitlines()]


def test_a_frame(board: Board) -> None:
    lines = drawn(Frame(sight(board)))
    assert lines[0] == "short  seed 7  faults fly  no violation"
    assert lines[1] == "0:00:40 of 0:12:01  20 × real time, 2.0 s CPU  1 of 2 serve"
    assert lines[3].startswith("serving    ██▄▄·····")
    assert lines[4] == "faults       ▲─"
    assert lines[6] == "in truth   █ serves x dark      hfs believes"
    assert lines[7] == "az1        xxxxxxxxxxxxxxxxxxx  1 suspect"
    assert lines[8] == "az2        ███████████████████  1 serving"
    assert lines[10:13] == [
        "broken     off, for 10s",
        "held       pool/small: 30 at most (limit)",
        "reconcile  nothing to do so far",
    ]
    assert lines[-2:] == ["  0:00:33  ? small-0001 is suspect", "  0:00:33  ‖ pool/small held by limit: 30 at most"]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_or_the_whole_higher_than_the_terminal(board: Board, width: int) -> None:
    for second in range(200):
        hear(board, 40 + second * 11, believes(1, "suspect"))
    lines = drawn(Frame(sight(board, 3000)), width=width, height=24)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= 24


def test_what_the_traffic_needs_is_told_when_there_is_any(board: Board) -> None:
    for service, instances in (("a", 2), ("b", 1), ("a", 3)):
        see(board, 40, DemandChanged(service=ServiceName(service), instances=instances))
    assert drawn(Frame(sight(board)))[1].endswith("  1 of 2 serve, 4 needed")


def test_violations_come_in_the_headline_and_with_their_words(board: Board) -> None:
    broken = Violation(checker="healthy-destroyed", instant="30s", words="small-0002 was serving")
    lines = drawn(Frame(replace(sight(board), violations=[broken], violations_total=3)))
    assert "3 violations" in lines[0]
    assert "violation  30s: healthy-destroyed: small-0002 was serving" in lines


def test_the_state_says_what_is_waited_for(board: Board) -> None:
    def state(now_s: float) -> str:
        return drawn(Frame(sight(board, now_s)))[0]

    assert "faults fly" in state(59)
    see(board, 61, FaultsOver())
    assert "it must settle" in state(62)
    see(board, 70, Settled())
    assert "it must stay so" in state(71)
    see(board, 72, ControlPlaneKilled())
    assert "the control plane is dead" in state(72)
    assert "the fleet comes up" in drawn(Frame(sight(Board(SCENARIO), 0)))[0]


def test_the_dead_believe_nothing(board: Board) -> None:
    see(board, 40, ControlPlaneKilled())
    lines = "\n".join(drawn(Frame(sight(board))))
    assert "hfs believes nothing yet" in lines
    assert "held  " not in lines
    see(board, 41, ControlPlaneStarted())
    assert "dead" not in drawn(Frame(sight(board)))[0]


def test_while_another_appliance_goes_on_nobody_is_dead(board: Board) -> None:
    see(board, 40, ControlPlaneStarted(), ControlPlaneKilled())
    lines = "\n".join(drawn(Frame(sight(board))))
    assert "dead  " not in lines
    assert "1 suspect" in lines


def test_what_is_gone_is_counted_nowhere(board: Board) -> None:
    see(board, 41, MachineGone(server=server(1)))
    hear(board, 42, believes(1, "gone"))
    assert board.conditions[AvailabilityZone("az1")].total() == 0
    assert board.phases[AvailabilityZone("az1")].total() == 0


def test_strips_show_the_least_of_each_column() -> None:
    assert strips.levels([10, 10, 3, 10, 9, 10], 8, 4, 10).plain == "█▃▇·"
    assert strips.levels([10], 1, 3, 10).plain == "███", "a short run is as wide as a long one"
    assert strips.levels([0], 1, 1, 10).plain == "▁"


def test_marks_show_what_broke_above_what_was_asked() -> None:
    marked = [Mark(1, is_asked=True, ended=1), Mark(1, is_asked=False, ended=3), Mark(6, is_asked=True)]
    assert strips.marks(marked, 8, 8, 8).plain == " ▲──  △─"


def test_a_single_ill_machine_is_seen_among_thousands() -> None:
    bar = strips.shares({Condition.SERVING: 9_999, Condition.DARK: 1}, 20).plain
    assert bar == "█" * 19 + "x"
    assert strips.shares({}, 20).plain == ""

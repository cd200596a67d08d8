"""The summary: what broke and what was done about it, as far as a screen goes, and what it was measured by."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from hfs_appliance.cli.simulation.board import Board
from hfs_appliance.cli.simulation.frame import Sight
from hfs_appliance.cli.simulation.summary import Summary
from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant, seconds
from sim.clock import EPOCH
from sim.outcome import Outcome, Violation
from sim.truth import FaultBegun
from tests.support import outcomes

KINDS = ("server-dies", "registry-away", "mcp-killed", "zone-dark")


def drawn(outcome: Outcome, board: Board) -> list[str]:
    sight = Sight(
        board=board, seed=7, now=Instant(EPOCH + seconds(4260)), cpu_s=1, desired=90, reconcile_ms=outcome.reconcile_ms
    )
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as written:
        console.print(Summary(outcome, sight, replay="hfs simulate bad-hour --seed 7"))
    return [line.rstrip() for line in written.get().splitlines()]


def board_of(kinds: tuple[str, ...], *, acts: int = 8) -> Board:
    """Let a fault of each kind strike each minute, with so many actions after it."""
    board = Board(outcomes.SCENARIO)
    for number, kind in enumerate(kinds):
        at = EPOCH + seconds(60 * (number + 1))
        board.see(Instant(at), FaultBegun(number=number, kind=kind, words=f"number {number}"))
        for act in range(acts):
            event = ActionStarted(action=f"act-{act}", server=ServerId("small-0001"), cause="remediation", words="why")
            board.hear(Recorded(seq=1, at=Instant(at + seconds(1)), actor="reconcile", event=event))
    return board


def test_it_tells_what_a_run_was_measured_by() -> None:
    lines = drawn(outcomes.outcome(), board_of(()))
    assert lines[0] == "bad-hour  seed 7  every promise was kept"
    told = "\n".join(lines)
    for words in (
        "victims of   times  detected p50  p99  repaired p50    p99    max  bound",
        "server-dies      4            3s   7s            4s    13s    13s    10m",
        "zone-dark       33            6s   8s         1m36s  6m50s  6m50s    10m",
        "reconcile  p50 18 ms, p99 1,840 ms, max 3,100 ms, of 117",
        "repaired   no service lacked instances for longer than 6m50s (31 times); 10m allowed",
        "requests   1,234,567, of which 321 (0.026 %) were lost; p95 34 ms",
        "available  every service answered at least 99.999 % of the time, with at least 98 % of its capacity",
        "started    37: 14 fill-pool, 23 meet-demand",
        "destroyed  37: 34 remediation, 3 build-failed",
        "API calls  1,800, of which 31 failed",
    ):
        assert words in told
    assert lines[-1] == "again      hfs simulate bad-hour --seed 7"
    assert "what happened" not in told


def test_each_kind_of_fault_comes_before_any_a_second_time_in_order_of_time() -> None:
    lines = drawn(outcomes.outcome(), board_of((KINDS[0],) * 6 + KINDS[1:]))
    begun = [line[13:] for line in lines if "number" in line]
    assert begun == ["server-dies: number 0", "registry-away: number 6", "mcp-killed: number 7", "zone-dark: number 8"]
    assert "           and 5 faults more" in lines


def test_a_single_fault_gets_all_the_room() -> None:
    lines = drawn(outcomes.outcome(), board_of(("server-dies",)))
    assert sum("act-" in line for line in lines) == 8


def test_violations_are_told_at_the_end_the_first_ones_in_full() -> None:
    violation = Violation(checker="floor", instant="3m", words="too few")
    broken = replace(outcomes.outcome(), violations=(violation,) * 12, violations_total=14)
    lines = drawn(broken, board_of(()))
    assert lines[0] == "bad-hour  seed 7  14 violations"
    assert lines.count("violation of floor at 3m: too few") == 10
    assert lines[-2:] == ["and 4 violations more", "again      hfs simulate bad-hour --seed 7"]

"""A sweep says what broke with the command that plays it again, and where faults met nobody."""

from __future__ import annotations

from sim.faults import MENU
from sim.outcome import Outcome, Violation
from sim.sweep import Sweep, complaints, table

BROKEN = Outcome(
    scenario="swarm-7",
    seed=7,
    servers=3,
    virtual_seconds=7200,
    cpu_seconds=1.5,
    events=10,
    digest="",
    violations=(Violation(checker="settled", instant="1h", words="not converged"),),
    strikes={"server-dies": {"serving": 2}},
)


def test_what_broke_is_told_with_its_replay() -> None:
    found = Sweep()
    found.add(BROKEN)
    assert found.verdict() == "1 seeds, 2 virtual hours in 2 s of CPU: 1 broke a promise"
    assert list(complaints(BROKEN)) == [
        "seed 7 at 1h: settled: not converged",
        "  again: hfs simulate swarm-7 --seed 7",
    ]


def test_the_matrix_has_a_row_for_each_kind_that_is_drawn() -> None:
    lines = list(table(BROKEN.strikes))
    assert len(lines) == 2 + sum(kind.is_drawn for kind in MENU.values())
    (row,) = (line for line in lines if line.startswith("| server-dies "))
    assert "2" in row

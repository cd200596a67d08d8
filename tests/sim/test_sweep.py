"""A sweep says what broke with the command that plays it again, and where faults met nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase
from sim.believed import OF_ROLLOUTS, OF_SERVERS, OF_STRATEGIES
from sim.cells import COLUMNS, IMPOSSIBLE, drawn, empty, is_possible, table
from sim.faults import MENU
from sim.outcome import Outcome, Violation
from sim.sweep import Sweep, complaints, faults_of, main, read_known

if TYPE_CHECKING:
    import pytest

BROKEN = Outcome(
    scenario="swarm-7",
    seed=7,
    servers=3,
    virtual_seconds=7200,
    cpu_seconds=1.5,
    events=10,
    digest="",
    violations=(Violation(checker="settled", instant="1h", words="not converged"),),
    strikes={"server-dies": {"serving": 2, "canary": 3}},
)


def test_what_broke_is_told_with_its_replay() -> None:
    found = Sweep()
    found.add(BROKEN)
    assert found.verdict() == "1 seeds, 2 virtual hours in 2 s of CPU: 1 broke a promise"
    assert list(complaints(BROKEN)) == [
        "seed 7 at 1h: settled: not converged",
        "  again: hfs simulate swarm-7 --seed 7",
    ]


def test_what_is_known_to_break_is_counted_apart_as_long_as_it_breaks_just_that(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text("# seeds\n\n7 settled what it has found\n8 leak\n")
    known = read_known(file)
    assert known == {7: "settled", 8: "leak"}
    found = Sweep(known=known)
    found.add(BROKEN)
    assert (found.broken, found.expected) == (0, 1)
    assert Sweep(known={7: "leak"}).is_known(BROKEN) is False
    assert Sweep(known={}).is_known(BROKEN) is False


def test_the_matrix_has_a_row_for_each_kind_that_is_drawn() -> None:
    rows = [line for line in table(BROKEN.strikes) if line.startswith("| `")]
    assert len(rows) == 2 * sum(kind.is_drawn for kind in MENU.values())
    of_servers, of_rollouts = (line for line in rows if line.startswith("| `server-dies` "))
    columns = len(OF_ROLLOUTS) + len(OF_STRATEGIES)
    assert (of_servers.count("|"), of_rollouts.count("|")) == (len(OF_SERVERS) + 2, columns + 2)
    assert " 2 " in of_servers
    assert " 3 " in of_rollouts


def test_a_cell_is_met_or_missing_or_impossible() -> None:
    missing = set(empty(BROKEN.strikes))
    assert ("server-dies", Phase.SERVING) not in missing
    assert ("server-dies", Phase.WARM) in missing
    assert ("server-dies", RolloutPhase.CANARY) not in missing
    assert ("server-dies", RolloutPhase.SOAK) in missing
    assert ("pool-rots", Phase.SERVING) not in missing
    assert ("pool-rots", "rolling rollout") in missing
    assert is_possible("pool-rots", Phase.WARM)
    assert IMPOSSIBLE.keys() <= MENU.keys()


def test_a_matrix_with_empty_cells_or_impossible_ones_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {name: dict.fromkeys((column for column in COLUMNS if is_possible(name, column)), 1) for name in drawn()}
    assert list(faults_of(whole)) == []
    without = {**whole, "server-dies": {**whole["server-dies"]}}
    del without["server-dies"][Phase.LOST]
    (missing,) = faults_of(without)
    assert missing.endswith("server-dies × lost")
    (mistaken,) = faults_of({**whole, "pool-rots": {**whole["pool-rots"], "serving": 1}})
    assert mistaken.startswith("met, though")
    assert mistaken.endswith("pool-rots × serving")
    monkeypatch.setattr("sim.sweep.swarm", lambda _: iter([]))
    assert main(["1"]) == 0
    assert main(["1", "--whole-matrix"]) == 1
    assert "not met, though" in capsys.readouterr().out


def test_the_command_plays_seeds_and_writes_the_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1", "--from", "19", "--write", str(tmp_path / "matrix.md")]) == 0
    assert capsys.readouterr().out.startswith("1 seeds, ")
    assert "| `server-dies` |" in (tmp_path / "matrix.md").read_text()

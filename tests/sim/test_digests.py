"""Recorded runs: played again they give the same journal, and one that does not is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sim.digests import Recording, main, read, write

if TYPE_CHECKING:
    import pytest


def test_a_recorded_run_gives_the_same_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "digests.json"
    write(file, [Recording(scenario="zone-loss", seed=1, servers=6, hours=0.1)])
    assert main([str(file), "--write"]) == 0
    (recorded,) = read(file)
    assert recorded.digest
    assert main([str(file)]) == 0
    write(file, [replace(recorded, seed=2)])
    assert main([str(file)]) == 1
    assert "zone-loss with seed 2" in capsys.readouterr().out

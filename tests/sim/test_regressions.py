"""What the swarm has found once stays mended: each file below tests/golden/regressions is played."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from sim.play import play
from sim.scenarios import load

FILES: Final = sorted((Path(__file__).parents[1] / "golden" / "regressions").glob("*.toml"))

SEEDS: Final = {"read-anew-in-a-churn": 2}
"""Of those that do not fail with the first: which mischief strikes is drawn by the seed."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_found_once_stays_mended(file: Path) -> None:
    outcome = play(load(str(file)), SEEDS.get(file.stem, 1))
    assert outcome.violations == ()
    assert outcome.strikes, "no fault has struck"

"""Crash at random points of larger stories; `./build.sh kills` plays all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sim.books import Books
from sim.kill_points import COLUMNS, Ending, Row, chosen, main
from sim.outcome import Violation
from sim.stories import LARGE_STORIES

STORY = LARGE_STORIES["adoption"]
CLEAN = Books(leaks=(), duplicates=(), open_intents=())


def test_the_command_prints_a_table_without_a_flaw() -> None:
    command = [sys.executable, "-m", "sim.kill_points", "adoption", "--points", "2", "--workers", "1"]
    head, _, line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["story", *COLUMNS]
    name, servers, _, *rest = (cell.strip() for cell in line.strip("|").split("|"))
    assert (name, servers, rest) == ("`adoption`", "30", ["2", "0", "0", "0", "0"])


def test_steps_are_chosen_by_seed_and_no_step_twice() -> None:
    steps = chosen(STORY, 1, 3000, 100)
    assert len(steps) == 100
    assert steps <= set(range(1, 3001))
    assert steps == chosen(STORY, 1, 3000, 100) != chosen(STORY, 2, 3000, 100)


def test_a_row_counts_and_names_what_is_wrong_after_each_step() -> None:
    broken = Violation(checker="leak", instant="5s", words="small-0001 has no record")
    left_over = Books(leaks=("a",), duplicates=("b", "c"), open_intents=("d", "e", "f"))
    told = Row(
        story=STORY,
        steps=9,
        endings=(
            (3, Ending(violation=None, books=CLEAN)),
            (5, Ending(violation=broken, books=CLEAN)),
            (7, Ending(violation=None, books=left_over)),
        ),
    )
    assert told.figures() == (30, 9, 3, 1, 1, 2, 3)
    assert list(told.complaints()) == ["step 5: leak at 5s: small-0001 has no record", "step 7: a; b; c; d; e; f"]


def test_a_story_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["adoptoin"])
    assert "no story is called adoptoin" in capsys.readouterr().err

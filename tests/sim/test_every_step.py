"""Crash at every step: a slice of each story; `python -m sim.every_step` plays all steps."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest

from hfs_appliance.model.instants import seconds
from sim.every_step import Row, crash, main, row, steps_of
from sim.play import play
from sim.scenario import Bounds, Scenario
from sim.stories import STORIES

SLICE = 2
"""Kills in each story."""


def played(story: Scenario, *, each: int, workers: int) -> Row:
    """Play a row in a process of its own: copies are made of it, and threads of pytest's do not go into a copy."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(row, story, 1, each=each, workers=workers).result()


@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_some_steps_of_a_story_breaks_no_promise(name: str) -> None:
    story = STORIES[name]
    steps = steps_of(story, 1)
    assert steps > 300
    for number in range(1, SLICE + 1):
        assert crash(story, 1, number * steps // (SLICE + 1)).violations == ()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("canary", ["promote service-0000: done", "promote-full service-0000: done", "before=soak .* operator asked"]),
        ("rolling", ["before=canary .* phase=expand", "phase=done"]),
        ("rollback", ["rollout-given-up before=soak .* operator asked", "phase=done"]),
        ("storm", ["hold-changed rule=storm .* too many at once", "approve what is held back: done"]),
        ("handover", [f" {who}leadership mode-changed mode=standby .* handed over" for who in ("", "mcp-2/")]),
    ],
)
def test_a_story_gets_to_what_it_is_there_for(name: str, lines: list[str]) -> None:
    told: list[str] = []
    play(STORIES[name], 1, watch=lambda playing: playing.sim.journal.follow(told.append))
    for line in lines:
        assert any(re.search(line, each) for each in told), line


def test_each_kill_is_a_run_of_its_own() -> None:
    digests = {crash(STORIES["build"], 1, step).digest for step in (100, 200, 350)}
    assert len(digests) == 3
    assert crash(STORIES["build"], 1, 100).digest in digests


def test_a_row_names_the_steps_that_broke_a_promise() -> None:
    impossible = replace(STORIES["build"], bounds=Bounds(settle=seconds(0.001)))
    told = played(impossible, each=400, workers=1)
    assert told.runs == len(range(2, told.steps + 1, 400))
    assert {step for step, _ in told.failures} <= set(range(2, told.steps + 1, 400))


def test_a_copy_that_goes_on_from_a_step_sees_what_a_run_from_the_beginning_sees() -> None:
    impossible = replace(STORIES["build"], lasts=seconds(1), bounds=Bounds(settle=seconds(0.001)))
    told = played(impossible, each=300, workers=2)
    assert len(told.failures) == told.runs > 1
    for step, violation in told.failures:
        assert crash(impossible, 1, step).violations[0] == violation


def test_the_command_prints_a_table() -> None:
    command = [sys.executable, "-m", "sim.every_step", "build", "--each", "600"]
    head, line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert head.split() == ["story", "steps", "runs", "violations"]
    assert line.split()[0] == "build"
    assert line.split()[3] == "0"


def test_a_story_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bild"])
    assert "no story is called bild" in capsys.readouterr().err

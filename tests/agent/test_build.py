"""The stages of building: each until it succeeds, what fails is told and run again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import trio.testing

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.agent.build import build
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.recipe import Recipe
from tests.agent.puppet.conftest import MakeSite
from tests.agent.puppet.conftest import make_site as make_site  # a fixture of that folder

CLOCK = SystemClock()


def _updated_by(site: Site, *command: str) -> Site:
    return Site(site.directory, replace(site.identity, recipe=Recipe(updates=command)))


async def test_the_stages_leave_a_home_and_the_word_how_they_went(
    make_site: MakeSite, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    plain = make_site(None)
    site = Site(plain.directory, replace(plain.identity, updates=seconds(60), configuration=seconds(90)))
    assert not plain.home.exists()
    began = trio.current_time()
    await build(site, CLOCK, Log(CLOCK), lambda _: None)
    assert trio.current_time() - began == pytest.approx(150)
    assert site.is_built
    assert [part.partition(" ")[0] for part in site.built().split(", ")] == ["updates", "configuration"]


async def test_a_stage_that_fails_is_told_and_run_again(
    make_site: MakeSite, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    script = 'echo x >>"$1"; test "$(wc -l <"$1")" -ge 3'
    site = _updated_by(make_site(None), "/bin/sh", "-c", script, "sh", str(tmp_path / "tries"))
    heard: list[StepError | None] = []
    await build(site, CLOCK, Log(CLOCK), heard.append)
    assert [str(error).partition(": /bin/sh")[0] for error in heard] == ["stage updates"] * 2 + ["None"] * 2
    assert (tmp_path / "tries").read_text() == "x\n" * 3


async def test_a_stage_that_goes_on_failing_is_run_ever_more_rarely(
    make_site: MakeSite, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    site = _updated_by(make_site(None), "/nowhere/update")
    heard: list[float] = []

    def hear(error: StepError | None) -> None:
        assert str(error) == "stage updates: cannot run /nowhere/update: No such file or directory"
        heard.append(trio.current_time())
        if len(heard) == 8:
            scope.cancel()

    with trio.CancelScope() as scope:
        await build(site, CLOCK, Log(CLOCK), hear)
    pauses = [round(after - before) for before, after in pairwise(heard)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert not site.is_built

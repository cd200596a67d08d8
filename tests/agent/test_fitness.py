"""Whether a warm server is fit for a role: its disk, and what its pool's own check says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.agent.fitness import keep_asking
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.recipe import Recipe
from tests.agent.puppet.conftest import MakeSite
from tests.agent.puppet.conftest import make_site as make_site  # a fixture of that folder

LOG = Log(SystemClock())


async def _heard(site: Site, count: int, and_then: Path | None = None) -> list[str]:
    """Listen until so many words were told; `and_then` is there after the first."""
    heard: list[str] = []

    def hear(words: str) -> None:
        heard.append(words)
        if and_then is not None:
            and_then.touch()
        if len(heard) == count:
            scope.cancel()

    with trio.CancelScope() as scope:
        await keep_asking(site, LOG, hear, every=Duration(0))
    return heard


def _checked_by(site: Site, *command: str) -> Site:
    return Site(site.directory, replace(site.identity, recipe=Recipe(check=command)))


async def test_a_check_that_fails_is_told_once_and_again_when_it_is_well(make_site: MakeSite, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    site = _checked_by(make_site(None), "/usr/bin/test", "-e", str(gate))
    assert await _heard(site, 2, gate) == [f"/usr/bin/test -e {gate} ended with status 1", ""]


async def test_a_disk_that_cannot_be_written_is_told(make_site: MakeSite) -> None:
    site = make_site(None)
    (site.directory / "fitness").mkdir()
    assert await _heard(site, 1) == ["its disk cannot be written: Is a directory"]


async def test_a_check_that_is_not_there_is_told(make_site: MakeSite) -> None:
    site = _checked_by(make_site(None), "/nowhere/check")
    assert await _heard(site, 1) == ["cannot run /nowhere/check: No such file or directory"]

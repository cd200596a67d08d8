"""Modules are lent as they were meant, or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.shelf import KEPT, Shelf, stored
from hfs_appliance.model.recipe import Archive
from hfs_appliance.ports.errors import Rejected


def archive(directory: Path, content: bytes) -> Archive:
    file = directory / "puppet.tar"
    file.write_bytes(content)
    return Archive(sha256=hashlib.sha256(content).hexdigest(), file=str(file))


async def test_what_is_not_meant_is_not_lent(tmp_path: Path) -> None:
    meant = archive(tmp_path, b"meant")
    found = archive(tmp_path, b"another")
    shelf = Shelf(tmp_path / "shelf", "http://10.0.0.1:8082")
    with pytest.raises(Rejected, match=rf"puppet.tar has sha256 {found.sha256}, not {meant.sha256}"):
        await shelf.lend(meant)
    assert not list((tmp_path / "shelf").iterdir())
    (tmp_path / "puppet.tar").unlink()
    with pytest.raises(Rejected, match=r"puppet.tar: No such file"):
        await shelf.lend(meant)


async def test_many_may_ask_at_once(tmp_path: Path) -> None:
    meant, shelf = archive(tmp_path, b"meant"), Shelf(tmp_path / "shelf", "")
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(shelf.lend, meant)
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == [meant.sha256]


async def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    shelf, lent = Shelf(tmp_path / "shelf", ""), []
    for number in range(KEPT + 2):
        lent.append(archive(tmp_path, str(number).encode()))
        await shelf.lend(lent[-1])
        os.utime(tmp_path / "shelf" / lent[-1].sha256, ns=(number, number))
    are_there = [stored(tmp_path / "shelf", each.sha256) is not None for each in lent]
    assert are_there == [False, False, *[True] * KEPT]

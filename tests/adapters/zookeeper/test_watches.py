"""Marks of a subtree without a server: their bound, and what ends a wait."""

from __future__ import annotations

import pytest

from hfs_appliance.adapters.zookeeper.watches import SubtreeWatch
from hfs_appliance.ports.errors import Unsupported
from hfs_appliance.ports.registry import EVERYTHING


def watch(root: str) -> SubtreeWatch:
    return SubtreeWatch(root, lambda _: None)


async def test_too_many_marks_become_everything() -> None:
    many = watch("/a")
    for serial in range(100_001):
        many.mark(f"/a/{serial}")
    marks = await many.wait_dirty()
    assert EVERYTHING in marks
    assert len(marks) <= 100_000


async def test_a_dark_zone_of_the_largest_fleet_is_read_mark_by_mark() -> None:
    zone = watch("/a")
    for serial in range(20_000):
        zone.mark(f"/a/{serial}")
    assert len(await zone.wait_dirty()) == 20_000


async def test_marks_made_before_waiting_are_given_once() -> None:
    some = watch("/a")
    some.mark("/a")
    some.mark("/a/b")
    some.mark("/ab")
    assert await some.wait_dirty() == {"/a", "/a/b"}
    some.mark("/a/c")
    assert await some.wait_dirty() == {"/a/c"}


async def test_what_makes_watching_impossible_reaches_the_waiter_until_it_works() -> None:
    failing = watch("/a")
    failing.fail(Unsupported("too old"))
    for _ in range(2):
        with pytest.raises(Unsupported):
            await failing.wait_dirty()
    failing.mark_everything()
    assert await failing.wait_dirty() == {EVERYTHING}

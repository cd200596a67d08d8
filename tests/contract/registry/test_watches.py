"""Contract of the Registry port: dirty marks of a subtree."""

from __future__ import annotations

import pytest
import trio

from hfs_appliance.ports.registry import EVERYTHING, CreateOp, Registry, SessionState, SetOp
from tests.support.registries import connected, find, wait_marks, wait_state, watch_from_now
from tests.support.tcp_proxy import TcpProxy
from tests.support.zookeeper import Servers


async def test_marks_what_is_created_changed_and_deleted_at_any_depth(
    registry: Registry, other: Registry, root: str
) -> None:
    await other.create(root)
    watch = await watch_from_now(registry, root)
    await other.create(f"{root}/a/b/c")
    assert await wait_marks(watch, f"{root}/a/b/c") == {f"{root}/a", f"{root}/a/b", f"{root}/a/b/c"}
    await other.set(f"{root}/a/b", b"changed")
    assert await watch.wait_dirty() == {f"{root}/a/b"}
    await other.delete(f"{root}/a/b/c")
    assert await watch.wait_dirty() == {f"{root}/a/b/c"}
    await other.set(root, b"changed")
    assert await watch.wait_dirty() == {root}


async def test_marks_a_root_that_is_created_later_deleted_and_created_again(
    registry: Registry, other: Registry, root: str
) -> None:
    watch = await watch_from_now(registry, root)
    await other.create(root)
    assert await watch.wait_dirty() == {root}
    await other.create(f"{root}/child")
    assert await watch.wait_dirty() == {f"{root}/child"}
    await other.delete(f"{root}/child")
    await other.delete(root)
    await wait_marks(watch, root)
    await other.create(f"{root}/child")
    await wait_marks(watch, root, f"{root}/child")


async def test_does_not_mark_what_lies_outside(registry: Registry, other: Registry, root: str) -> None:
    watch = await watch_from_now(registry, f"{root}/a")
    await other.create(f"{root}/ab")
    await other.create(f"{root}/b/a")
    await other.create(f"{root}/a")
    assert await watch.wait_dirty() == {f"{root}/a"}


async def test_the_whole_tree_can_be_watched(registry: Registry, other: Registry, root: str) -> None:
    watch = await watch_from_now(registry, "/")
    await other.create(f"{root}/a")
    await wait_marks(watch, f"{root}/a")


async def test_a_transaction_marks_all_that_it_touched(registry: Registry, other: Registry, root: str) -> None:
    await other.create(f"{root}/old")
    watch = await watch_from_now(registry, root)
    created = [f"{root}/{serial}" for serial in range(500)]
    await other.transact(
        [SetOp(path=f"{root}/old", value=b"new"), *(CreateOp(path=path, value=b"") for path in created)]
    )
    assert await wait_marks(watch, *created) == {f"{root}/old", *created}


async def test_a_vanishing_ephemeral_is_marked(registry: Registry, servers: Servers, root: str) -> None:
    watch = await watch_from_now(registry, root)
    async with connected(servers.hosts[0]) as owner:
        await owner.create(f"{root}/mine", is_ephemeral=True)
        await wait_marks(watch, f"{root}/mine")
    assert await watch.wait_dirty() == {f"{root}/mine"}
    assert await find(registry, f"{root}/mine") is None


async def test_marks_coalesce_and_are_never_lost_while_nobody_waits(
    registry: Registry, other: Registry, root: str
) -> None:
    await other.create(f"{root}/often")
    watch = await watch_from_now(registry, root)
    for _ in range(50):
        await other.set(f"{root}/often", b"x")
    await other.create(f"{root}/last")
    marks = await wait_marks(watch, f"{root}/last")
    assert marks == {f"{root}/often", f"{root}/last"}
    assert (await registry.get(f"{root}/often")).version == 50


async def test_watches_of_one_session_do_not_disturb_each_other(registry: Registry, other: Registry, root: str) -> None:
    outer, inner, same = [await watch_from_now(registry, path) for path in (root, f"{root}/a", root)]
    await other.create(f"{root}/a/b")
    both = {f"{root}/a", f"{root}/a/b"}
    assert await wait_marks(inner, f"{root}/a/b") == both
    assert await wait_marks(outer, f"{root}/a/b") == both | {root}
    assert await wait_marks(same, f"{root}/a/b") == both | {root}
    inner.close()
    same.close()
    await other.set(f"{root}/a", b"changed")
    assert await outer.wait_dirty() == {f"{root}/a"}
    for closed in (inner, same):
        with trio.move_on_after(0) as waiting:
            await closed.wait_dirty()
        assert waiting.cancelled_caught


@pytest.mark.parametrize("is_watched_before", [True, False], ids=["watched-before", "watched-while-cut"])
async def test_everything_is_marked_after_a_gap_and_the_watch_goes_on(
    registry: Registry, other: Registry, proxy: TcpProxy, root: str, *, is_watched_before: bool
) -> None:
    """An instance that was deleted and made again during the gap differs in nothing but czxid."""
    made = await other.create(f"{root}/instance", b"value")
    watch = await watch_from_now(registry, root) if is_watched_before else None
    proxy.cut()
    await wait_state(registry, SessionState.SUSPENDED)
    await other.delete(f"{root}/instance")
    await other.create(f"{root}/instance", b"value")
    if watch is None:
        watch = registry.watch(root)
    with trio.move_on_after(0.05) as waiting:
        await watch.wait_dirty()
    assert waiting.cancelled_caught, "nothing can be read now, so nothing is dirty yet"
    proxy.heal()
    assert await watch.wait_dirty() == {EVERYTHING}
    again = await registry.get(f"{root}/instance")
    assert (again.value, again.version) == (made.value, made.version)
    assert again.czxid > made.czxid
    await other.set(f"{root}/instance", b"later")
    assert await watch.wait_dirty() == {f"{root}/instance"}

"""Contract of the Registry port: every call and its errors, on a whole network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from kazoo.client import KazooClient
from kazoo.security import make_acl

from hfs_appliance.ports.errors import Conflict, Fenced, Missing, PortError, Rejected
from hfs_appliance.ports.registry import CheckOp, CreateOp, DeleteOp, Operation, Registry, SetOp
from tests.support.registries import connected, find
from tests.support.simulated import SIMULATED
from tests.support.zookeeper import Servers


async def test_create_makes_parents_and_gives_what_get_reads(registry: Registry, root: str) -> None:
    made = await registry.create(f"{root}/a/b", b"one")
    assert (made.path, made.value, made.version, made.ephemeral_owner) == (f"{root}/a/b", b"one", 0, 0)
    assert made.czxid == made.mzxid > 0
    assert await registry.get(f"{root}/a/b") == made
    parent = await registry.get(f"{root}/a")
    assert (parent.value, parent.ephemeral_owner) == (b"", 0)
    assert parent.czxid < made.czxid


async def test_an_entry_tells_when_its_children_changed(registry: Registry, root: str) -> None:
    alone = await registry.create(root)
    assert alone.pzxid == alone.czxid
    child = await registry.create(f"{root}/child")
    assert (await registry.get(root)).pzxid == child.czxid
    changed = await registry.set(f"{root}/child", b"changed")
    assert (await registry.get(root)).pzxid == child.czxid
    await registry.delete(f"{root}/child")
    assert (await registry.get(root)).pzxid > changed.mzxid


async def test_create_refuses_what_exists(registry: Registry, root: str) -> None:
    await registry.create(root, b"first")
    with pytest.raises(Conflict, match=root):
        await registry.create(root, b"second")
    assert (await registry.get(root)).value == b"first"


async def test_an_ephemeral_belongs_to_its_session_and_has_no_children(registry: Registry, root: str) -> None:
    mine = await registry.create(root, is_ephemeral=True)
    assert mine.ephemeral_owner == registry.session().session_id != 0
    with pytest.raises(Conflict):
        await registry.create(f"{root}/below")


async def test_set_replaces_the_value_and_counts(registry: Registry, root: str) -> None:
    made = await registry.create(root, b"old")
    changed = await registry.set(root, b"new", version=made.version)
    assert (changed.value, changed.version, changed.czxid) == (b"new", 1, made.czxid)
    assert changed.mzxid > made.mzxid
    assert await registry.get(root) == changed
    with pytest.raises(Conflict):
        await registry.set(root, b"late", version=made.version)
    assert (await registry.set(root, b"whatever was there")).version == 2


async def test_delete_demands_version_and_no_children(registry: Registry, root: str) -> None:
    await registry.create(f"{root}/child")
    with pytest.raises(Conflict, match="children"):
        await registry.delete(root)
    await registry.set(f"{root}/child", b"changed")
    with pytest.raises(Conflict, match="version"):
        await registry.delete(f"{root}/child", version=0)
    await registry.delete(f"{root}/child", version=1)
    await registry.delete(root)
    assert await find(registry, root) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda registry, path: registry.get(path),
        lambda registry, path: registry.children(path),
        lambda registry, path: registry.set(path, b""),
        lambda registry, path: registry.delete(path),
    ],
    ids=["get", "children", "set", "delete"],
)
async def test_what_is_not_there_is_missing(
    registry: Registry, root: str, call: Callable[[Registry, str], Awaitable[object]]
) -> None:
    with pytest.raises(Missing, match=root):
        await call(registry, root)


async def test_children_are_sorted_names(registry: Registry, root: str) -> None:
    for name in ("b", "c", "a"):
        await registry.create(f"{root}/{name}")
    await registry.create(f"{root}/a/deeper")
    assert await registry.children(root) == ("a", "b", "c")
    assert await registry.children(f"{root}/c") == ()
    assert root.split("/")[1] in await registry.children("/")


async def test_many_children_are_listed_and_read(registry: Registry, root: str) -> None:
    await registry.create(root)
    names = [f"instance-{serial:05d}-with-a-name-of-usual-length" for serial in range(5_000)]
    for start in range(0, len(names), 1_000):
        await registry.transact(
            [CreateOp(path=f"{root}/{name}", value=name.encode()) for name in names[start : start + 1_000]]
        )
    assert await registry.children(root) == tuple(names)
    wanted = [f"{root}/{name}" for name in (*names[:1_000], "absent", names[0])]
    found = await registry.get_many(wanted)
    assert set(found) == set(wanted)
    assert found[f"{root}/absent"] is None
    read = {path: znode.value.decode() for path, znode in found.items() if znode is not None}
    assert read == {f"{root}/{name}": name for name in names[:1_000]}
    assert await registry.get_many([]) == {}


async def test_transact_does_all(registry: Registry, root: str) -> None:
    await registry.create(f"{root}/changed", b"old")
    await registry.create(f"{root}/deleted")
    zxid = await registry.transact(
        [
            CheckOp(path=root, version=0),
            CreateOp(path=f"{root}/made", value=b"durable"),
            CreateOp(path=f"{root}/made/below", value=b"mine", is_ephemeral=True),
            SetOp(path=f"{root}/changed", value=b"new", version=0),
            DeleteOp(path=f"{root}/deleted", version=0),
        ]
    )
    assert (await registry.get(f"{root}/made")).czxid == zxid
    assert (await registry.get(f"{root}/made/below")).ephemeral_owner == registry.session().session_id
    changed = await registry.get(f"{root}/changed")
    assert (changed.value, changed.mzxid) == (b"new", zxid)
    assert await registry.children(root) == ("changed", "made")


@pytest.mark.parametrize(
    "refused",
    [
        CreateOp(path="/there", value=b""),
        CreateOp(path="/absent/child", value=b""),
        SetOp(path="/absent", value=b""),
        SetOp(path="/there", value=b"", version=7),
        DeleteOp(path="/absent"),
        DeleteOp(path="/there", version=7),
        DeleteOp(path="/parent"),
        CheckOp(path="/absent"),
        CheckOp(path="/there", version=7),
    ],
    ids=lambda refused: f"{type(refused).__name__}{refused.path.replace('/', '-')}-{getattr(refused, 'version', '')}",
)
async def test_transact_does_nothing_when_one_operation_fails(
    registry: Registry, root: str, refused: Operation
) -> None:
    await registry.create(f"{root}/there", b"untouched")
    await registry.create(f"{root}/parent/child")
    before = await registry.children(root)
    guilty = replace(refused, path=f"{root}{refused.path}")
    innocent = CreateOp(path=f"{root}/innocent", value=b"")
    with pytest.raises(Conflict, match=guilty.path):
        await registry.transact([innocent, guilty, DeleteOp(path=f"{root}/innocent")])
    assert await registry.children(root) == before
    assert (await registry.get(f"{root}/there")).version == 0


@pytest.mark.parametrize("path", ["", "relative", "//a", "/a//b", "/a/", "/a/./b", "/a/..", "/nul\0", "/lone\ud800"])
async def test_odd_paths_are_rejected_without_being_sent(registry: Registry, path: str) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: registry.get(path),
        lambda: registry.children(path),
        lambda: registry.get_many(["/", path]),
        lambda: registry.create(path),
        lambda: registry.set(path, b""),
        lambda: registry.delete(path),
        lambda: registry.transact([DeleteOp(path=path)]),
    ]
    for call in calls:
        with pytest.raises(Rejected):
            await call()
    with pytest.raises(Rejected):
        registry.watch(path)


async def test_a_value_that_does_not_fit_is_rejected_and_harms_nobody(registry: Registry, root: str) -> None:
    session = registry.session()
    await registry.create(f"{root}/large", b"x" * 900_000)
    assert len((await registry.get(f"{root}/large")).value) == 900_000
    with pytest.raises(Rejected):
        await registry.set(f"{root}/large", b"x" * 1_100_000)
    with pytest.raises(Rejected):
        await registry.transact([SetOp(path=f"{root}/large", value=b"x" * 400_000)] * 3)
    assert registry.session().session_id == session.session_id
    assert registry.session().since == session.since


async def test_what_the_access_list_forbids_is_rejected(registry: Registry, servers: Servers, root: str) -> None:
    if servers.hosts[0] == SIMULATED:
        pytest.skip("nobody sets access lists in the simulated world")
    kazoo = KazooClient(hosts=servers.hosts[0])
    kazoo.start()
    kazoo.create(root, b"secret", acl=[make_acl("world", "anyone", delete=True)], makepath=True)
    kazoo.stop()
    kazoo.close()
    for call in (registry.get(root), registry.set(root, b""), registry.create(f"{root}/child")):
        with pytest.raises(Rejected, match="access"):
            await call
    with pytest.raises(Rejected, match="access"):
        await registry.transact([SetOp(path=root, value=b"")])


async def test_sync_shows_what_others_finished(servers: Servers, root: str) -> None:
    """On an ensemble the two sessions are with different servers."""
    async with connected(servers.hosts[0]) as writer, connected(servers.hosts[-1]) as reader:
        await writer.create(root, b"0")
        for turn in range(1, 30):
            await writer.set(root, str(turn).encode())
            await reader.sync()
            assert (await reader.get(root)).value == str(turn).encode()


async def test_after_closing_every_call_is_fenced(servers: Servers, root: str) -> None:
    async with connected(servers.hosts[0]) as registry:
        watch = registry.watch(root)
        await watch.wait_dirty()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: registry.get("/"),
        lambda: registry.get_many(["/"]),
        lambda: registry.create(root),
        registry.sync,
        watch.wait_dirty,
        lambda: registry.watch(root).wait_dirty(),
    ]
    for call in calls:
        with pytest.raises(Fenced):
            await call()


async def test_errors_of_concurrent_calls_reach_their_own_callers(registry: Registry, root: str) -> None:
    """More callers than may be on their way at once, each gets its own answer."""
    await registry.create(f"{root}/there", b"value")
    answers: dict[int, bytes | type[PortError]] = {}

    async def ask(serial: int) -> None:
        try:
            answers[serial] = (await registry.get(f"{root}/{'there' if serial % 2 else 'absent'}")).value
        except PortError as error:
            answers[serial] = type(error)

    async with trio.open_nursery() as nursery:
        for serial in range(300):
            nursery.start_soon(ask, serial)
    assert answers == {serial: b"value" if serial % 2 else Missing for serial in range(300)}

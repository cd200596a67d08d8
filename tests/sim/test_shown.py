"""What clients of the simulated registry are shown is made once, and anew with every change."""

from __future__ import annotations

from sim.shown import Shown
from sim.wire.zookeeper.core import Caller, Core
from sim.wire.zookeeper.requests import Create, Delete, SetValue
from sim.wire.zookeeper.values import OPEN

US = Caller(watcher=0, session_id=0)


def do(core: Core, request: Create | Delete | SetValue) -> None:
    core.write(request, US, zxid=core.zxid + 1, time_ms=0)


def made(path: str, value: bytes = b"") -> Create:
    return Create(path=path, value=value, access=OPEN)


def test_an_entry_is_the_same_one_until_it_changes() -> None:
    core, shown = Core(b"test"), Shown()
    assert shown.entry(core.tree, "/a") is None
    do(core, made("/a", b"1"))
    first = shown.entry(core.tree, "/a")
    assert first is not None
    assert (first.value, first.version) == (b"1", 0)
    assert shown.entry(core.tree, "/a") is first
    do(core, SetValue(path="/a", value=b"2"))
    second = shown.entry(core.tree, "/a")
    assert second is not None
    assert (second.value, second.version) == (b"2", 1)
    do(core, made("/a/b"))
    third = shown.entry(core.tree, "/a")
    assert third is not None
    assert third.pzxid > second.pzxid
    do(core, Delete(path="/a/b"))
    do(core, Delete(path="/a"))
    assert shown.entry(core.tree, "/a") is None
    do(core, made("/a", b"1"))
    again = shown.entry(core.tree, "/a")
    assert again is not None
    assert again.czxid > first.czxid


def test_names_are_sorted_and_follow_what_comes_and_goes() -> None:
    core, shown = Core(b"test"), Shown()
    assert shown.names(core.tree, "/a") is None
    for path in ("/a", "/a/y", "/a/x"):
        do(core, made(path))
    assert shown.names(core.tree, "/a") == ("x", "y")
    assert shown.names(core.tree, "/a") is shown.names(core.tree, "/a")
    do(core, Delete(path="/a/y"))
    assert shown.names(core.tree, "/a") == ("x",)


def test_a_server_that_lags_behind_shows_what_it_knows() -> None:
    core, shown = Core(b"test"), Shown()
    do(core, made("/a", b"1"))
    behind = core.tree.copy()
    do(core, SetValue(path="/a", value=b"2"))
    do(core, made("/a/b"))
    for _ in range(2):
        late, now = shown.entry(behind, "/a"), shown.entry(core.tree, "/a")
        assert late is not None
        assert now is not None
        assert (late.value, now.value) == (b"1", b"2")
        assert (shown.names(behind, "/a"), shown.names(core.tree, "/a")) == ((), ("b",))


def test_what_is_gone_is_not_kept_for_ever() -> None:
    core, shown = Core(b"test"), Shown()
    for number in range(3000):
        do(core, made(f"/{number}"))
        assert shown.entry(core.tree, f"/{number}") is not None
        do(core, Delete(path=f"/{number}"))
    assert len(shown._entries) < 2000  # its size is what this is about

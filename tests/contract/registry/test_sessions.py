"""Contract of the Registry port: what becomes of a session when network and servers fail."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio

from hfs_appliance.model.instants import after, seconds, to_seconds
from hfs_appliance.ports.errors import Ambiguous, Fenced, PortError, Transient
from hfs_appliance.ports.registry import EVERYTHING, Registry, SessionState
from tests.support.registries import (
    CLOCK,
    LONG,
    SHORT,
    connect,
    connected,
    find,
    wait_gone,
    wait_marks,
    wait_session,
    wait_state,
    watch_from_now,
)
from tests.support.tcp_proxy import TcpProxy
from tests.support.zookeeper import Servers, prepare_embedded, prepare_standalone


async def test_an_unreachable_server_leaves_the_session_connecting(proxy: TcpProxy, root: str) -> None:
    proxy.cut()
    async with connect([proxy.address], session_timeout=LONG) as registry:
        session = registry.session()
        assert (session.state, session.session_id) == (SessionState.CONNECTING, 0)
        assert session.lease_until <= CLOCK.now()
        for call in (registry.get("/"), registry.create(root), registry.sync(), registry.get_many(["/"])):
            with pytest.raises(Transient):
                await call
        watch = registry.watch(root)
        proxy.heal()
        session = await registry.wait_session_change(session)
        assert session.state is SessionState.CONNECTED
        assert session.session_id != 0
        assert await watch.wait_dirty() == {EVERYTHING}


async def test_closing_never_waits_for_a_server_that_is_away(proxy: TcpProxy) -> None:
    proxy.cut()
    with trio.fail_after(3):
        async with connect([proxy.address], session_timeout=LONG):
            pass
    proxy.heal()
    async with connected(proxy.address) as registry:
        proxy.black_hole()
        with trio.fail_after(3):
            await registry.aclose()
        assert registry.session().state is SessionState.CLOSED
        with pytest.raises(Fenced):
            await registry.get("/")


async def test_ephemerals_vanish_at_once_when_the_session_is_closed(
    servers: Servers, other: Registry, root: str
) -> None:
    async with connected(servers.hosts[0], session_timeout=LONG) as registry:
        await registry.create(root, is_ephemeral=True)
    await other.sync()
    assert await find(other, root) is None


async def test_a_short_cut_keeps_session_and_ephemerals(
    registry: Registry, other: Registry, proxy: TcpProxy, root: str
) -> None:
    mine = await registry.create(root, is_ephemeral=True)
    before = registry.session()
    proxy.cut()
    suspended = await registry.wait_session_change(before)
    assert (suspended.state, suspended.session_id) == (SessionState.SUSPENDED, before.session_id)
    for call in (registry.get(root), registry.set(root, b""), registry.get_many([root])):
        with pytest.raises(Transient):
            await call
    proxy.heal()
    after_cut = await wait_state(registry, SessionState.CONNECTED)
    assert after_cut.session_id == before.session_id
    assert await registry.get(root) == await other.get(root) == mine


async def test_a_long_cut_ends_the_session_and_a_new_one_follows(proxy: TcpProxy, other: Registry, root: str) -> None:
    async with connected(proxy.address, session_timeout=SHORT) as registry:
        before = registry.session()
        watch = registry.watch(root)
        await registry.create(root, b"mine", is_ephemeral=True)
        await wait_marks(watch, root)
        proxy.cut()
        await wait_gone(other, root)
        assert registry.session().state is SessionState.SUSPENDED, "cut off, one cannot know that it is lost"
        assert registry.session().lease_until < CLOCK.now()
        proxy.heal()
        renewed = await wait_session(registry, lambda session: session.session_id != before.session_id)
        assert renewed.state is SessionState.CONNECTED
        assert await watch.wait_dirty() >= {EVERYTHING}
        assert await find(registry, root) is None
        again = await registry.create(root, b"mine", is_ephemeral=True)
        assert again.ephemeral_owner == renewed.session_id
        await wait_marks(watch, root)


async def test_the_lease_ends_before_anybody_sees_the_session_gone(proxy: TcpProxy, other: Registry, root: str) -> None:
    async with connected(proxy.address, session_timeout=SHORT) as registry:
        await registry.create(root, is_ephemeral=True)
        proxy.black_hole()
        await wait_gone(other, root)
        assert registry.session().lease_until < CLOCK.now()


async def test_the_lease_is_renewed_by_heartbeats_and_by_calls(registry: Registry) -> None:
    first = registry.session().lease_until
    assert CLOCK.now() < first <= after(CLOCK.now(), seconds(to_seconds(LONG) * 2 / 3))
    await registry.get("/")
    assert registry.session().lease_until > first
    later = after(CLOCK.now(), LONG)
    while registry.session().lease_until < later:  # nobody calls now
        assert registry.session().lease_until > CLOCK.now(), "the lease ran out although the server answers"
        await trio.sleep(0.05)


async def test_a_write_whose_answer_is_lost_is_ambiguous_and_a_read_is_not(
    registry: Registry, other: Registry, proxy: TcpProxy, root: str
) -> None:
    failures: dict[str, PortError] = {}

    async def ask(what: str) -> None:
        with pytest.raises(PortError) as failed:
            await (registry.create(root, b"arrived") if what == "create" else registry.get("/"))
        failures[what] = failed.value

    watch = await watch_from_now(other, root)
    async with trio.open_nursery() as nursery:
        proxy.hold_answers()
        nursery.start_soon(ask, "create")
        nursery.start_soon(ask, "get")
        await wait_marks(watch, root)
        proxy.cut()
    assert isinstance(failures["create"], Ambiguous)
    assert isinstance(failures["get"], Transient)
    assert (await other.get(root)).value == b"arrived"


async def test_a_cancelled_call_is_abandoned(registry: Registry, proxy: TcpProxy, root: str) -> None:
    proxy.hold_answers()
    for _ in range(100):  # more than may be on their way at once: abandoned calls must give their places back
        with trio.move_on_after(0.001) as given_up:
            await registry.get("/")
        assert given_up.cancelled_caught
    proxy.heal()
    assert (await registry.create(root)).path == root


async def test_a_dead_connection_is_noticed_though_calls_keep_coming(registry: Registry, proxy: TcpProxy) -> None:
    """kazoo takes every request that it sends for a heartbeat."""
    proxy.black_hole()
    with trio.fail_after(2 * to_seconds(LONG)):
        while registry.session().state is SessionState.CONNECTED:
            with trio.move_on_after(0.02), contextlib.suppress(Transient):
                await registry.get("/")
    assert registry.session().state is SessionState.SUSPENDED


async def test_a_slow_network_breaks_nothing(registry: Registry, proxy: TcpProxy, root: str) -> None:
    before = registry.session()
    proxy.slow(0.1)
    await registry.create(root, b"slowly")
    assert (await registry.get(root)).value == b"slowly"
    assert registry.session().since == before.since


@contextlib.asynccontextmanager
async def one_server_down(servers: Servers) -> AsyncIterator[None]:
    """Have the server of `proxy` killed, and started again after the block."""
    servers.members[0].kill()
    try:
        yield
    finally:
        await servers.members[0].start()


async def test_a_killed_server_comes_back_with_sessions_and_data(
    servers: Servers, registry: Registry, root: str
) -> None:
    mine = await registry.create(f"{root}/mine", b"ephemeral", is_ephemeral=True)
    kept = await registry.create(f"{root}/kept", b"durable")
    watch = registry.watch(root)
    await watch.wait_dirty()
    before = registry.session()
    async with one_server_down(servers):
        await wait_state(registry, SessionState.SUSPENDED)
    back = await wait_state(registry, SessionState.CONNECTED)
    assert await watch.wait_dirty() == {EVERYTHING}
    assert back.session_id == before.session_id
    assert await registry.get_many([mine.path, kept.path]) == {mine.path: mine, kept.path: kept}
    changed = await registry.set(kept.path, b"later")
    assert changed.mzxid > mine.czxid
    assert await watch.wait_dirty() == {kept.path}


@pytest.mark.parametrize(
    "servers",
    [
        pytest.param(prepare_embedded, id="embedded"),
        pytest.param(prepare_standalone, id="zookeeper", marks=pytest.mark.zookeeper),
    ],
    indirect=True,  # an ensemble goes on without its frozen member: test_ensemble.py
)
async def test_a_frozen_server_suspends_and_lasts(servers: Servers, registry: Registry, root: str) -> None:
    await registry.create(root, is_ephemeral=True)
    before = registry.session()
    frozen = servers.members[0]
    frozen.freeze()
    try:
        await wait_state(registry, SessionState.SUSPENDED)
    finally:
        frozen.thaw()
    back = await wait_state(registry, SessionState.CONNECTED)
    assert back.session_id == before.session_id
    assert (await registry.get(root)).ephemeral_owner == back.session_id

"""The election and its fence over every registry: one leads, its writes pass, and nobody else's ever do."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.ports.errors import Conflict, Fenced
from hfs_appliance.ports.registry import CheckOp, Registry, SessionState, SetOp
from hfs_appliance.registry.paths import Layout
from tests.support.offices import Office
from tests.support.registries import CLOCK, LONG, SHORT, connected
from tests.support.tcp_proxy import TcpProxy
from tests.support.zookeeper import Servers


@pytest.fixture
def layout(root: str) -> Layout:
    """Give an environment that no other test uses."""
    return Layout(EnvironmentName(root.rpartition("/")[2]))


async def test_one_of_two_leads_and_its_writes_pass(registry: Registry, other: Registry, layout: Layout) -> None:
    one, two = (Office(name, port, LONG, CLOCK, layout) for name, port in (("one", registry), ("two", other)))
    async with one.standing():
        await one.active()
        async with two.standing():
            await two.follows("one")
            entries = one.leadership.entries
            await entries.create(f"{layout.root}/fact", b"1")
            await entries.set(f"{layout.root}/fact", b"2", version=0)
            assert (await other.get(f"{layout.root}/fact")).value == b"2"
            with pytest.raises(Conflict) as refused:
                await entries.set(f"{layout.root}/fact", b"3", version=0)
            assert refused.value.path == f"{layout.root}/fact", "its own mistake, not the fence's word"
            with pytest.raises(Conflict):
                await entries.delete(f"{layout.root}/nothing")
            with pytest.raises(Fenced):
                await two.leadership.entries.set(f"{layout.root}/fact", b"4")
            await entries.delete(f"{layout.root}/fact")
            assert one.is_acting
            assert not two.is_acting


async def test_a_transaction_says_what_failed(registry: Registry, root: str) -> None:
    await registry.create(f"{root}/here")
    with pytest.raises(Conflict) as refused:
        await registry.transact((CheckOp(path=f"{root}/here"), SetOp(path=f"{root}/there", value=b"")))
    assert refused.value.path == f"{root}/there"


async def test_what_moves_the_epoch_on_ends_the_term(registry: Registry, other: Registry, layout: Layout) -> None:
    one = Office("one", registry, LONG, CLOCK, layout)
    async with one.standing():
        await one.active()
        term = one.leadership.acting
        assert term is not None
        await other.set(layout.epoch, b"somebody's")
        with pytest.raises(Fenced):
            await write_without_end(one, layout)
        await one.active()
        assert one.leadership.acting is not None
        assert one.leadership.acting.epoch == term.epoch + 2


async def write_without_end(office: Office, layout: Layout) -> None:
    while True:
        await office.leadership.entries.transact((CheckOp(path=layout.root),))


async def test_a_leader_that_is_cut_off_stops_before_another_one_begins(
    servers: Servers, proxy: TcpProxy, layout: Layout
) -> None:
    async with AsyncExitStack() as stack:
        cut, whole = [
            await stack.enter_async_context(connected(host, session_timeout=SHORT))
            for host in (proxy.address, servers.members[0].address)
        ]
        one, two = (Office(name, port, SHORT, CLOCK, layout) for name, port in (("one", cut), ("two", whole)))
        await stack.enter_async_context(one.standing())
        await one.active()
        await stack.enter_async_context(two.standing())
        await two.follows("one")
        proxy.black_hole()
        stopped_at, began_at = [], []

        async def note() -> None:
            await one.until(lambda leadership: leadership.acting is None)
            stopped_at.append(CLOCK.now())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(note)
            await two.active()
            began_at.append(CLOCK.now())
        assert stopped_at < began_at
        with pytest.raises(Fenced):
            one.leadership.demand_lease()
        two.leadership.demand_lease()
        proxy.heal()
        await one.follows("two")
        assert cut.session().state is SessionState.CONNECTED


async def test_an_appliance_that_ends_in_order_is_followed_at_once(
    servers: Servers, other: Registry, layout: Layout
) -> None:
    two = Office("two", other, LONG, CLOCK, layout)
    async with connected(servers.members[0].address) as leaving:
        one = Office("one", leaving, LONG, CLOCK, layout)
        async with one.standing():
            await one.active()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(two.leadership.run)
                await two.follows("one")
                await one.leadership.hand_over(LONG, is_for_good=True)
                await two.active()
                assert not one.is_acting
                nursery.cancel_scope.cancel()

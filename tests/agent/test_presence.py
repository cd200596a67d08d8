"""One entry kept as it is wanted, over a real registry: what stood there before, who owned it, who meddles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from hfs_appliance.adapters.presence import Presence
from hfs_appliance.agent.log import Log
from hfs_appliance.ports.registry import Registry, Znode
from tests.agent.conftest import PATIENCE_SECONDS
from tests.support.registries import CLOCK, connected, find
from tests.support.zookeeper import Servers


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """Give a path that no other test uses."""
    return f"/presence/{request.node.name}"


@asynccontextmanager
async def kept(registry: Registry, path: str) -> AsyncIterator[Presence]:
    """Keep an entry for as long as the block lasts."""
    presence = Presence(registry, path, Log(CLOCK).say)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(presence.keep)
        with trio.fail_after(PATIENCE_SECONDS):
            yield presence
        nursery.cancel_scope.cancel()


async def wait_for(registry: Registry, path: str, is_it: Callable[[Znode | None], bool]) -> Znode | None:
    while True:
        found = await find(registry, path)
        if is_it(found):
            return found
        await trio.sleep(0.002)


def holds(value: bytes) -> Callable[[Znode | None], bool]:
    return lambda found: found is not None and found.value == value


async def test_an_entry_follows_what_is_wanted(registry: Registry, path: str) -> None:
    async with kept(registry, path) as presence:
        for value in (b"one", b"two"):
            presence.want(value)
            found = await wait_for(registry, path, holds(value))
            assert found is not None
            assert found.ephemeral_owner == registry.session().session_id
        presence.want(None)
        await wait_for(registry, path, lambda found: found is None)


async def test_an_entry_of_an_earlier_session_is_replaced_without_a_gap(
    registry: Registry, servers: Servers, path: str
) -> None:
    async with connected(*servers.hosts) as earlier:
        await earlier.create(path, b"same", is_ephemeral=True)
        async with kept(registry, path) as presence:
            presence.want(b"same")
            while True:
                found = await find(earlier, path)
                assert found is not None, "there was a gap"
                if found.ephemeral_owner == registry.session().session_id:
                    break
        await earlier.aclose()
        assert await find(registry, path) is not None


async def test_nothing_is_touched_before_anything_is_wanted(registry: Registry, servers: Servers, path: str) -> None:
    async with connected(*servers.hosts) as earlier:
        made = await earlier.create(path, b"left over", is_ephemeral=True)
        async with kept(registry, path) as presence:
            watch = registry.watch(path)
            await watch.wait_dirty()
            await earlier.set(path, b"still left over")
            await watch.wait_dirty()
            watch.close()
            found = await find(registry, path)
            assert found is not None
            assert (found.czxid, found.value) == (made.czxid, b"still left over")
            await presence.withdraw()
            assert await find(registry, path) is None


async def test_meddling_is_undone(registry: Registry, servers: Servers, path: str) -> None:
    async with connected(*servers.hosts) as meddler, kept(registry, path) as presence:
        presence.want(b"mine")
        await wait_for(registry, path, holds(b"mine"))
        await meddler.set(path, b"spoilt")
        await wait_for(registry, path, holds(b"mine"))
        await meddler.delete(path)
        await wait_for(registry, path, holds(b"mine"))


async def test_an_entry_can_be_withdrawn_when_nobody_keeps_it_any_more(registry: Registry, path: str) -> None:
    async with kept(registry, path) as presence:
        presence.want(b"mine")
        await wait_for(registry, path, holds(b"mine"))
    await presence.withdraw()
    assert await find(registry, path) is None

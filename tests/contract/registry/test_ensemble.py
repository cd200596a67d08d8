"""Contract of the Registry port over a real ensemble: no single failure loses a session or an ephemeral entry."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from hfs_appliance.ports.registry import EVERYTHING
from tests.support.registries import connected, find, wait_marks, wait_reconnected
from tests.support.tcp_proxy import tcp_proxy
from tests.support.zookeeper import Servers, prepare_ensemble

pytestmark = [
    pytest.mark.zookeeper,
    pytest.mark.parametrize("servers", [pytest.param(prepare_ensemble, id="ensemble")], indirect=True),
]


async def test_the_leaders_death_costs_no_session_and_no_ephemeral(servers: Servers, root: str) -> None:
    async with AsyncExitStack() as stack:
        registries = [await stack.enter_async_context(connected(*servers.hosts)) for _ in range(4)]
        watches = [registry.watch(root) for registry in registries]
        for serial, (registry, watch) in enumerate(zip(registries, watches, strict=True)):
            await registry.create(f"{root}/{serial}", is_ephemeral=True)
            await wait_marks(watch, EVERYTHING, f"{root}/{serial}")
        sessions = [registry.session() for registry in registries]
        leader = await servers.leader()
        leader.kill()
        try:
            for registry, before in zip(registries, sessions, strict=True):
                await wait_reconnected(registry, before)  # every client sees it: the ensemble stops to elect
            for registry, watch in zip(registries, watches, strict=True):
                await wait_marks(watch, EVERYTHING)
                await registry.sync()
                assert await registry.children(root) == ("0", "1", "2", "3")
            assert [registry.session().session_id for registry in registries] == [s.session_id for s in sessions]
            await registries[0].create(f"{root}/again")
        finally:
            await leader.start()


@pytest.mark.parametrize("failure", ["black-hole", "cut"])
async def test_a_client_moves_to_another_server_with_its_session(servers: Servers, root: str, failure: str) -> None:
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(tcp_proxy(host)) for host in servers.hosts]
        registry = await stack.enter_async_context(connected(*(proxy.address for proxy in proxies)))
        mine = await registry.create(root, is_ephemeral=True)
        before = registry.session()
        (used,) = (proxy for proxy in proxies if proxy.is_used)
        if failure == "cut":
            used.cut()
        else:
            used.black_hole()
        moved = await wait_reconnected(registry, before)
        assert moved.session_id == mine.ephemeral_owner
        await registry.sync()
        assert await find(registry, root) == mine

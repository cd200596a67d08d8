"""The session where no server of the contract suite can bring it: broken servers, sessions that change underfoot."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.zookeeper.session import ZooKeeperRegistry
from hfs_appliance.model.instants import to_seconds
from hfs_appliance.ports.errors import Transient
from hfs_appliance.ports.registry import SessionState
from tests.support.registries import CLOCK, LONG, connected, find, wait_session, wait_state
from tests.support.zookeeper import embedded


async def babble(stream: trio.SocketStream, *, sessions: list[int]) -> None:
    """Accept a session and then answer what was never asked; from the second connection on, keep silent."""
    sessions.append(len(sessions) + 1)
    await stream.receive_some()
    accepted = struct.pack("!iiq", 0, round(to_seconds(LONG) * 1000), sessions[-1]) + struct.pack("!i", 16) + b"p" * 16
    await stream.send_all(struct.pack("!i", len(accepted)) + accepted)
    if len(sessions) == 1:
        await stream.send_all(struct.pack("!iiqi", 16, 77, 1, 0))
    async for _ in stream:
        pass


@asynccontextmanager
async def babbling_server() -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, partial(babble, sessions=[]), [listener])
        host, port = listener.socket.getsockname()
        yield f"{host}:{port}"
        nursery.cancel_scope.cancel()


async def test_a_client_that_kazoo_gave_up_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that fits no request kills kazoo's connection thread for good."""
    with trio.fail_after(20):
        async with babbling_server() as address, connected(address) as registry:
            again = await wait_session(registry, lambda session: session.session_id == 2)
            assert again.state is SessionState.CONNECTED
    assert [record.message for record in caplog.records] == ["Unhandled exception in connection loop"]


async def test_a_call_meant_for_one_session_is_not_sent_in_another(tmp_path: Path) -> None:
    """kazoo makes a new session by itself, and would create our ephemeral entry in it."""
    async with embedded(tmp_path) as servers, connected(*servers.hosts) as registry:
        assert isinstance(registry, ZooKeeperRegistry)
        session_id, registry._session_id = registry._session_id, 77
        with pytest.raises(Transient):
            await registry.create("/mine", is_ephemeral=True)
        registry._session_id = session_id
        assert await find(registry, "/mine") is None


async def test_a_loop_that_ends_without_closing_leaves_no_error_behind(tmp_path: Path) -> None:
    async with embedded(tmp_path) as servers:

        def run_and_drop() -> ZooKeeperRegistry:
            async def drop() -> ZooKeeperRegistry:
                registry = ZooKeeperRegistry(servers.hosts, LONG, CLOCK)
                await wait_state(registry, SessionState.CONNECTED)
                return registry

            return trio.run(drop)

        dropped = await trio.to_thread.run_sync(run_and_drop)
        await trio.to_thread.run_sync(dropped._client.dispose)  # its threads tell a loop that is no more

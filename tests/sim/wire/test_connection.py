"""One connection: what is posted waits for the disk, and is bounded when the client does not read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing
from kazoo.protocol.serialization import Create, GetData
from kazoo.security import OPEN_ACL_UNSAFE

from sim.wire.zookeeper.connection import Connection
from tests.sim.wire.wire_client import WireClient, ask

PATIENCE_SECONDS = 20


class Disk:
    """A journal whose progress the test decides."""

    def __init__(self) -> None:
        self.zxid = 0
        self.progress = trio.Event()

    async def wait_durable(self, zxid: int) -> None:
        while self.zxid < zxid:
            await self.progress.wait()

    def sync(self, zxid: int) -> None:
        self.zxid = zxid
        self.progress.set()
        self.progress = trio.Event()


@asynccontextmanager
async def connected(disk: Disk) -> AsyncIterator[tuple[Connection, trio.SocketStream]]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with (
        listener,
        await trio.open_tcp_stream(*listener.socket.getsockname()) as client,
        await listener.accept() as accepted,
    ):
        yield Connection(accepted, 1, disk.wait_durable), client


async def test_nothing_leaves_before_it_is_on_disk() -> None:
    disk = Disk()
    with trio.fail_after(PATIENCE_SECONDS):
        async with connected(disk) as (connection, client), trio.open_nursery() as nursery:
            nursery.start_soon(connection.deliver)
            connection.post(b"event", 7)
            connection.post(b"answer", 8)
            disk.sync(7)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert connection.sent == 2
            with trio.move_on_after(0.05) as silence:
                await client.receive_some(1)
            assert silence.cancelled_caught
            disk.sync(8)
            received = b""
            while len(received) < 11:
                received += await client.receive_some()
            assert received == b"eventanswer"
            connection.finish()


async def test_whoever_lets_notifications_pile_up_is_cut_off() -> None:
    async with connected(Disk()) as (connection, _):
        for _ in range(16):
            connection.post(bytes(1024 * 1024), 0)
        assert not connection.life.cancel_called
        connection.post(b"!", 0)
        assert connection.life.cancel_called


def most_queued(address: str) -> int:
    """Give the bytes that wait for the client with the most of them."""
    return max(int(line.split("queued=")[1].split(",")[0]) for line in ask(address, b"cons") if "queued=" in line)


def test_whoever_does_not_read_is_not_read_from(embedded: str) -> None:
    with WireClient(embedded) as client:
        client.call(Create("/wide", bytes(900_000), OPEN_ACL_UNSAFE, 0))
        waiting = [client.post(GetData("/wide", None)) for _ in range(200)]
        until = time.monotonic() + PATIENCE_SECONDS
        while (queued := most_queued(embedded)) < 1_000_000:
            assert time.monotonic() < until
        assert queued < 5_000_000
        for xid in waiting:
            assert client.take(xid, GetData("/wide", None)).error == 0

"""The listener: bad connections end alone, nothing leaks, shutdown is bounded (hypercorn issues 106, 177, 225, 329)."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, NoReturn

import httpx
import pytest
import trio
import trio.testing

from hfs_appliance.model.events import CloudUnreachable
from hfs_appliance.ports.errors import Rejected
from hfs_appliance.web import api, listener, stream
from tests.support.control import FakeControl
from tests.support.served import Served

FOLLOW = b"GET /api/v1/events?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "IDLE_S", 0.3)


async def connect(served: Served) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", served.port)


def reset(stream: trio.SocketStream) -> None:
    """Close with RST instead of FIN."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until `condition`, looking whenever everything else has come to rest."""
    with trio.fail_after(30):
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.01)


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def tasks_at_rest() -> int:
    await trio.testing.wait_all_tasks_blocked(0.05)
    return tasks()


async def is_well(served: Served) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        response = await client.get(f"http://127.0.0.1:{served.port}/healthz", headers={"connection": "close"})
    return response.status_code == 200


@pytest.fixture
async def calm(served: Served) -> AsyncGenerator[Served, None]:
    """Check that a test leaves the server alive and without a task more than before."""
    assert await is_well(served)
    before = await tasks_at_rest()
    yield served
    assert await is_well(served)
    await wait_for(lambda: tasks() <= before)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /api/v1/sta",
        b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/v1/plan HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\x00" * 70_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
        UPGRADE,
        UPGRADE + b"x",
        UPGRADE + b"\xff\xff\xff",
        FOLLOW,
        b"GET /%ff%00\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xc5\xbe HTTP/1.1\r\nHost: \xc5\xbe\r\n\r\n",
    ],
)
@pytest.mark.parametrize("ending", ["reset", "fin", "half"])
async def test_bad_connections_end_alone(calm: Served, data: bytes, ending: str) -> None:
    connection = await connect(calm)
    try:
        with trio.fail_after(30):
            await connection.send_all(data)
            if ending == "half":
                await connection.send_eof()
                while await connection.receive_some():
                    pass
    except trio.BrokenResourceError:
        pass  # the server was right to end it first
    if ending == "reset":
        reset(connection)
    else:
        await connection.aclose()


@asynccontextmanager
async def following(served: Served) -> AsyncGenerator[trio.SocketStream, None]:
    connection = await connect(served)
    async with connection:
        await connection.send_all(FOLLOW)
        yield connection


async def lines(connection: trio.SocketStream) -> AsyncGenerator[bytes, None]:
    """Give the lines that come, heads of HTTP and of chunks included, until the other side ends."""
    kept = b""
    async for data in connection:
        *whole, kept = (kept + data).split(b"\n")
        for line in whole:
            yield line


async def hear(coming: AsyncGenerator[bytes, None]) -> dict[str, Any]:
    """Wait for the next event."""
    with trio.fail_after(30):
        async for line in coming:
            if line.startswith(b"{"):
                event: dict[str, Any] = json.loads(line)
                return event
    raise AssertionError("the stream ended")


async def test_a_follower_hears_events_until_it_leaves(calm: Served) -> None:
    async with following(calm) as connection, aclosing(lines(connection)) as coming:
        for number in range(3):
            calm.control.tell(CloudUnreachable(words=f"try {number}"))
            assert (await hear(coming))["seq"] == number + 1


@pytest.mark.parametrize("ending", ["reset", "fin"])
async def test_a_vanished_follower_is_noticed_without_an_event(calm: Served, ending: str) -> None:
    idle = await tasks_at_rest()
    async with following(calm) as connection:
        await connection.receive_some()
        await wait_for(lambda: tasks() > idle)
        if ending == "reset":
            reset(connection)


async def test_a_heartbeat_finds_a_vanished_follower_that_sent_more(
    calm: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second request behind the first stops hypercorn from reading on: only sending shows that nobody is there."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.1)
    async with following(calm) as connection:
        await connection.send_all(FOLLOW)
        await connection.receive_some()


async def test_heartbeats_are_empty_lines(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    async with following(served) as connection, aclosing(lines(connection)) as coming:
        with trio.fail_after(30):
            # a heartbeat is a chunk of one byte, and that byte is a line end: "1\r\n" "\n" "\r\n"
            while await anext(coming) != b"1\r":
                pass
            assert await anext(coming) == b""


async def test_a_follower_that_stops_reading_is_cut_off(calm: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SEND_WITHIN_S", 0.2)
    idle = await tasks_at_rest()
    async with following(calm) as connection:
        await connection.receive_some()
        for number in range(9_000):
            calm.control.tell(CloudUnreachable(words=f"{number}" + "x" * 2_000))
        await wait_for(lambda: tasks() > idle)
        await wait_for(lambda: tasks() <= idle)


async def test_connections_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    idle = await tasks_at_rest()
    async with following(served) as first, following(served) as second:
        await first.receive_some()
        await second.receive_some()
        refused = await connect(served)
        async with refused:
            with trio.fail_after(30):
                assert await refused.receive_some() == b""
    await wait_for(lambda: tasks() <= idle)
    assert await is_well(served)


async def test_idle_connections_end(served: Served) -> None:
    connection = await connect(served)
    async with connection:
        with trio.fail_after(30):
            assert await connection.receive_some() == b""


class Stuck(FakeControl):
    """Never answers a plan."""

    async def plan(self, source: str | None, file: str) -> NoReturn:
        self.asked.append((source, file))
        await trio.sleep_forever()


@pytest.mark.parametrize("ending", ["shutdown", "cancelled"])
async def test_shutdown_is_bounded(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever clients do: idle, following, waiting for an answer that never comes, not reading."""
    monkeypatch.setattr(listener, "GRACE_S", 0.2)
    control, shutdown = Stuck(), trio.Event()
    for number in range(9_000):
        control.tell(CloudUnreachable(words=f"{number}" + "x" * 2_000))
    serve = partial(api.serve, api.build(control, bytes), "127.0.0.1", 0, shutdown=shutdown)
    async with trio.open_nursery() as clients:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                port = await nursery.start(serve)
                idle, unread, waiting = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
                await unread.send_all(FOLLOW)
                body = b'{"source": "", "file": ""}'
                head = b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                await waiting.send_all(head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                await wait_for(lambda: bool(control.asked))
                if ending == "shutdown":
                    shutdown.set()
                else:
                    nursery.cancel_scope.cancel()
        for connection in (idle, unread, waiting):
            clients.start_soon(connection.aclose)
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream("127.0.0.1", port)


async def test_shutdown_ends_event_streams_in_order(served: Served) -> None:
    served.control.tell(CloudUnreachable(words="last"))
    async with following(served) as connection, aclosing(lines(connection)) as coming:
        assert (await hear(coming))["seq"] == 1
        served.shutdown.set()
        with trio.fail_after(30):
            rest = [line async for line in coming]
        assert rest[-2:] == [b"0\r", b"\r"]  # the last chunk of HTTP: the end was meant


async def test_a_port_in_use_is_named(served: Served) -> None:
    app = api.build(served.control, bytes)
    with pytest.raises(Rejected, match=rf"cannot listen on 127\.0\.0\.1:{served.port}: another program listens there"):
        await api.serve(app, "127.0.0.1", served.port, shutdown=trio.Event())
    with pytest.raises(Rejected, match=r"cannot listen on 192\.0\.2\.1:0: this machine has no such address"):
        await api.serve(app, "192.0.2.1", 0, shutdown=trio.Event())

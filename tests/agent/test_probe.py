"""What a probe says about answers of every kind, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from hfs_appliance.agent.probe import Answer, probe
from hfs_appliance.model.desired import Health
from hfs_appliance.model.instants import seconds

HEALTH = Health(path="/health", interval=seconds(0.05), timeout=seconds(0.2))


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """Serve one fixed answer to everybody; None keeps everybody waiting."""

    async def serve(stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        assert request.startswith(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1:")
        if answer is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def answers(port: int, count: int) -> list[Answer]:
    """Collect the first answers of a probe."""
    found: list[Answer] = []
    with trio.fail_after(20), trio.CancelScope() as scope:

        def tell(answer: Answer) -> None:
            found.append(answer)
            if len(found) == count:
                scope.cancel()

        await probe("127.0.0.1", port, HEALTH, tell)
    return found


@pytest.mark.parametrize(
    ("answer", "is_healthy", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True, "status 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", True, "status 204"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nendless", True, "status 200"),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n", False, "status 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "status 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", False, "no HTTP answer: illegal status line"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", False, "no HTTP answer: Receive buffer too long"),
        (b"", False, "the connection was closed without an answer"),
        (None, False, "no answer within 0.2 s"),
    ],
)
async def test_an_answer_is_judged(answer: bytes | None, is_healthy: bool, words: str) -> None:  # noqa: FBT001
    async with answering(answer) as port:
        (found,) = await answers(port, 1)
    assert found.is_healthy is is_healthy
    assert found.words.startswith(words)


async def test_nobody_there_is_not_healthy_and_asked_again() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        found = await answers(taken.getsockname()[1], 3)
    assert [answer.is_healthy for answer in found] == [False] * 3
    assert "failed" in found[0].words


async def test_probing_goes_on_after_a_good_answer() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        assert [answer.is_healthy for answer in await answers(port, 3)] == [True] * 3

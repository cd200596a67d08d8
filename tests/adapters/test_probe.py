"""What a probe says about answers of every kind, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from hfs_appliance.adapters.probe import HttpProber
from hfs_appliance.agent.probe import probe
from hfs_appliance.model.desired import Health
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.probes import Answer, Pulse, Target

WITHIN = seconds(0.2)
HEALTH = Health(path="/health", interval=seconds(0.05), timeout=WITHIN)
ALIVE, SICK, DARK = Pulse.ALIVE, Pulse.SICK, Pulse.DARK


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


async def ask(port: int) -> Answer:
    return await HttpProber().probe(Target(address="127.0.0.1", port=port, path="/health"), within=WITHIN)


@pytest.mark.parametrize(
    ("answer", "pulse", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ALIVE, "status 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", ALIVE, "status 204"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nendless", ALIVE, "status 200"),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n", SICK, "status 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", SICK, "status 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", SICK, "no HTTP answer: illegal status line"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", SICK, "no HTTP answer: Receive buffer too long"),
        (b"", SICK, "the connection was closed without an answer"),
        (None, SICK, "no answer within 0.2 s"),
    ],
)
async def test_an_answer_is_judged(answer: bytes | None, pulse: Pulse, words: str) -> None:
    async with answering(answer) as port:
        found = await ask(port)
    assert found.pulse is pulse
    assert found.is_healthy is (pulse is ALIVE)
    assert found.words.startswith(words)


async def test_nobody_there_is_dark() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        found = await ask(taken.getsockname()[1])
    assert found.pulse is DARK
    assert "failed" in found.words


async def test_a_full_queue_of_connections_is_dark_in_time() -> None:
    with trio.socket.socket() as deaf:
        await deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port):
            with trio.fail_after(30):
                found = await ask(port)
    assert found == Answer(pulse=DARK, words="no connection within 0.2 s")


async def answers(port: int, count: int) -> list[Answer]:
    """Collect the first answers that an agent gets."""
    found: list[Answer] = []
    with trio.fail_after(20), trio.CancelScope() as scope:

        def tell(answer: Answer) -> None:
            found.append(answer)
            if len(found) == count:
                scope.cancel()

        await probe("127.0.0.1", port, HEALTH, tell)
    return found


async def test_an_agent_asks_again_when_nobody_is_there() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        found = await answers(taken.getsockname()[1], 3)
    assert [answer.pulse for answer in found] == [DARK] * 3


async def test_an_agent_goes_on_after_a_good_answer() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        assert [answer.is_healthy for answer in await answers(port, 3)] == [True] * 3

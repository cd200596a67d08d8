"""The load generator, against servers that misbehave in one way each."""

from __future__ import annotations

import math
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from socket import socket
from subprocess import PIPE

import pytest
import trio

from bench.load import FailureKind, LoadReport, NotLoopbackError, steady

ROOT = Path(__file__).parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BROKEN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"

Service = Callable[[trio.SocketStream], Awaitable[None]]
few = partial(steady, rate=100, duration_s=0.1, connections=2)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    """Serve each connection with `service` on a free port; give the URL."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, service, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


def answering(*answers: bytes) -> Service:
    """Give these answers to the requests of a connection, the last one again and again; nothing at all: hang up."""

    async def serve(stream: trio.SocketStream) -> None:
        number = 0
        with suppress(trio.BrokenResourceError):  # the client gave up
            while await stream.receive_some(4096) and answers:
                await stream.send_all(answers[min(number, len(answers) - 1)])
                number += 1

    return serve


def only_kind(report: LoadReport) -> FailureKind:
    (kind,) = report.failed
    assert report.failed == {kind: report.sent}
    assert report.ok == 0
    return kind


async def test_all_is_well() -> None:
    async with serving(answering(OK)) as url:
        report = await few([url])
    assert (report.sent, report.ok, report.failed, report.failures) == (10, 10, {}, ())
    assert 0 < report.latency_ms_p50 <= report.latency_ms_p99 <= report.latency_ms_max


async def test_urls_take_turns() -> None:
    async with serving(answering(OK)) as good, serving(answering(BROKEN)) as bad:
        report = await few([good, bad])
    assert {url: (one.ok, one.failed) for url, one in report.by_url.items()} == {good: (5, 0), bad: (0, 5)}
    assert {failure.url for failure in report.failures} == {bad}


async def test_failures_carry_the_instants_at_which_they_were_due() -> None:
    async with serving(answering(OK, OK, BROKEN, OK)) as url:
        report = await few([url], connections=1)
    assert [(failure.at_s, failure.words) for failure in report.failures] == [(0.02, "503")]


async def test_nobody_listens() -> None:
    with socket() as taken:  # bound, never listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        report = await few([f"http://127.0.0.1:{taken.getsockname()[1]}/"])
    assert only_kind(report) is FailureKind.REFUSED


@pytest.mark.parametrize("answers", [(), (CUT[:10],), (CUT,)], ids=["at once", "in the head", "in the body"])
async def test_the_connection_ends_early(answers: tuple[bytes, ...]) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        for part in answers:
            await stream.send_all(part)

    async with serving(serve) as url:
        assert only_kind(await few([url])) is FailureKind.RESET


async def test_no_answer_comes() -> None:
    async def serve(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(serve) as url:
        assert only_kind(await few([url], timeout_s=0.05)) is FailureKind.TIMEOUT


async def test_the_answer_is_no_http() -> None:
    async with serving(answering(b"220 mail.example ESMTP\r\n\r\n")) as url:
        assert only_kind(await few([url])) is FailureKind.MALFORMED


async def test_an_idle_connection_that_the_server_ended_is_no_failure() -> None:
    async def serve_one(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(OK)  # without `Connection: close`

    async with serving(serve_one) as url:
        report = await few([url], connections=1)
    assert (report.ok, report.failed) == (10, {})


@pytest.mark.parametrize(("is_keepalive", "expected"), [(True, 1), (False, 10)])
async def test_connections_are_kept_or_not(is_keepalive: bool, expected: int) -> None:  # noqa: FBT001  # from pytest
    connections = []

    async def serve(stream: trio.SocketStream) -> None:
        connections.append(stream)
        await answering(OK)(stream)

    async with serving(serve) as url:
        await few([url], connections=1, is_keepalive=is_keepalive)
    assert len(connections) == expected


async def test_a_stall_is_charged_to_all_who_would_have_waited() -> None:
    """Measured from its sending, only the first of 20 requests would have been slow."""
    free_at = trio.current_time() + 0.2

    async def serve(stream: trio.SocketStream) -> None:
        await trio.sleep_until(free_at)
        await answering(OK)(stream)

    async with serving(serve) as url:
        report = await few([url], duration_s=0.2, connections=1)
    assert report.latency_ms_p50 > 50
    assert report.late_ms_max > 50


async def test_it_ends_when_told() -> None:
    stop = trio.Event()

    async with serving(answering(OK)) as url, trio.open_nursery() as nursery:
        trio.lowlevel.current_trio_token().run_sync_soon(stop.set)
        with trio.fail_after(30):
            report = await steady([url], rate=50, stop=stop, connections=2)
        nursery.cancel_scope.cancel()
    assert math.isfinite(report.elapsed_s)


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://example.org/", "https://127.0.0.1/", "http:///", "x"])
async def test_load_goes_to_this_machine_only(url: str) -> None:
    with pytest.raises(NotLoopbackError, match="load goes to"):
        await few([url])


async def test_the_command_tells_what_happened_when_it_is_interrupted() -> None:
    answered = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await answering(BROKEN)(stream)
        answered.set()

    async with serving(serve) as url, trio.open_nursery() as nursery:
        load = await trio.lowlevel.open_process(
            [sys.executable, "-m", "bench.load", "--close", url], stdout=PIPE, cwd=ROOT
        )
        nursery.start_soon(load.wait)
        assert load.stdout is not None
        with trio.fail_after(30):
            await answered.wait()
            load.send_signal(signal.SIGINT)
            output = b"".join([part async for part in load.stdout]).decode()
    assert re.match(r"\d+ requests in .* 0 ok", output)
    assert "503" in output

"""HttpSpecSource against a real server on loopback that misbehaves in every way we could think of."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio

from hfs_appliance.adapters.http import HttpSpecSource
from hfs_appliance.ports.errors import Missing, PortError, Rejected, Transient
from hfs_appliance.ports.web import SpecSource

DOCUMENT: Final = b'{"openapi": "3.1.0"}'

Answer = Callable[[trio.SocketStream], Awaitable[None]]


def head(status: str, **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def sends(*parts: bytes) -> Answer:
    async def answer(stream: trio.SocketStream) -> None:
        for part in parts:
            await stream.send_all(part)

    return answer


class Server:
    """One real listener; remembers the requests it got and waits until its clients are gone."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some()
            self.requests.append(request)
            await self._answer(stream)
        except trio.BrokenResourceError:
            pass  # the client went away in the middle: often what the test is about
        finally:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/openapi.json"
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, server.serve, listeners)
            yield server
            nursery.cancel_scope.cancel()


async def error_of(answer: Answer, source: SpecSource | None = None) -> PortError:
    """Fetch from a server that answers so; give the error that comes of it, which must name the URL."""
    async with serving(answer) as server:
        with pytest.raises(PortError) as caught:
            await (source or HttpSpecSource()).fetch(server.url)
        assert server.url in caught.value.words
        return caught.value


async def test_a_document_comes_as_it_was_sent() -> None:
    async with serving(sends(head("200 OK", Content_Length=len(DOCUMENT)), DOCUMENT)) as server:
        source: SpecSource = HttpSpecSource()
        assert await source.fetch(server.url) == DOCUMENT
        assert await source.fetch(server.url) == DOCUMENT
    assert len(server.requests) == 2
    assert b"Accept-Encoding: identity\r\n" in server.requests[0]


async def test_a_chunked_document_and_one_that_ends_with_its_connection_are_read() -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(DOCUMENT), DOCUMENT)
    async with serving(sends(head("200 OK", Transfer_Encoding="chunked"), chunked)) as server:
        assert await HttpSpecSource().fetch(server.url) == DOCUMENT
    async with serving(sends(head("200 OK", Connection="close"), DOCUMENT)) as server:
        assert await HttpSpecSource().fetch(server.url) == DOCUMENT


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", Missing),
        ("410 Gone", Missing),
        ("500 Internal Server Error", Transient),
        ("503 Service Unavailable", Transient),
        ("429 Too Many Requests", Transient),
        ("401 Unauthorized", Rejected),
        ("204 No Content", Rejected),
    ],
)
async def test_a_status_says_what_to_do(status: str, kind: type[PortError]) -> None:
    error = await error_of(sends(head(status, Connection="close")))
    assert type(error) is kind
    assert status[:3] in error.words


async def test_a_redirect_is_not_followed() -> None:
    async with serving(sends(head("200 OK", Content_Length=0))) as elsewhere:
        error = await error_of(sends(head("302 Found", Location=elsewhere.url, Content_Length=0)))
    assert type(error) is Rejected
    assert "redirects" in error.words
    assert elsewhere.requests == []


async def test_a_server_that_says_nothing_is_left_after_the_time_limit() -> None:
    async def hang(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    error = await error_of(hang, HttpSpecSource(timeout_seconds=0.2))
    assert type(error) is Transient
    assert "0.2 s" in error.words


async def test_a_server_that_sends_byte_by_byte_is_left_after_the_time_limit() -> None:
    async def drip(stream: trio.SocketStream) -> None:
        await stream.send_all(head("200 OK", Content_Length=1_000_000))
        while True:
            await stream.send_all(b" ")
            await trio.sleep(0.01)

    started = trio.current_time()
    error = await error_of(drip, HttpSpecSource(timeout_seconds=0.3))
    assert type(error) is Transient
    assert trio.current_time() - started < 60  # at this speed the body takes hours


async def test_headers_without_end_are_given_up() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n")
        while True:
            await stream.send_all(b"X-More: and more\r\n" * 100)

    assert type(await error_of(babble)) is Transient


async def test_a_truncated_document_is_no_document() -> None:
    error = await error_of(sends(head("200 OK", Content_Length=100), DOCUMENT))
    assert type(error) is Transient


@pytest.mark.parametrize(
    "answer", [b"", b"\x00\x01\x02 not HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_not_http_is_an_error(answer: bytes) -> None:
    assert type(await error_of(sends(answer))) is Transient


async def test_fifty_megabytes_are_refused_by_their_announcement() -> None:
    error = await error_of(sends(head("200 OK", Content_Length=50_000_000)))
    assert type(error) is Rejected


async def test_fifty_megabytes_that_were_not_announced_are_cut_off_at_the_limit() -> None:
    sent = 0

    async def flood(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(head("200 OK", Connection="close"))
        for _ in range(50):
            await stream.send_all(bytes(1_000_000))
            sent += 1_000_000

    error = await error_of(flood, HttpSpecSource(largest=1_000_000))
    assert type(error) is Rejected
    assert "1000000 bytes" in error.words
    assert sent < 20_000_000  # what the sockets' buffers hold on top


async def test_a_document_of_exactly_the_limit_is_read() -> None:
    content = bytes(1000)
    async with serving(sends(head("200 OK", Content_Length=1000), content)) as server:
        assert await HttpSpecSource(largest=1000).fetch(server.url) == content


async def test_a_gzip_bomb_is_refused_unopened() -> None:
    bomb = gzip.compress(bytes(20_000_000))
    error = await error_of(sends(head("200 OK", Content_Encoding="gzip", Content_Length=len(bomb)), bomb))
    assert type(error) is Rejected
    assert "gzip" in error.words


async def test_nobody_listens() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with pytest.raises(Transient, match=r"127\.0\.0\.1"):
            await HttpSpecSource().fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/x")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/swagger.json",
        "http://localhost/swagger.json",
        "http://127.1/swagger.json",
        "http://2130706433/swagger.json",
        "https://127.0.0.1/swagger.json",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/x",
        "http://0.0.0.0/x",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "not a URL",
        "",
        "http://127.0.0.1/a\r\nX-Evil: 1",
    ],
)
async def test_only_plain_http_to_an_ip_address_is_fetched(url: str) -> None:
    with pytest.raises(Rejected):
        await HttpSpecSource().fetch(url)


async def test_a_cancelled_fetch_leaves_at_once() -> None:
    async def hang(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(hang) as server:
        with trio.move_on_after(0.1) as scope:
            await HttpSpecSource().fetch(server.url)
        assert scope.cancelled_caught

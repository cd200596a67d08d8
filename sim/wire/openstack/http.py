"""HTTP/1.1 on trio, as a server: whole requests in, answers out, and the ways in which an answer may fail to arrive."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import h11
import trio

BODY_MAX: Final = 1 << 20
_READ: Final = 1 << 16


class Ending(Enum):
    """How an answer leaves."""

    WHOLE = auto()
    CUT = auto()
    """Half of it, and the connection closes."""
    RESET = auto()
    """Nothing of it: the connection is reset."""
    SILENCE = auto()
    """Nothing, and the connection stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    host: str = ""
    """What the client calls this server: `address:port`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer: `body` as JSON, or `raw` as it is."""

    status: int = HTTPStatus.OK
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    ending: Ending = Ending.WHOLE

    @property
    def content(self) -> tuple[str, bytes]:
        """Give the type and the bytes of the body."""
        if self.raw is not None:
            return "text/html", self.raw
        return "application/json", b"" if self.body is None else json.dumps(self.body).encode()


Handle: TypeAlias = Callable[[Request], Awaitable[Response]]


async def serve(
    handle: Handle, address: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled; starts with the port it listens on. Errors: OSError."""
    listeners = await trio.open_tcp_listeners(port, host=address)
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(partial(_converse, handle), listeners)


async def _converse(handle: Handle, stream: trio.SocketStream) -> None:
    """Serve one connection to its end; a client that breaks it or the protocol ends its own connection only."""
    talk = h11.Connection(h11.SERVER, max_incomplete_event_size=_READ)
    try:
        async with stream:
            while True:
                request = await _next(talk, stream)
                if request is None or not await _answer(talk, stream, await handle(request)):
                    return
                if talk.our_state is not h11.DONE or talk.their_state is not h11.DONE:
                    return
                talk.start_next_cycle()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        return


async def _next(talk: h11.Connection, stream: trio.SocketStream) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await stream.receive_some(_READ))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_MAX:
                return None
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None, "h11 gives the head first"
            return _request(head, bytes(body))
        else:  # the client has closed
            return None


def _request(head: h11.Request, body: bytes) -> Request:
    target = urlsplit(head.target.decode())
    headers = {name.decode().lower(): value.decode() for name, value in head.headers}
    return Request(
        method=head.method.decode(),
        path=target.path,
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers=headers,
        body=body,
        host=headers.get("host", ""),
    )


async def _answer(talk: h11.Connection, stream: trio.SocketStream, response: Response) -> bool:
    """Send an answer; tell whether the conversation goes on."""
    if response.ending is Ending.SILENCE:
        await trio.sleep_forever()
    if response.ending is Ending.RESET:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    kind, content = response.content
    # No date: some of the ways in which OpenStack is served add none.
    headers = {
        "content-type": kind,
        "content-length": str(len(content)),
        **response.headers,
    }
    sent = talk.send(h11.Response(status_code=response.status, headers=list(headers.items())))
    sent += talk.send(h11.Data(data=content))
    if response.ending is Ending.CUT:
        await stream.send_all(sent[: len(sent) - len(content) + len(content) // 2])
        return False
    await stream.send_all(sent + talk.send(h11.EndOfMessage()))
    return True

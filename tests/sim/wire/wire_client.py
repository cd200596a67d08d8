"""A client for tests that speaks ZooKeeper's protocol with kazoo's codec, one request at a time.

kazoo itself hides what these tests look at: the order of events and replies, zxids, requests that it does not know.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from kazoo.protocol.connection import AUTH_XID, PING_XID, WATCH_XID
from kazoo.protocol.serialization import (
    Connect,
    ReplyHeader,
    Watch,
    int_int_struct,
    int_struct,
    long_struct,
    reply_header_struct,
    write_buffer,
    write_string,
)

_DEADLINE_SECONDS = 20


class Raw(NamedTuple):
    """A request that kazoo 2.11 does not know; its answer is read as bytes."""

    type: int
    body: bytes

    def serialize(self) -> bytes:
        return self.body

    def deserialize(self, content: bytes, offset: int) -> bytes:
        return content[offset:]


class WatchRequest(NamedTuple):
    """A request of a path and a number, without an answer but success: kazoo 2.11 knows none of them."""

    type: int
    path: str
    number: int

    def serialize(self) -> bytes:
        return _string(self.path) + _int(self.number)


def add_watch(path: str, mode: int) -> WatchRequest:
    """Watch for ever; mode 1 all below, too."""
    return WatchRequest(106, path, mode)


def check_watches(path: str, kind: int) -> WatchRequest:
    """Ask for a watch: kind 1 of children, 2 of the value, 3 any."""
    return WatchRequest(17, path, kind)


def remove_watches(path: str, kind: int) -> WatchRequest:
    """Forget watches; kinds as above."""
    return WatchRequest(18, path, kind)


def set_watches(zxid: int, *lists: tuple[str, ...]) -> Raw:
    """Set watches again: paths watched for value, exists, children and (with all five) persistently and recursively."""
    packed = (_int(len(paths)) + b"".join(map(_string, paths)) for paths in lists)
    return Raw(105 if len(lists) == 5 else 101, long_struct.pack(zxid) + b"".join(packed))


def _string(text: str) -> bytes:
    return bytes(write_string(text))


def _int(number: int) -> bytes:
    return bytes(int_struct.pack(number))


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the error code, the result as kazoo reads it (None after an error), and the zxid."""

    error: int
    result: Any
    zxid: int


def ask(address: str, word: bytes) -> list[str]:
    """Give the lines of the answer to a four-letter word."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=_DEADLINE_SECONDS) as asking:
        asking.sendall(word)
        with asking.makefile() as answer:
            return answer.read().splitlines()


class WireClient:
    """A session. `events` collects (type, path) in the order of the wire."""

    def __init__(
        self, address: str, *, timeout_ms: int = 4000, session_id: int = 0, password: bytes = bytes(16), zxid: int = 0
    ) -> None:
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=_DEADLINE_SECONDS)
        self._xid = 0
        self.events: list[tuple[int, str]] = []
        self.last_zxid = 0
        try:
            self.send(bytes(Connect(0, zxid, timeout_ms, session_id, password, read_only=False).serialize()))
            connected, _ = Connect.deserialize(self.receive(), 0)
        except BaseException:
            self._socket.close()
            raise
        self.session_id = connected.session_id
        self.timeout_ms = connected.time_out
        self.password = connected.passwd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, request: Any) -> Reply:
        """Ask, and wait for the answer."""
        xid = self.post(request)
        return self.take(xid, request)

    def post(self, request: Any) -> int:
        """Ask, and do not wait."""
        self._xid += 1
        xid = {11: PING_XID, 100: AUTH_XID}.get(request.type, self._xid)
        self.send(int_int_struct.pack(xid, request.type) + bytes(request.serialize()))
        return int(xid)

    def take(self, xid: int, request: Any) -> Reply:
        """Wait for the answer to a request, noting the events before it."""
        while True:
            content = self.receive()
            header, offset = ReplyHeader.deserialize(content, 0)
            if header.xid == WATCH_XID:
                event, _ = Watch.deserialize(content, offset)
                self.events.append((event.type, event.path))
                continue
            assert header.xid == xid, f"answer {header.xid} to question {xid}"
            if header.zxid > 0:
                self.last_zxid = header.zxid
            is_read = header.err == 0 and hasattr(request, "deserialize")
            return Reply(header.err, request.deserialize(content, offset) if is_read else None, header.zxid)

    def wait_event(self) -> tuple[int, str]:
        """Wait for an event that comes by itself."""
        event, _ = Watch.deserialize(self.receive(), reply_header_struct.size)
        return event.type, event.path

    def hears_nothing(self, seconds: float) -> bool:
        """Wait that long; False when the server says something or closes."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(_DEADLINE_SECONDS)
        return False

    def send(self, body: bytes) -> None:
        """Send one frame."""
        self._socket.sendall(bytes(write_buffer(body)))

    def receive(self) -> bytes:
        """Receive one frame. Errors: EOFError."""
        (length,) = int_struct.unpack(self._receive_exactly(4))
        return self._receive_exactly(length)

    def is_closed(self) -> bool:
        """Wait until the server closes; False when it says something instead."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _receive_exactly(self, length: int) -> bytes:
        content = b""
        while len(content) < length:
            chunk = self._socket.recv(length - len(content))
            if not chunk:
                raise EOFError
            content += chunk
        return content

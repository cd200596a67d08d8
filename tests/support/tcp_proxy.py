"""A TCP proxy between a client and a server that can break their network: cut it, hold its bytes back, slow it down,
break off in the middle of a message, let bytes through one by one.

Bytes that are held back are delivered later, in order, as TCP would after a partition; a cut drops them with their
connections.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from enum import Enum, auto

import trio


class Network(Enum):
    """State of the network between the two."""

    WHOLE = auto()
    CUT = auto()
    """Connections are closed, new ones too."""
    BLACK_HOLE = auto()
    """Connections are accepted and stay open; nothing passes."""
    ANSWERS_HELD = auto()
    """Requests reach the server, answers do not come back."""


class TcpProxy:
    """Stands at `address` for one server."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._network = Network.WHOLE
        self._changed = trio.Event()
        self._connections: set[trio.CancelScope] = set()
        self._delay_seconds = 0.0
        self._bytes_left: int | None = None
        self._dribbles = False
        self.address = ""

    @property
    def is_used(self) -> bool:
        """Whether somebody is connected through it."""
        return bool(self._connections)

    def cut(self) -> None:
        """Close all connections, with what is on its way, and let no new one live."""
        self._become(Network.CUT)
        for connection in self._connections:
            connection.cancel()

    def black_hole(self) -> None:
        """Let nothing pass any more; connections stay."""
        self._become(Network.BLACK_HOLE)

    def hold_answers(self) -> None:
        """Let requests pass and hold back what the server says."""
        self._become(Network.ANSWERS_HELD)

    def heal(self) -> None:
        """Let everything pass, first what was held back."""
        self._become(Network.WHOLE)

    def slow(self, seconds: float) -> None:
        """Delay what passes from now on, in both directions."""
        self._delay_seconds = seconds

    def break_after(self, count: int) -> None:
        """Reset the connections once so many more bytes have passed, in the middle of whatever they belong to."""
        self._bytes_left = count

    def dribble(self, *, is_on: bool) -> None:
        """Let bytes through one at a time, each as a segment of its own."""
        self._dribbles = is_on

    def _become(self, network: Network) -> None:
        self._network = network
        self._changed.set()
        self._changed = trio.Event()

    async def serve(self, *, task_status: trio.TaskStatus[TcpProxy]) -> None:
        """Serve until cancelled."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        host, port = listener.socket.getsockname()
        self.address = f"{host}:{port}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._connect, [listener])
            task_status.started(self)

    async def _connect(self, client: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._connections.add(scope)
            try:
                if self._network is not Network.CUT:
                    await self._join(client, scope)
            finally:
                self._connections.remove(scope)

    async def _join(self, client: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            server = await trio.open_tcp_stream(*self._upstream, happy_eyeballs_delay=math.inf)
        except OSError:
            return
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, client, server, scope, {Network.WHOLE, Network.ANSWERS_HELD})
            nursery.start_soon(self._pump, server, client, scope, {Network.WHOLE})

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope, passing: set[Network]
    ) -> None:
        try:
            async for chunk in source:
                await self._wait_passing(passing)
                await trio.sleep(self._delay_seconds)
                for piece in self._pieces(chunk):
                    await sink.send_all(piece)
                if self._bytes_left is not None and self._bytes_left <= 0:
                    self._bytes_left = None
                    _reset(source, sink)
                    break
        except trio.BrokenResourceError:
            pass
        await self._wait_passing(passing)  # the end of a stream, too, is news that must get through
        scope.cancel()

    def _pieces(self, chunk: bytes | bytearray) -> Iterator[bytes | bytearray]:
        """Give what may pass of a chunk, in the pieces in which it passes."""
        if self._bytes_left is not None:
            chunk = chunk[: self._bytes_left]
            self._bytes_left -= len(chunk)
        if self._dribbles:
            yield from (chunk[at : at + 1] for at in range(len(chunk)))
        elif chunk:
            yield chunk

    async def _wait_passing(self, passing: set[Network]) -> None:
        while self._network not in passing:
            await self._changed.wait()


def _reset(*streams: trio.SocketStream) -> None:
    """Have connections end with RST instead of FIN when they are closed."""
    for stream in streams:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def tcp_proxy(upstream: str) -> AsyncIterator[TcpProxy]:
    """Stand before the server at `upstream` (`host:port`) for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        proxy: TcpProxy = await nursery.start(TcpProxy(upstream).serve)
        yield proxy
        nursery.cancel_scope.cancel()

"""One client's socket: whole frames in; bytes out in order, and never before what they tell is on disk.

What is posted is bounded from both sides: a client that does not read its answers is not read from, and one that lets
notifications pile up is cut off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from sim.wire.zookeeper.jute import INT, Malformed
from sim.wire.zookeeper.protocol import LARGEST_FRAME
from sim.wire.zookeeper.values import Identity

_CHUNK: Final = 16 * 1024
"""Bytes read at once: some hundred requests, which are answered before anybody else has a turn."""
_ROOM: Final = 1024 * 1024
_TOO_MUCH: Final = 16 * 1024 * 1024


class Connection:
    """A client's connection; `wait_durable` waits until a zxid is on disk."""

    def __init__(self, stream: trio.SocketStream, number: int, wait_durable: Callable[[int], Awaitable[None]]) -> None:
        host, port = stream.socket.getpeername()[:2]
        self.number = number
        self.address = f"{host}:{port}"
        self.session_id = 0
        self.identities: tuple[Identity, ...] = (Identity("ip", host),)
        self.received = self.sent = 0
        self.life = trio.CancelScope()
        self._stream = stream
        self._wait_durable = wait_durable
        self._input = bytearray()
        self._output = bytearray()
        self._sending = 0
        self._zxid = 0
        self._is_finished = False
        self._posted = trio.Event()
        self._room = trio.Event()

    @property
    def queued(self) -> int:
        """Bytes that wait to be taken by the client."""
        return len(self._output) + self._sending

    def post(self, message: bytes, zxid: int) -> None:
        """Queue bytes that tell the state as of `zxid`. Never waits."""
        self._output += message
        self._zxid = zxid
        self.sent += 1
        self._posted.set()
        if len(self._output) > _TOO_MUCH:
            self.life.cancel(reason="client does not read")

    def finish(self) -> None:
        """Let `deliver` end once everything posted is sent."""
        self._is_finished = True
        self._posted.set()

    async def deliver(self) -> None:
        """Send what is posted until finished."""
        while True:
            await self._posted.wait()
            if not self._output:
                return
            output, self._output = self._output, bytearray()
            self._sending = len(output)
            self._room.set()
            await self._wait_durable(self._zxid)
            await self._stream.send_all(output)
            self._sending = 0
            if not self._output and not self._is_finished:
                self._posted = trio.Event()

    async def wait_room(self) -> None:
        """Wait until the client has taken enough of its answers for more to be queued."""
        while len(self._output) > _ROOM:
            self._room = trio.Event()
            await self._room.wait()

    async def receive_word(self) -> bytes:
        """Look at the first four bytes: a command in letters, or the length of the first frame; fewer at the end."""
        while len(self._input) < INT.size and await self._fill():
            pass
        return bytes(self._input[: INT.size])

    async def receive_frames(self) -> list[bytes]:
        """Take all frames that are there, waiting for at least one; none at the end. Errors: Malformed."""
        while True:
            frames = self._take_frames()
            if frames or not await self._fill():
                self.received += len(frames)
                return frames

    def _take_frames(self) -> list[bytes]:
        frames = []
        start, end = 0, len(self._input)
        while end - start >= INT.size:
            (length,) = INT.unpack_from(self._input, start)
            if not 0 <= length <= LARGEST_FRAME:
                raise Malformed(f"frame of {length} bytes")
            if end - start - INT.size < length:
                break
            start += INT.size
            frames.append(bytes(self._input[start : start + length]))
            start += length
        del self._input[:start]
        return frames

    async def _fill(self) -> bool:
        chunk = await self._stream.receive_some(_CHUNK)
        self._input += chunk
        return bool(chunk)

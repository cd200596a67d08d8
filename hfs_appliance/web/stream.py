"""The event stream: NDJSON that goes on until the client leaves or the appliance ends."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio
from pydantic_core import to_json
from starlette.responses import Response

from hfs_appliance.web.control import Control

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEARTBEAT_S: Final = 15.0
"""Silence after which an empty line is sent: both sides notice a dead connection, proxies keep a quiet one open."""
_CHUNK_BYTES: Final = 64 << 10


class EventStream(Response):
    """Events after `after`, one JSON object a line; empty lines are heartbeats."""

    media_type = "application/x-ndjson"

    def __init__(self, control: Control, after: int, *, is_following: bool, shutdown: trio.Event) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._control = control
        self._after = after
        self._is_following = is_following
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then events until one of the four ends: no more events, client, appliance, error."""
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        out = _Out(send)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_disconnected, receive, nursery.cancel_scope)
            nursery.start_soon(self._wait_shutdown, nursery.cancel_scope)
            nursery.start_soon(out.keep_sending)
            async with aclosing(self._control.events(self._after, is_following=self._is_following)) as events:
                async for event in events:
                    await out.put(to_json(event) + b"\n")
            await out.flush()
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait_shutdown(self, stream: trio.CancelScope) -> None:
        await self._shutdown.wait()
        stream.cancel()


class _Out:
    """Gathers what comes in one go into one chunk: a chunk for each event would cost ten times as much."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._gathered = bytearray()
        self._is_there = trio.Event()
        self._sending = trio.Lock()

    async def put(self, line: bytes) -> None:
        """Take a line; waits only when much is gathered that the client does not take."""
        self._gathered += line
        self._is_there.set()
        if len(self._gathered) >= _CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Send what is gathered."""
        async with self._sending:
            chunk, self._gathered, self._is_there = self._gathered, bytearray(), trio.Event()
            if chunk:
                await self._send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})

    async def keep_sending(self) -> None:
        """Send what gathers as soon as there is something, and a heartbeat when there is nothing for long."""
        while True:
            with trio.move_on_after(HEARTBEAT_S) as quiet:
                await self._is_there.wait()
            if quiet.cancelled_caught:
                self._gathered += b"\n"
            await self.flush()


async def _wait_disconnected(receive: Receive, stream: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()

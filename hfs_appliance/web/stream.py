"""The event stream: NDJSON that goes on until the client leaves or the appliance ends."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio
from pydantic_core import to_json
from starlette.responses import Response

from hfs_appliance.web.control import Control

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

HEARTBEAT_S: Final = 15.0
"""Time between empty lines: both sides notice a dead connection, proxies keep a quiet one open."""


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
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_disconnected, receive, nursery.cancel_scope)
            nursery.start_soon(self._wait_shutdown, nursery.cancel_scope)
            nursery.start_soon(_beat, send)
            async with aclosing(self._control.events(self._after, is_following=self._is_following)) as events:
                async for event in events:
                    await send(_chunk(to_json(event) + b"\n"))
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait_shutdown(self, stream: trio.CancelScope) -> None:
        await self._shutdown.wait()
        stream.cancel()


async def _wait_disconnected(receive: Receive, stream: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.cancel()


async def _beat(send: Send) -> None:
    while True:
        await trio.sleep(HEARTBEAT_S)
        await send(_chunk(b"\n"))


def _chunk(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}

"""A web service that costs next to nothing: what is measured with it is what lies before it.

Started by `hfs run` in the benchmark `crowd`, where HOST and PORT tell it; it answers every request alike, and knows
the end of a request without a body only.
"""

from __future__ import annotations

import asyncio
import os
import signal

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        assert self._transport is not None
        self._transport.write(ANSWER * len(requests))


async def main() -> None:
    """Serve until asked to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await loop.create_server(Conversation, os.environ["HOST"], int(os.environ["PORT"]))
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())

"""Strain over HTTP: asks the agent of a server, each time over a new connection. h11 as in probe.py."""

from __future__ import annotations

import json
from typing import Final

import h11
import trio

from hfs_appliance.model.instants import Duration, to_seconds
from hfs_appliance.model.strain import AGENT_PORT, STRAIN_PATH, Strain

_CHUNK: Final = 4 * 1024
_LARGEST: Final = 4 * 1024
_MOST: Final = 1_000_000
"""Per mille: what is above it, nobody has measured."""


class HttpStrain:
    """Implements the port's StrainSource."""

    def __init__(self, port: int = AGENT_PORT) -> None:
        self._port = port

    async def ask(self, address: str, *, within: Duration) -> Strain | None:
        """Ask one agent."""
        with trio.move_on_after(to_seconds(within)):
            try:
                stream = await trio.open_tcp_stream(address, self._port)
                async with stream:
                    return _read(await _converse(stream, f"{address}:{self._port}"))
            except (OSError, trio.BrokenResourceError, h11.ProtocolError, ValueError):
                return None
        return None


async def _converse(stream: trio.SocketStream, host: str) -> bytes:
    """Give the body of a good answer. Errors: OSError, BrokenResourceError, ProtocolError, ValueError."""
    headers = [("host", host), ("user-agent", "hfs"), ("connection", "close")]
    http, body = h11.Connection(h11.CLIENT), b""
    await stream.send_all(http.send(h11.Request(method="GET", target=STRAIN_PATH, headers=headers)) or b"")
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some(_CHUNK))
        elif isinstance(event, h11.Response) and event.status_code != 200:
            raise ValueError(f"status {event.status_code}")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _LARGEST:
                raise ValueError("too long")
        elif isinstance(event, h11.EndOfMessage):
            return body


def _read(body: bytes) -> Strain | None:
    """Read what an agent says; None when these are no figures. Errors: ValueError."""
    found = json.loads(body)
    figures = found if isinstance(found, dict) else {}
    cpu, load = _figure(figures.get("cpu")), _figure(figures.get("load"))
    return Strain(cpu=cpu, load=load) if load is not None else None


def _figure(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        return None
    return value

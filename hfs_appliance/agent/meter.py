"""The meter: answers whoever asks how busy the instance keeps this server. Nobody asking costs nothing.

GET /strain gives `{"cpu": 420, "load": 130}`, in thousandths. What is asked first is answered without `cpu`: a share is
that of a span, and the first one begins then. Whatever goes wrong here keeps nothing from working.
"""

from __future__ import annotations

import json
from typing import Final

import h11
import trio

from hfs_appliance.adapters import usage
from hfs_appliance.adapters.marks import find_marked
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.service import INSTANCE_MARK
from hfs_appliance.agent.site import Site
from hfs_appliance.model.instants import MILLISECOND, Duration, Instant, after, between, seconds, to_seconds
from hfs_appliance.model.strain import AGENT_PORT, STRAIN_PATH, Strain
from hfs_appliance.ports.clock import Clock

SPAN: Final = seconds(5)
"""A share is that of so long, and no older than that."""
ATTENTION: Final = seconds(60)
"""So long after a question it goes on measuring."""
_ANSWERED_WITHIN: Final = seconds(2)
_CHUNK: Final = 4 * 1024


class Meter:
    """Measures one instance while somebody wants to know."""

    def __init__(self, site: Site, clock: Clock, log: Log, *, port: int = AGENT_PORT, span: Duration = SPAN) -> None:
        self._site = site
        self._clock = clock
        self._log = log
        self._port = port
        self._span = span
        self._asked = trio.Event()
        self._asked_at = Instant(0)
        self._cpu: int | None = None

    async def run(self) -> None:
        """Answer, and measure for whoever asks, until cancelled."""
        address = self._site.identity.address
        try:
            listeners = await trio.open_tcp_listeners(self._port, host=address)
        except OSError as error:
            self._log.say(f"nobody can ask how busy this server is: {address}:{self._port}: {error.strerror or error}")
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._answer, listeners)
            while True:
                await self._asked.wait()
                await self._measure()

    async def _measure(self) -> None:
        """Measure span by span until nobody has asked for a while."""
        begun, used = self._clock.now(), self._used_ms()
        while self._clock.now() < after(self._asked_at, ATTENTION):
            await trio.sleep(to_seconds(self._span))
            now, total = self._clock.now(), self._used_ms()
            span_ms = max(1, between(begun, now) // MILLISECOND)
            # Of a process that has ended nobody counts any more what it had used.
            self._cpu = max(0, total - used) * 1000 // (span_ms * usage.processors())
            begun, used = now, total
        self._cpu, self._asked = None, trio.Event()

    def _used_ms(self) -> int:
        return usage.used_ms(find_marked(INSTANCE_MARK, self._site.mark))

    async def _answer(self, stream: trio.SocketStream) -> None:
        with trio.move_on_after(to_seconds(_ANSWERED_WITHIN)):
            try:
                await self._converse(stream)
            except (OSError, trio.BrokenResourceError, h11.ProtocolError):
                return

    async def _converse(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER)
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(_CHUNK))
            elif isinstance(event, h11.Request):
                is_it = event.method == b"GET" and event.target == STRAIN_PATH.encode()
                body = self._told() if is_it else b""
                headers = [("content-length", str(len(body))), ("connection", "close")]
                head = h11.Response(status_code=200 if is_it else 404, headers=headers)
                parts = (head, h11.Data(data=body), h11.EndOfMessage())
                await stream.send_all(b"".join(http.send(part) or b"" for part in parts))
                return
            else:
                return  # closed without a question

    def _told(self) -> bytes:
        self._asked_at = self._clock.now()
        self._asked.set()
        strain = Strain(cpu=self._cpu, load=usage.load_per_mille())
        return json.dumps({"cpu": strain.cpu, "load": strain.load}).encode()

"""Health over HTTP: asks an instance as its clients do, each time over a new connection.

h11 on a plain stream, not httpx: importing that takes a third of the agent's start and 9 MB of every server. Therefore
it lies beside the http folder, whose first module imports httpx.
"""

from __future__ import annotations

from typing import Final

import h11
import trio

from hfs_appliance.model.instants import Duration, to_seconds
from hfs_appliance.model.probes import Answer, Pulse, Target

_CHUNK: Final = 16 * 1024


class HttpProber:
    """Implements the port's Prober; an answer from 200 to 299 is a healthy one."""

    async def probe(self, target: Target, *, within: Duration) -> Answer:
        """Ask once."""
        return await ask(target, within=within, who="hfs")


async def ask(target: Target, *, within: Duration, who: str) -> Answer:
    """Ask once, as the user agent `who`. Redirects are not followed, and of the answer only its head is read."""
    answer = Answer(pulse=Pulse.DARK, words=f"no connection within {to_seconds(within):g} s")
    with trio.move_on_after(to_seconds(within)):
        try:
            stream = await trio.open_tcp_stream(target.address, target.port)
        except OSError as error:
            return Answer(pulse=Pulse.DARK, words=error.strerror or str(error))
        answer = Answer(pulse=Pulse.SICK, words=f"no answer within {to_seconds(within):g} s")
        async with stream:
            answer = await _converse(stream, target, who)
    return answer


async def _converse(stream: trio.SocketStream, target: Target, who: str) -> Answer:
    headers = [("host", f"{target.address}:{target.port}"), ("user-agent", who), ("connection", "close")]
    http = h11.Connection(h11.CLIENT)
    try:
        await stream.send_all(http.send(h11.Request(method="GET", target=target.path, headers=headers)) or b"")
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                chunk = await stream.receive_some(_CHUNK)
                if not chunk:
                    return Answer(pulse=Pulse.SICK, words="the connection was closed without an answer")
                http.receive_data(chunk)
            elif isinstance(event, h11.Response):
                pulse = Pulse.ALIVE if 200 <= event.status_code < 300 else Pulse.SICK
                return Answer(pulse=pulse, words=f"status {event.status_code}")
    except (OSError, trio.BrokenResourceError, h11.ProtocolError) as error:
        return Answer(pulse=Pulse.SICK, words=f"no HTTP answer: {error}")

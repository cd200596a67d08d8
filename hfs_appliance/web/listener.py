"""The listener: accepts connections on trio and gives each one to hypercorn, fenced off from all others.

hypercorn's own `serve` puts every connection into one nursery without a fence: what one bad connection raises ends the
server (its issues 177, 225, 329); cancelling it leaves sockets half closed (106); and a client that stops reading holds
a shielded send for ever. So connections are accepted here and only their protocol is hypercorn's.
"""

from __future__ import annotations

import errno
import logging
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from hfs_appliance.ports.errors import Rejected

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_S: Final = 2.0
"""What requests under way get on shutdown."""
SEND_WITHIN_S: Final = 10.0
"""A client that takes nothing for so long is gone."""
IDLE_S: Final = 5.0
"""A connection without a whole request head for so long is closed."""
MAX_CONNECTIONS: Final = 200

_REASONS: Final = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not use that port",
}
_LOG: Final = logging.getLogger("hfs.web")


async def serve(
    app: ASGIApp,
    address: str,
    port: int,
    *,
    shutdown: trio.Event,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `shutdown`, then let requests under way end for GRACE_S; starts with the port it listens on.

    Event streams end at once on shutdown. Errors: Rejected, when the address cannot be listened on.
    """
    listeners = await _listen(address, port)
    server = _Server(app, shutdown)
    task_status.started(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
            nursery.start_soon(server.cut_off, connections.cancel_scope)
            accepting.start_soon(partial(trio.serve_listeners, server.talk, listeners, handler_nursery=connections))
            await server.wait_ending()
            accepting.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def _listen(address: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=address)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise Rejected(f"cannot listen on {address}:{port}: {reason}") from error


def _first(error: BaseException) -> str:
    """Name the first error of a group: what started it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class _Server:
    """The connections of one listener."""

    def __init__(self, app: ASGIApp, shutdown: trio.Event) -> None:
        self._app = wrap_app(app, 0, "asgi")  # type: ignore[arg-type]  # two spellings of ASGI's types
        self._shutdown = shutdown
        self._context = WorkerContext(None)
        self._state = ConnectionState({"shutdown": shutdown})
        self._streams: set[_PatientStream] = set()
        self._config = Config()
        self._config.errorlog = _LOG
        self._config.include_server_header = False
        self._config.keep_alive_timeout = IDLE_S

    async def talk(self, socket_stream: trio.SocketStream) -> None:
        """Carry one connection to its end; whatever it does, it ends alone."""
        stream = _PatientStream(socket_stream)
        if len(self._streams) >= MAX_CONNECTIONS:
            stream.close()
            return
        self._streams.add(stream)
        try:
            await TCPServer(self._app, self._config, self._context, self._state, stream)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the fence
            _LOG.warning("a connection of the admin API ended in an error: %s", _first(error))
        finally:
            self._streams.discard(stream)
            stream.close()

    async def wait_ending(self) -> None:
        """Wait for the shutdown, and let idle connections end."""
        await self._shutdown.wait()
        await self._context.terminated.set()

    async def cut_off(self, connections: trio.CancelScope) -> None:
        """End what still runs GRACE_S after the shutdown, or when cancelled; closing ends even a shielded send."""
        try:
            await self._shutdown.wait()
            await trio.sleep(GRACE_S)
        finally:
            for stream in self._streams:
                stream.close()
            connections.cancel()


class _PatientStream(trio.abc.HalfCloseableStream):
    """A socket's stream whose sends end, and that can be closed from outside at any time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with trio.move_on_after(SEND_WITHIN_S) as sending:
            await self._stream.send_all(data)
        if sending.cancelled_caught:
            self.close()
            raise trio.BrokenResourceError(f"the client took nothing for {SEND_WITHIN_S:.0f} s")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def close(self) -> None:
        """Close at once. The shutdown wakes the other side even when the descriptor is held elsewhere."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

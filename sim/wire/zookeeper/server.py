"""The registry's server: sockets, time and disk around the pure core.

A request is carried out in memory as soon as it is read; its answer, and everything told afterwards, leaves only when
the journal has it on disk. So a client never hears of what a crash could undo, and many requests share one fsync.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import trio

from sim.wire.zookeeper import access, protocol, words
from sim.wire.zookeeper.connection import Connection
from sim.wire.zookeeper.core import Caller, Core, Outcome
from sim.wire.zookeeper.journal import Journal
from sim.wire.zookeeper.jute import Malformed
from sim.wire.zookeeper.requests import (
    AddWatch,
    Authenticate,
    Check,
    CloseSession,
    Connect,
    Create,
    Delete,
    Multi,
    Ping,
    Read,
    RemoveWatches,
    Request,
    SetAccess,
    SetValue,
    SetWatches,
    Watching,
    Write,
)
from sim.wire.zookeeper.results import Failure, Result
from sim.wire.zookeeper.storage import Storage
from sim.wire.zookeeper.values import Event, Refused

_SESSION_BITS: Final = 1 << 56
"""A session is named by the transaction that opened it; these tell the two kinds of number apart."""
_FAREWELL_SECONDS: Final = 2.0


async def serve(
    address: str,
    port: int,
    data: Path,
    *,
    tick_ms: int = 500,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the registry kept in `data` until cancelled; `task_status` gets the bound port.

    Errors: OSError when the port cannot be bound; storage.Locked; storage.Damaged.
    """
    with Storage.open(data) as storage:
        core = storage.recover(now_ms=_now_ms())
        journal = Journal(storage, core)
        (listener,) = await trio.open_tcp_listeners(port, host=address)
        bound = listener.socket.getsockname()[1]
        server = Server(core, journal, words.Settings(address=address, port=bound, data=data, tick_ms=tick_ms))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run)
            nursery.start_soon(server.expire)
            nursery.start_soon(trio.serve_listeners, server.converse, [listener])
            task_status.started(bound)


def _now_ms() -> int:
    return int(trio.current_time() * 1000)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Server:
    """All connections to one core."""

    def __init__(self, core: Core, journal: Journal, settings: words.Settings) -> None:
        self._core = core
        self._journal = journal
        self._settings = settings
        self._connections: dict[int, Connection] = {}
        self._by_session: dict[int, Connection] = {}
        self._last_number = 0

    async def expire(self) -> None:
        """End sessions whose time is over, for ever."""
        while True:
            now_ms = _now_ms()
            for session_id in self._core.sessions.expired(now_ms):
                self._end_session(session_id)
            # No session can come up sooner than the shortest timeout that is granted.
            soonest_ms = now_ms + self._settings.shortest_session_ms
            deadline_ms = self._core.sessions.next_deadline_ms()
            wake_ms = soonest_ms if deadline_ms is None else min(deadline_ms, soonest_ms)
            await trio.sleep_until(wake_ms / 1000)
            if _now_ms() - wake_ms > self._settings.tick_ms:
                # We stood still (stopped, or the machine slept), and could not hear anybody.
                self._core.sessions.renew_all(_now_ms())

    async def converse(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        self._last_number += 1
        try:
            connection = Connection(stream, self._last_number, self._journal.wait_durable)
        except OSError:  # gone before we looked
            await trio.aclose_forcefully(stream)
            return
        self._connections[connection.number] = connection
        try:
            async with stream:
                with connection.life:
                    # Whoever has no session by then will not ask for one.
                    connection.life.deadline = trio.current_time() + self._settings.longest_session_ms / 1000
                    await self._converse(connection)
        except* (trio.BrokenResourceError, Malformed):
            pass  # the client went away, or is none
        finally:
            del self._connections[connection.number]
            self._core.watches.drop(connection.number)
            if self._by_session.get(connection.session_id) is connection:
                del self._by_session[connection.session_id]

    async def _converse(self, connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.deliver)
            if await self._listen(connection):
                connection.finish()
                connection.life.deadline = trio.current_time() + _FAREWELL_SECONDS
            else:
                nursery.cancel_scope.cancel()

    async def _listen(self, connection: Connection) -> bool:
        """Answer until the conversation ends; False when the client just went away."""
        word = await connection.receive_word()
        if word in words.ANSWERS:
            connection.post(words.ANSWERS[word](self._condition()).encode(), self._core.zxid)
            return True
        while frames := await connection.receive_frames():
            for frame in frames:
                if connection.session_id:
                    goes_on = self._answer(connection, *protocol.read_request(frame))
                else:
                    goes_on = self._greet(connection, protocol.read_connect(frame))
                if not goes_on:
                    return True
                await connection.wait_room()
        return False

    def _greet(self, connection: Connection, connect: Connect) -> bool:
        """Open or resume a session; False when there is none to resume."""
        if connect.last_zxid > self._core.zxid:
            # It has seen a future that is not ours: it must not read from us (as real servers do).
            raise Malformed("client has seen a later zxid")
        sessions = self._core.sessions
        timeout_ms = min(max(connect.timeout_ms, self._settings.shortest_session_ms), self._settings.longest_session_ms)
        session_id = connect.session_id
        if session_id == 0:
            zxid = self._core.zxid + 1
            session_id = _SESSION_BITS | zxid
            self._publish(
                self._core.open_session(session_id, timeout_ms, now_ms=_now_ms(), zxid=zxid, time_ms=_wall_ms())
            )
        elif session_id in sessions and connect.password == sessions.password(session_id):
            sessions.resume(session_id, timeout_ms, _now_ms())
            if session_id in self._by_session:
                self._by_session[session_id].life.cancel(reason="session moved to a new connection")
        else:
            connection.post(protocol.write_expired(connect), self._core.zxid)
            return False
        connection.session_id = session_id
        connection.life.deadline = math.inf
        self._by_session[session_id] = connection
        answer = protocol.write_connected(connect, session_id, timeout_ms, sessions.password(session_id))
        connection.post(answer, self._core.zxid)
        return True

    def _answer(self, connection: Connection, xid: int, request: Request | Failure) -> bool:
        """Carry out one request and post its answer; False when it was the last."""
        self._core.sessions.touch(connection.session_id, _now_ms())
        goes_on = True
        result: Result = None
        match request:
            case Failure():
                result = request
            case Ping():
                pass
            case Authenticate():
                result = self._authenticate(connection, request)
                goes_on = result is None
            case CloseSession():
                self._end_session(connection.session_id, connection)
                goes_on = False
            case _:
                result = self._carry_out(request, connection)
        connection.post(protocol.write_reply(xid, self._core.zxid, result), self._core.zxid)
        return goes_on

    def _carry_out(self, request: Write | Read | Watching, connection: Connection) -> Result:
        caller = Caller(watcher=connection.number, session_id=connection.session_id, identities=connection.identities)
        match request:
            case Create() | Delete() | SetValue() | SetAccess() | Check() | Multi():
                outcome = self._core.write(request, caller, zxid=self._core.zxid + 1, time_ms=_wall_ms())
            case AddWatch() | RemoveWatches() | SetWatches():
                outcome = self._core.watch(request, caller)
            case _:
                return self._core.read(request, caller)
        self._publish(outcome)
        return outcome.result

    def _authenticate(self, connection: Connection, request: Authenticate) -> Failure | None:
        try:
            identity = access.authenticate(request.scheme, request.credential)
        except Refused as refusal:
            return Failure(refusal.code)
        if identity not in connection.identities:
            connection.identities = (*connection.identities, identity)
        return None

    def _end_session(self, session_id: int, by: Connection | None = None) -> None:
        """End a session; its connection is cut unless it asked for it and waits for the answer."""
        self._publish(self._core.close_session(session_id, zxid=self._core.zxid + 1, time_ms=_wall_ms()))
        connection = self._by_session.pop(session_id, None)
        if connection is not None and connection is not by:
            connection.life.cancel(reason="session expired")

    def _condition(self) -> words.Condition:
        connections = tuple(self._connections.values())
        return words.Condition(core=self._core, connections=connections, settings=self._settings)

    def _publish(self, outcome: Outcome) -> None:
        if outcome.transaction is not None:
            self._journal.append(outcome.transaction)
        messages: dict[Event, bytes] = {}
        for watcher, event in outcome.notifications:
            if event not in messages:
                messages[event] = protocol.write_event(event)
            self._connections[watcher].post(messages[event], self._core.zxid)

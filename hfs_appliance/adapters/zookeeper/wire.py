"""The door to kazoo 2.11: everything that reaches into it stands here, pinned by tests/adapters/zookeeper/test_wire.py.

kazoo is used for its protocol, its reconnecting and its asynchronous calls. What it lacks is added by overriding six
methods of its connection thread: persistent recursive watches (ZooKeeper 3.6, ZOOKEEPER-1416), the id and the true
timeout of a session, the moment to which an answer vouches for it, and the end of the thread. No recipe, no kazoo
watch and no kazoo retry of a call is used anywhere.

The rule to keep: methods named `on_…` of `Told` run in kazoo's threads and only post to the inbox.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import ConnectionDropped, WriterNotClosedException
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.connection import PING_XID, ConnectionHandler
from kazoo.protocol.serialization import Connect, ReplyHeader, Transaction, Watch, int_struct, write_string
from kazoo.retry import KazooRetry

from hfs_appliance.model.instants import SECOND, Duration, Instant, to_seconds

if TYPE_CHECKING:
    from kazoo.protocol.states import KazooState

_LOG: Final = logging.getLogger("hfs.registry")
_LOG.setLevel(logging.ERROR)  # what kazoo warns of is told as states of the session; what it chokes on is worth a line

_PERSISTENT_RECURSIVE: Final = 1
_PAUSE_AFTER_END_SECONDS: Final = 1.0
"""How long a connection thread that ended unasked holds back the news: nobody is asked to try again in a tight loop."""


class Told(Protocol):
    """Who hears of it, in kazoo's threads."""

    def on_session(self, session_id: int, timeout_ms: int, asked_at: Instant) -> None:
        """Hear that the server accepted or made the session; comes before the state CONNECTED."""
        ...

    def on_state(self, state: KazooState) -> None:
        """Hear that kazoo's state changed."""
        ...

    def on_answer(self, asked_at: Instant) -> None:
        """Hear that the heartbeat sent at `asked_at` was answered."""
        ...

    def on_change(self, path: str) -> None:
        """Hear that a watch fired for `path`."""
        ...

    def on_end(self) -> None:
        """Hear that the connection thread has ended: this client will not connect again."""
        ...


@dataclass(frozen=True, slots=True)
class AddWatch:
    """Request for a persistent recursive watch, of kazoo's kind of requests (opcode 106, AddWatchRequest)."""

    path: str
    type = 106

    def serialize(self) -> bytes:
        """Write path and mode."""
        return bytes(write_string(self.path) + int_struct.pack(_PERSISTENT_RECURSIVE))

    @classmethod
    def deserialize(cls, _content: bytes, _offset: int) -> bool:
        """Take any answer without error for yes."""
        return True


class StampedTransaction(Transaction):  # type: ignore[misc]  # kazoo has no types
    """kazoo's transaction whose result begins with the zxid of the answer: kazoo itself drops it."""

    @classmethod
    def deserialize(cls, content: bytes, offset: int) -> list[Any]:
        """Read the results, behind the zxid that stands in the header of the same message."""
        header, _ = ReplyHeader.deserialize(content, 0)
        return [header.zxid, *super().deserialize(content, offset)]


class Wakeups:
    """Both ends of what wakes kazoo's connection thread: a counter in the kernel instead of its pair of sockets.

    The pair fills up after some 278 wake-ups that nobody reads, and the next call blocks its caller: here, all of trio
    (kazoo issue 394).
    """

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Give the descriptor to select on."""
        return self._fd

    def send(self, _one: bytes) -> int:
        """Count one up; never blocks."""
        os.eventfd_write(self._fd, 1)
        return 1

    def recv(self, _one: int) -> bytes:
        """Count one down; the thread comes here only when there is one."""
        os.eventfd_read(self._fd)
        return b"\0"

    def close(self) -> None:
        """Give the descriptor back; kazoo closes both ends, which are one."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """kazoo's threads, with a bound on connecting and with wake-ups that cannot block."""

    def __init__(self, connect_timeout: Duration) -> None:
        super().__init__()
        self._connect_timeout = to_seconds(connect_timeout)

    def create_connection(self, *args: Any, **options: Any) -> Any:
        """Connect; kazoo's own limit is the whole session timeout for the first of many hosts."""
        return super().create_connection(*args, **{**options, "timeout": self._connect_timeout})

    def select(self, readers: Any, writers: Any, _errors: Any, timeout: float | None = None) -> Any:
        """Wait with poll(2); kazoo makes an epoll anew up to four times a call, which is half of its CPU time."""
        poll = select.poll()
        for reader in readers:
            poll.register(reader, select.POLLIN)
        for writer in writers:
            poll.register(writer, select.POLLOUT)
        ready = {fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)}
        return (
            [each for each in readers if each.fileno() in ready],
            [each for each in writers if each.fileno() in ready],
            [],
        )

    def create_socket_pair(self) -> tuple[Wakeups, Wakeups]:
        """Give the two ends of the wake-ups."""
        wakeups = Wakeups()
        return wakeups, wakeups


class _Connection(ConnectionHandler):  # type: ignore[misc]  # kazoo has no types
    """kazoo's connection thread, telling what kazoo keeps to itself."""

    def __init__(
        self,
        client: KazooClient,
        retry: KazooRetry,
        *,
        connect_timeout: Duration,
        told: Told,
        now: Callable[[], Instant],
    ) -> None:
        super().__init__(client, retry, logger=_LOG)
        self._reconnect_timeout = to_seconds(connect_timeout)
        self._told = told
        self._now = now
        self._heard_at = now()
        self._pings: deque[Instant] = deque()

    def zk_loop(self) -> None:
        with contextlib.suppress(Exception):  # kazoo has logged it
            super().zk_loop()
        if not self.client.is_stopping:
            time.sleep(_PAUSE_AFTER_END_SECONDS)
        self._told.on_end()

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        asked_at = self._now()
        if isinstance(request, Connect) and request.session_id:
            # A session is at stake, and two thirds of its time are gone: do not spend the rest on one frozen server.
            timeout = min(timeout, self._reconnect_timeout)
        answer = super()._invoke(timeout, request, xid)
        if isinstance(request, Connect):
            accepted, _ = answer
            self._heard_at = self._now()
            self._pings.clear()
            if accepted.time_out > 0:  # else the session has expired, and kazoo says so
                self._told.on_session(accepted.session_id, accepted.time_out, asked_at)
        return answer

    def _send_ping(self, connect_timeout: float) -> None:
        self._pings.append(self._now())
        super()._send_ping(connect_timeout)

    def _read_header(self, timeout: float) -> Any:
        header, content, offset = super()._read_header(timeout)
        self._heard_at = self._now()
        if header.xid == PING_XID:
            self._told.on_answer(self._pings.popleft())
        return header, content, offset

    def _send_request(self, read_timeout: float, connect_timeout: float) -> None:
        # kazoo counts what it sends as heartbeats and looks for answers only when it has nothing to send: calls that
        # keep coming keep a dead connection alive for ever.
        if self._now() - self._heard_at > read_timeout * SECOND:
            raise ConnectionDropped("nothing was heard for two thirds of the session timeout")
        super()._send_request(read_timeout, connect_timeout)

    def _read_watch_event(self, content: bytes, offset: int) -> None:
        event, _ = Watch.deserialize(content, offset)
        if event.path:
            self._told.on_change(event.path)


class Client(KazooClient):  # type: ignore[misc]  # kazoo has no types
    """One kazoo client with the connection above; it makes a new session by itself when the old one is lost."""

    def __init__(
        self, hosts: Sequence[str], *, session_timeout: Duration, told: Told, now: Callable[[], Instant]
    ) -> None:
        connect_timeout = Duration(session_timeout // (3 * len(hosts)))
        super().__init__(
            hosts=",".join(hosts),
            timeout=to_seconds(session_timeout),
            handler=_Handler(connect_timeout),
            # kazoo's own default waits up to an hour between two attempts.
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=1.5, max_delay=1, ignore_expire=False),
            command_retry=KazooRetry(max_tries=1, ignore_expire=False),
            read_only=False,
            logger=_LOG,
        )
        self._connection = _Connection(
            self, self._conn_retry.copy(), connect_timeout=connect_timeout, told=told, now=now
        )
        self.add_listener(told.on_state)

    @property
    def is_stopping(self) -> bool:
        """Whether somebody asked this client to stop."""
        return bool(self._stopped.is_set())

    @property
    def live_session(self) -> int:
        """Id of the session that a call made now goes to; 0 without a connection."""
        identity = self.client_id
        return identity[0] if identity is not None else 0

    def add_watch_async(self, path: str) -> Any:
        """Ask for a persistent recursive watch on `path`, which need not exist; it lasts as long as the connection."""
        result = self.handler.async_result()
        self._call(AddWatch(path), result)
        return result

    def commit_async(self, transaction: TransactionRequest) -> Any:
        """Send a transaction; the result begins with its zxid."""
        result = self.handler.async_result()
        self._call(StampedTransaction(transaction.operations), result)
        return result

    def dispose(self) -> None:
        """End the session and free threads and descriptors; may block for as long as the server is silent."""
        try:
            self.stop()
        except WriterNotClosedException:
            self._connection.stop()  # for as long as it takes: this thread has nothing else to do
        self.close()

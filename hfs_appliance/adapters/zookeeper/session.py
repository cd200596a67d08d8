"""The Registry port over kazoo: one session at a time, asked from trio.

What is believed about the session lives here. kazoo's threads tell through the inbox; calls go out through the door in
wire.py and are waited for in trio. Nothing is retried: the reconcile loop is the retry. The rule to keep: every line
of this file but `_Told` runs in trio's thread.
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import trio
from kazoo.protocol.states import KazooState

from hfs_appliance.adapters.zookeeper.errors import is_answer, translate
from hfs_appliance.adapters.zookeeper.inbox import Inbox
from hfs_appliance.adapters.zookeeper.transaction import build, result_of
from hfs_appliance.adapters.zookeeper.watches import SubtreeWatch
from hfs_appliance.adapters.zookeeper.wire import Client
from hfs_appliance.model.instants import MILLISECOND, Duration, Instant, after
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Fenced, Missing, Rejected, Transient
from hfs_appliance.ports.registry import ANY_VERSION, Operation, Session, SessionState, Znode

_MOST_CALLS: Final = 64
"""Calls on their way at once; more wait their turn: full queues of thousands have dropped connections in the field."""

_READ_AHEAD: Final = 256
"""Reads of `get_many` on their way at once."""

_LARGEST: Final = 1_000_000
"""Bytes of a value or of all values of a transaction: above jute's 1 MiB the server would cut the whole connection."""

_CLOSE_SECONDS: Final = 2.0

_PATH: Final = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]+)+")
"""Grammar of ZooKeeper's PathUtils.validatePath; an odd path would kill kazoo's thread, or be normalised by it."""


@asynccontextmanager
async def connect(hosts: Sequence[str], *, session_timeout: Duration, clock: Clock) -> AsyncIterator[ZooKeeperRegistry]:
    """Open a session with the servers `host:port`, and end it when the block ends.

    Returns at once, in state CONNECTING, and goes on trying for as long as the block lasts: a registry that is away is
    a state of the session, not an error. The server may negotiate another timeout. No task runs in the background.
    """
    registry = ZooKeeperRegistry(hosts, session_timeout, clock)
    try:
        yield registry
    finally:
        with trio.CancelScope(shield=True):
            await registry.aclose()


class ZooKeeperRegistry:
    """Implements the port's Registry; made by `connect`."""

    def __init__(self, hosts: Sequence[str], session_timeout: Duration, clock: Clock) -> None:
        assert hosts
        self._hosts = tuple(hosts)
        self._asked_timeout = self._timeout = session_timeout
        self._clock = clock
        self._inbox = Inbox()
        self._state = SessionState.CONNECTING
        self._session_id = 0
        self._since = self._lease_until = clock.now()
        self._accepted = (self._session_id, session_timeout, self._since)
        self._changed = trio.Event()
        self._watches: list[SubtreeWatch] = []
        self._calls = trio.CapacityLimiter(_MOST_CALLS)
        self._bulk = trio.Lock()
        self._client = self._open()

    # The session

    def session(self) -> Session:
        """Tell the state of the session now."""
        return Session(state=self._state, session_id=self._session_id, since=self._since, lease_until=self._lease_until)

    async def wait_session_change(self, seen: Session) -> Session:
        """Wait until (state, session_id) differs from `seen`."""
        await trio.lowlevel.checkpoint()
        while (self._state, self._session_id) == (seen.state, seen.session_id):
            await self._changed.wait()
        return self.session()

    async def aclose(self) -> None:
        """End the session; when the server is silent, leave that to its timeout after two seconds."""
        if self._state is not SessionState.CLOSED:
            self._turn(SessionState.CLOSED)
            for watch in self._watches:
                watch.fail(_closed(watch))
            retired = self._retire(self._client)
            with trio.move_on_after(_CLOSE_SECONDS):
                await retired.wait()

    # Reads

    async def get(self, path: str) -> Znode:
        """Read one entry."""
        _check(path)
        value, stat = await self._ask(f"get {path}", lambda client: client.get_async(path))
        return _znode(path, value, stat)

    async def children(self, path: str) -> tuple[str, ...]:
        """List an entry's children, sorted."""
        _check(path)
        names = await self._ask(f"children {path}", lambda client: client.get_children_async(path))
        return tuple(sorted(names))

    async def get_many(self, paths: Iterable[str]) -> Mapping[str, Znode | None]:
        """Read many entries, `_READ_AHEAD` at a time."""
        wanted = list(dict.fromkeys(paths))
        for path in wanted:
            _check(path)
        found: dict[str, Znode | None] = {}
        async with self._bulk:
            for start in range(0, len(wanted), _READ_AHEAD):
                found.update(await self._get_batch(wanted[start : start + _READ_AHEAD]))
        return found

    async def sync(self) -> None:
        """Have this server catch up with the leader."""
        await self._ask("sync", lambda client: client.sync_async("/"))

    def watch(self, root: str) -> SubtreeWatch:
        """Mark what changes at or below `root`, whether it exists yet or not."""
        _check(root)
        watch = SubtreeWatch(root, self._watches.remove)
        self._watches.append(watch)
        if self._state is SessionState.CONNECTED:
            self._add_watch(self._client, watch)
        elif self._state is SessionState.CLOSED:
            watch.fail(_closed(watch))
        return watch

    # Writes

    async def create(self, path: str, value: bytes = b"", *, is_ephemeral: bool = False) -> Znode:
        """Create one entry and its missing parents."""
        _check(path, value)
        session_id = self._session_id
        _, stat = await self._ask(
            f"create {path}",
            lambda client: client.create_async(path, value, ephemeral=is_ephemeral, makepath=True, include_data=True),
            is_write=True,
        )
        if is_ephemeral and stat.ephemeralOwner != session_id:
            raise Fenced(f"create {path}: the session ended, the entry belongs to the next one")
        return _znode(path, value, stat)

    async def set(self, path: str, value: bytes, *, version: int = ANY_VERSION) -> Znode:
        """Replace a value."""
        _check(path, value)
        stat = await self._ask(f"set {path}", lambda client: client.set_async(path, value, version), is_write=True)
        return _znode(path, value, stat)

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Remove one entry."""
        _check(path)
        await self._ask(f"delete {path}", lambda client: client.delete_async(path, version), is_write=True)

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do all or nothing; give the transaction's zxid."""
        for operation in operations:
            _check(operation.path)
        if sum(len(getattr(operation, "value", b"")) + len(operation.path) for operation in operations) > _LARGEST:
            raise Rejected(f"transaction of {len(operations)} operations: more than {_LARGEST} bytes")
        results = await self._ask(
            f"transaction of {len(operations)} operations",
            lambda client: client.commit_async(build(client, operations)),
            is_write=True,
        )
        return result_of(operations, results)

    # Asking

    async def _ask(self, what: str, start: Callable[[Client], Any], *, is_write: bool = False) -> Any:
        """Send one request and wait for its answer; cancelled means abandoned."""
        async with self._calls:
            asked_at = self._clock.now()
            result = start(self._ready(what))
            await self._answered(result)
        return self._open_answer(result, what, asked_at, is_write=is_write)

    async def _get_batch(self, paths: Sequence[str]) -> dict[str, Znode | None]:
        """Read a batch; the answers of a session come in the order of its requests, so the last one ends the wait."""
        asked_at = self._clock.now()
        client = self._ready(f"get {paths[0]}")
        results = [client.get_async(path) for path in paths]
        await self._answered(results[-1])
        found: dict[str, Znode | None] = {}
        for path, result in zip(paths, results, strict=True):
            answer = self._open_answer(result, f"get {path}", asked_at, may_miss=True)
            found[path] = None if answer is None else _znode(path, *answer)
        return found

    async def _answered(self, result: Any) -> None:
        answered = trio.Event()
        result.rawlink(lambda _: self._inbox.post(answered.set))
        await answered.wait()

    def _open_answer(
        self, result: Any, what: str, asked_at: Instant, *, is_write: bool = False, may_miss: bool = False
    ) -> Any:
        try:
            answer = result.get_nowait()
        except Exception as error:  # noqa: BLE001  # whatever kazoo put there, the port's errors are what gets out
            if is_answer(error):
                self._renew(asked_at)
            failure = translate(error, what, is_write=is_write)
            if may_miss and isinstance(failure, Missing):
                return None
            raise failure from None
        self._renew(asked_at)
        return answer

    def _ready(self, what: str) -> Client:
        """Give the client, if a call made now goes to the session that we know; kazoo itself would queue it."""
        if self._state in (SessionState.LOST, SessionState.CLOSED):
            raise Fenced(f"{what}: the session has ended")
        if self._state is not SessionState.CONNECTED or self._client.live_session != self._session_id:
            raise Transient(f"{what}: no connection to the registry ({', '.join(self._hosts)})")
        return self._client

    # Told by kazoo's threads, through the inbox

    def accepted(self, client: Client, session_id: int, timeout_ms: int, asked_at: Instant) -> None:
        """Note the session that the server gave us or took us back into; it counts once kazoo says CONNECTED."""
        if client is self._client:
            self._accepted = (session_id, Duration(timeout_ms * MILLISECOND), asked_at)

    def turned(self, client: Client, state: KazooState) -> None:
        """Follow kazoo's state."""
        if client is not self._client or self._state is SessionState.CLOSED:
            return
        if state != KazooState.CONNECTED:
            self._turn(_STATES[state])
        else:
            self._session_id, self._timeout, asked_at = self._accepted
            self._turn(SessionState.CONNECTED)
            self._renew(asked_at)
            for watch in self._watches:
                self._add_watch(client, watch)

    def vouched(self, client: Client, asked_at: Instant) -> None:
        """Note that a heartbeat was answered."""
        if client is self._client:
            self._renew(asked_at)

    def dirtied(self, path: str) -> None:
        """Pass on that something changed."""
        for watch in self._watches:
            watch.mark(path)

    def ended(self, client: Client) -> None:
        """Begin again with a new client when kazoo gave up."""
        if client is self._client and self._state is not SessionState.CLOSED:
            self._retire(client)
            self._client = self._open()

    def _turn(self, state: SessionState) -> None:
        self._state = state
        self._since = self._clock.now()
        if state in (SessionState.LOST, SessionState.CLOSED):
            self._lease_until = min(self._lease_until, self._since)
        self._changed.set()
        self._changed = trio.Event()

    def _renew(self, asked_at: Instant) -> None:
        # The server counts from when it heard us, which was not before we spoke. An answer that is looked at after the
        # session was lost vouches for nothing.
        if self._state in (SessionState.CONNECTED, SessionState.SUSPENDED):
            self._lease_until = max(self._lease_until, after(asked_at, Duration(self._timeout * 2 // 3)))

    def _add_watch(self, client: Client, watch: SubtreeWatch) -> None:
        """Watch on the server; everything is dirty once that holds, so that nothing falls into the gap."""
        result = client.add_watch_async(watch.root)

        def added() -> None:
            try:
                result.get_nowait()
            except Exception as error:  # noqa: BLE001  # a mark must not raise; the waiter gets the port's error
                failure = translate(error, f"watch {watch.root}", is_write=False)
                if not isinstance(failure, (Transient, Fenced)):  # those are followed by another connection
                    watch.fail(failure)
            else:
                watch.mark_everything()

        result.rawlink(lambda _: self._inbox.post(added))

    # Clients

    def _open(self) -> Client:
        told = _Told(self, self._inbox)
        told.client = Client(self._hosts, session_timeout=self._asked_timeout, told=told, now=self._clock.now)
        told.client.start_async()
        return told.client

    def _retire(self, client: Client) -> trio.Event:
        """Stop a client in a thread of its own, which may hang, and say when it has stopped."""
        retired = trio.Event()

        def dispose() -> None:
            try:
                client.dispose()
            finally:
                self._inbox.post(retired.set)

        threading.Thread(target=dispose, name="hfs-registry-close", daemon=True).start()
        return retired


class _Told:
    """What kazoo's threads call: everything is posted to the inbox with the client that it came from."""

    client: Client

    def __init__(self, registry: ZooKeeperRegistry, inbox: Inbox) -> None:
        self._registry = registry
        self._post = inbox.post

    def on_session(self, session_id: int, timeout_ms: int, asked_at: Instant) -> None:
        self._post(partial(self._registry.accepted, self.client, session_id, timeout_ms, asked_at))

    def on_state(self, state: KazooState) -> None:
        self._post(partial(self._registry.turned, self.client, state))

    def on_answer(self, asked_at: Instant) -> None:
        self._post(partial(self._registry.vouched, self.client, asked_at))

    def on_change(self, path: str) -> None:
        self._post(partial(self._registry.dirtied, path))

    def on_end(self) -> None:
        self._post(partial(self._registry.ended, self.client))


_STATES: Final = {
    KazooState.SUSPENDED: SessionState.SUSPENDED,
    KazooState.LOST: SessionState.LOST,
}


def _closed(watch: SubtreeWatch) -> Fenced:
    return Fenced(f"watch {watch.root}: the registry was closed")


def _znode(path: str, value: bytes | None, stat: Any) -> Znode:
    return Znode(
        path=path,
        value=value or b"",
        version=stat.version,
        czxid=stat.czxid,
        mzxid=stat.mzxid,
        pzxid=stat.pzxid,
        ephemeral_owner=stat.ephemeralOwner,
    )


def _check(path: str, value: bytes = b"") -> None:
    if _PATH.fullmatch(path) is None:
        raise Rejected(f"{path!r} is not a path of the registry")
    if len(value) > _LARGEST:
        raise Rejected(f"{path}: {len(value)} bytes; at most {_LARGEST} fit")

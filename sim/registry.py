"""The Registry port over the simulated ensemble: the control plane's own session, without threads or sockets.

What callers see is what the adapter for ZooKeeper shows them (tests/contract/registry runs over both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NoReturn, TypeVar

import trio

from hfs_appliance.adapters.zookeeper.watches import SubtreeWatch
from hfs_appliance.model.instants import Duration, Instant, after
from hfs_appliance.ports.errors import Ambiguous, Conflict, Fenced, Missing, PortError, Rejected, Transient
from hfs_appliance.ports.registry import (
    ANY_VERSION,
    CheckOp,
    CreateOp,
    DeleteOp,
    Operation,
    Session,
    SessionState,
    SetOp,
    Znode,
)
from sim.clock import Reply, WorldClock
from sim.ensemble import Ensemble
from sim.entries import Author
from sim.link import Link
from sim.uplink import Uplink
from sim.wire.zookeeper import requests
from sim.wire.zookeeper.paths import ancestry, check_path
from sim.wire.zookeeper.results import Failure, Many, Result
from sim.wire.zookeeper.values import EPHEMERAL, OPEN, Code, Refused, WatchMode

T = TypeVar("T")

READ_COSTS: Final = 250_000
"""Nanoseconds of kazoo's own work for each entry of a bulk read: 260 to 330 ms for 1,000 (measured-floors)."""
_READ_AHEAD: Final = 256
_LARGEST: Final = 1_000_000

_REFUSALS: Final[Mapping[Code, tuple[type[PortError], str]]] = {
    Code.NO_NODE: (Missing, "it is not there"),
    Code.NODE_EXISTS: (Conflict, "it exists already"),
    Code.BAD_VERSION: (Conflict, "its version is another one"),
    Code.NOT_EMPTY: (Conflict, "it has children"),
    Code.NO_CHILDREN_FOR_EPHEMERALS: (Conflict, "its parent is ephemeral"),
    Code.NO_AUTH: (Rejected, "its access list forbids it"),
    Code.BAD_ARGUMENTS: (Rejected, "the server calls the request malformed"),
}
_BYSTANDERS: Final = (Code.OK, Code.RUNTIME_INCONSISTENCY)


class SimRegistry:
    """Implements the port's Registry; also the listener at the end of its link."""

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        session_timeout: Duration,
        uplink: Uplink | None = None,
        ahead: Duration = Duration(0),
    ) -> None:
        self._ensemble = ensemble
        self._clock: WorldClock = ensemble.clock
        self._timeout = session_timeout
        self._ahead = ahead
        """How much later this process takes it to be than it is."""
        self._state = SessionState.CONNECTING
        self._session_id = 0
        self._since = self._heard_at = self._clock.now()
        self._lease_until = self._since
        self._changed = trio.Event()
        self._watches: list[SubtreeWatch] = []
        self._unanswered: dict[Reply[object], tuple[str, bool]] = {}
        self.link = Link(ensemble, session_timeout, self, Author.PLANE, uplink=uplink)

    # The session

    def session(self) -> Session:
        """Tell the state of the session now."""
        self._renew_by_heartbeats()
        return Session(
            state=self._state,
            session_id=self._session_id,
            since=after(self._since, self._ahead),
            lease_until=after(self._lease_until, self._ahead),
        )

    async def wait_session_change(self, seen: Session) -> Session:
        """Wait until (state, session_id) differs from `seen`."""
        await trio.lowlevel.checkpoint()
        while (self._state, self._session_id) == (seen.state, seen.session_id):
            await self._changed.wait()
        return self.session()

    async def aclose(self) -> None:
        """End the session."""
        if self._state is SessionState.CLOSED:
            return
        self._turn(SessionState.CLOSED)
        for watch in self._watches:
            watch.fail(Fenced(f"watch {watch.root}: the registry was closed"))
        closed: Reply[None] = Reply()
        self.link.close(lambda: closed.give(None))
        await closed.wait()

    def sever(self) -> None:
        """End as kill -9 does."""
        self.link.die()

    # Reads

    async def get(self, path: str) -> Znode:
        """Read one entry."""
        _check(path)
        found = await self._ask(f"get {path}", lambda: self._find(path))
        if found is None:
            raise Missing(f"get {path}: it is not there")
        return found

    async def children(self, path: str) -> tuple[str, ...]:
        """List an entry's children, sorted."""
        _check(path)

        found = await self._ask(f"children {path}", lambda: self._ensemble.shown.names(self.link.tree, path))
        if found is None:
            raise Missing(f"children {path}: it is not there")
        return found

    async def get_many(self, paths: Iterable[str]) -> Mapping[str, Znode | None]:
        """Read many entries; others write between two batches."""
        wanted = list(dict.fromkeys(paths))
        for path in wanted:
            _check(path)
        found: dict[str, Znode | None] = {}
        for start in range(0, len(wanted), _READ_AHEAD):
            batch = wanted[start : start + _READ_AHEAD]
            answer = await self._ask(
                f"get {batch[0]}",
                lambda batch=batch: {path: self._find(path) for path in batch},  # type: ignore[misc]
                costs=READ_COSTS * len(batch),
            )
            found.update(answer)
        return found

    async def sync(self) -> None:
        """Have this server catch up with the leader."""
        await self._ask("sync", lambda: None, catches_up=True)

    def watch(self, root: str) -> SubtreeWatch:
        """Mark what changes at or below `root`, whether it exists yet or not."""
        _check(root)
        watch = SubtreeWatch(root, self._watches.remove)
        self._watches.append(watch)
        if self._state is SessionState.CONNECTED:
            self._add_watch(watch)
        elif self._state is SessionState.CLOSED:
            watch.fail(Fenced(f"watch {root}: the registry was closed"))
        return watch

    # Writes

    async def create(self, path: str, value: bytes = b"", *, is_ephemeral: bool = False) -> Znode:
        """Create one entry and its missing parents."""
        _check(path, value)
        flags = EPHEMERAL if is_ephemeral else 0

        def create() -> Result:
            for parent in reversed(tuple(ancestry(path))[1:]):
                if parent not in self._ensemble.core.tree.znodes:
                    made = self._ensemble.write(requests.Create(path=parent, value=b"", access=OPEN), self.link)
                    if isinstance(made, Failure):
                        return made
            return self._ensemble.write(
                requests.Create(path=path, value=value, access=OPEN, flags=flags, wants_stat=True), self.link
            )

        return await self._write(f"create {path}", path, create)

    async def set(self, path: str, value: bytes, *, version: int = ANY_VERSION) -> Znode:
        """Replace a value."""
        _check(path, value)
        request = requests.SetValue(path=path, value=value, version=version)
        return await self._write(f"set {path}", path, lambda: self._ensemble.write(request, self.link))

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Remove one entry."""
        _check(path)
        what, request = f"delete {path}", requests.Delete(path=path, version=version)
        result = await self._ask(what, lambda: self._ensemble.write(request, self.link), is_write=True)
        if isinstance(result, Failure):
            _refuse(result.code, what)

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do all or nothing; give the transaction's zxid."""
        for operation in operations:
            _check(operation.path)
        if sum(len(getattr(operation, "value", b"")) + len(operation.path) for operation in operations) > _LARGEST:
            raise Rejected(f"transaction of {len(operations)} operations: more than {_LARGEST} bytes")
        request = requests.Multi(operations=tuple(_request(operation) for operation in operations))

        def commit() -> tuple[Result, int]:
            result = self._ensemble.write(request, self.link)
            return result, self._ensemble.core.zxid

        result, zxid = await self._ask(f"transaction of {len(operations)} operations", commit, is_write=True)
        assert isinstance(result, Many)
        for operation, answer in zip(operations, result.results, strict=True):
            if isinstance(answer, Failure) and answer.code not in _BYSTANDERS:
                # Within a transaction an absent entry is a state that was not as expected, like a wrong version.
                code = Code.BAD_VERSION if answer.code is Code.NO_NODE else answer.code
                kind, words = _REFUSALS[code]
                words = f"transaction, {type(operation).__name__} {operation.path}: {words}"
                raise Conflict(words, operation.path) if kind is Conflict else kind(words)
        return zxid

    # The link's listener

    def connected(self, session_id: int, asked_at: Instant) -> None:
        """Take up a session."""
        self._session_id = session_id
        self._heard_at = asked_at
        self._renew(asked_at)
        self._turn(SessionState.CONNECTED)
        for watch in self._watches:
            self._add_watch(watch)

    def suspended(self) -> None:
        """Lose the connection: nobody knows what became of the writes under way."""
        unanswered, self._unanswered = self._unanswered, {}
        if self._state is not SessionState.CLOSED:
            self._turn(SessionState.SUSPENDED)
        for reply, (what, is_write) in unanswered.items():
            unknown = Ambiguous if is_write else Transient
            reply.fail(unknown(f"{what}: no usable answer came (ConnectionLoss)"))

    def lost(self) -> None:
        """Lose the session."""
        self._turn(SessionState.LOST)

    def changed(self, path: str) -> None:
        """Pass a mark on."""
        for watch in self._watches:
            watch.mark(path)

    # Asking

    async def _write(self, what: str, path: str, carry_out: Callable[[], Result]) -> Znode:
        def write() -> Znode | Code:
            result = carry_out()
            if isinstance(result, Failure):
                return result.code
            made = self._ensemble.shown.entry(self._ensemble.core.tree, path)
            assert made is not None
            return made

        answer = await self._ask(what, write, is_write=True)
        if isinstance(answer, Code):
            _refuse(answer, what)
        return answer

    async def _ask(
        self,
        what: str,
        carry_out: Callable[[], T],
        *,
        is_write: bool = False,
        catches_up: bool = False,
        costs: int = 0,
    ) -> T:
        await trio.lowlevel.checkpoint()
        if self._state in (SessionState.LOST, SessionState.CLOSED):
            raise Fenced(f"{what}: the session has ended")
        if self._state is not SessionState.CONNECTED:
            raise Transient(f"{what}: no connection to the registry")
        asked_at = self._clock.now()
        reply: Reply[object] = Reply()

        def answer(result: object) -> None:
            self._unanswered.pop(reply, None)
            self._renew(asked_at)
            reply.give(result)

        self._unanswered[reply] = (what, is_write)
        self.link.request(carry_out, answer, costs=costs, is_write=is_write or catches_up)
        return await reply.wait()  # type: ignore[return-value]  # what carry_out gave

    def _find(self, path: str) -> Znode | None:
        return self._ensemble.shown.entry(self.link.tree, path)

    def _add_watch(self, watch: SubtreeWatch) -> None:
        request = requests.AddWatch(path=watch.root, mode=WatchMode.PERSISTENT_RECURSIVE)
        self.link.request(lambda: self._ensemble.watch(request, self.link), lambda _: watch.mark_everything())

    def _turn(self, state: SessionState) -> None:
        self._renew_by_heartbeats()
        self._state = state
        self._since = self._clock.now()
        if state in (SessionState.LOST, SessionState.CLOSED):
            self._lease_until = min(self._lease_until, self._since)
        self._changed.set()
        self._changed = trio.Event()

    def _renew(self, asked_at: Instant) -> None:
        self._lease_until = max(self._lease_until, after(asked_at, Duration(self._timeout * 2 // 3)))

    def _renew_by_heartbeats(self) -> None:
        """Know what heartbeats, one each third of the timeout, would have told since the connection."""
        if self._state is SessionState.CONNECTED:
            heard = self.link.heard_at
            beat = self._timeout // 3
            self._renew(Instant(self._heard_at + (heard - self._heard_at) // beat * beat))


def _refuse(code: Code, what: str) -> NoReturn:
    kind, words = _REFUSALS[code]
    raise kind(f"{what}: {words}")


def _check(path: str, value: bytes = b"") -> None:
    try:
        check_path(path)
    except Refused:
        raise Rejected(f"{path!r} is not a path of the registry") from None
    if len(value) > _LARGEST:
        raise Rejected(f"{path}: {len(value)} bytes are more than {_LARGEST}")


def _request(operation: Operation) -> requests.Operation:
    match operation:
        case CreateOp():
            flags = EPHEMERAL if operation.is_ephemeral else 0
            return requests.Create(path=operation.path, value=operation.value, access=OPEN, flags=flags)
        case SetOp():
            return requests.SetValue(path=operation.path, value=operation.value, version=operation.version)
        case DeleteOp():
            return requests.Delete(path=operation.path, version=operation.version)
        case CheckOp():
            return requests.Check(path=operation.path, version=operation.version)

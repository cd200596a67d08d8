"""ZooKeeper as a pure machine: requests in, results, transactions and notifications out.

No I/O and no clock: its owner passes the time and the zxid, makes transactions durable and carries messages. The
order of checks, and so which error wins, is that of ZooKeeper 3.8 (PrepRequestProcessor, FinalRequestProcessor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sim.wire.zookeeper import access as acl
from sim.wire.zookeeper.effects import (
    AccessSet,
    Effect,
    NodeCreated,
    NodeDeleted,
    SessionClosed,
    SessionOpened,
    Transaction,
    TreeEffect,
    ValueSet,
)
from sim.wire.zookeeper.paths import check_path, parent_of
from sim.wire.zookeeper.requests import (
    AddWatch,
    Check,
    CountDescendants,
    Create,
    Delete,
    Exists,
    GetAccess,
    GetChildren,
    GetEphemerals,
    GetValue,
    Multi,
    MultiRead,
    Operation,
    Read,
    RemoveWatches,
    SetAccess,
    SetValue,
    SetWatches,
    SingleRead,
    Sync,
    Watching,
    WhoAmI,
    Write,
)
from sim.wire.zookeeper.results import (
    AccessOf,
    Content,
    Count,
    Created,
    Failure,
    Identities,
    Many,
    Names,
    Result,
    Single,
    Synced,
)
from sim.wire.zookeeper.sessions import Sessions
from sim.wire.zookeeper.tree import Tree, Undo, Znode
from sim.wire.zookeeper.values import (
    ANY_VERSION,
    Access,
    Code,
    Event,
    EventType,
    Identity,
    Notification,
    Permission,
    Refused,
    WatchMode,
)
from sim.wire.zookeeper.watches import Watches, WatchKind, events_of_creation, events_of_deletion

_CREATE_FLAGS = range(4)
"""Sums of EPHEMERAL and SEQUENTIAL."""
_NEEDS_REAPER = range(4, 7)
"""Containers and times to live: real servers may lack them as well."""
_UNTOUCHABLE = frozenset({"/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    watcher: int
    session_id: int
    identities: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a request brought about."""

    result: Result = None
    transaction: Transaction | None = None
    """To be made durable before the result is told; None when nothing changed."""
    notifications: tuple[Notification, ...] = ()
    """To be told before the result, and before anything later, in this order."""


class Core:
    """The whole state of a server that is not about sockets."""

    def __init__(self, secret: bytes) -> None:
        self.tree = Tree()
        self.watches = Watches()
        self.sessions = Sessions(secret)
        self.zxid = 0
        """Last transaction that was carried out."""

    # --- changes ------------------------------------------------------------------------------------------------------

    def write(self, request: Write, caller: Caller, *, zxid: int, time_ms: int) -> Outcome:
        """Carry out a change, or none of it. A refusal uses no zxid."""
        operations = request.operations if isinstance(request, Multi) else (request,)
        effects: list[Effect] = []
        results: list[Single] = []
        undos: list[Undo] = []
        try:
            for operation in operations:
                effect = self._plan(operation, caller)
                if effect is not None:
                    undos.append(self.tree.apply(effect, zxid, time_ms))
                    effects.append(effect)
                results.append(self._result(operation, effect))
        except Refused as refusal:
            for undo in reversed(undos):
                undo()
            if not isinstance(request, Multi):
                return Outcome(result=Failure(refusal.code))
            return Outcome(result=Many(request.operations, _failures(len(operations), len(results), refusal.code)))
        result = Many(request.operations, tuple(results)) if isinstance(request, Multi) else results[0]
        return self._done(result, effects, zxid, time_ms)

    def open_session(self, session_id: int, timeout_ms: int, *, now_ms: int, zxid: int, time_ms: int) -> Outcome:
        """Begin a session."""
        self.sessions.open(session_id, timeout_ms, now_ms)
        return self._done(None, [SessionOpened(session_id, timeout_ms)], zxid, time_ms)

    def close_session(self, session_id: int, *, zxid: int, time_ms: int) -> Outcome:
        """End a session: its ephemerals go, in the order of their paths."""
        deletions = [NodeDeleted(path) for path in self.tree.ephemerals_of(session_id)]
        for deletion in deletions:
            self.tree.apply(deletion, zxid, time_ms)
        self.sessions.close(session_id)
        return self._done(None, [*deletions, SessionClosed(session_id)], zxid, time_ms)

    def replay(self, transaction: Transaction, *, now_ms: int) -> None:
        """Carry out a transaction of the past again; nobody watches yet."""
        for effect in transaction.effects:
            match effect:
                case SessionOpened():
                    self.sessions.open(effect.session_id, effect.timeout_ms, now_ms)
                case SessionClosed():
                    self.sessions.close(effect.session_id)
                case _:
                    self.tree.apply(effect, transaction.zxid, transaction.time_ms)
        self.zxid = transaction.zxid

    def _done(self, result: Result, effects: Sequence[Effect], zxid: int, time_ms: int) -> Outcome:
        if not effects:
            return Outcome(result=result)
        self.zxid = zxid
        return Outcome(
            result=result,
            transaction=Transaction(zxid, time_ms, tuple(effects)),
            notifications=tuple(
                notification
                for effect in effects
                for event in _events_of(effect)
                for notification in self.watches.trigger(event)
            ),
        )

    def _plan(self, operation: Operation | SetAccess, caller: Caller) -> TreeEffect | None:
        """Check an operation against the tree as it is, and say what it would do. Errors: Refused."""
        match operation:
            case Create():
                return self._plan_create(operation, caller)
            case Delete():
                return self._plan_delete(operation, caller)
            case SetValue():
                znode = self._find_permitted(operation.path, Permission.WRITE, caller)
                _check_version(znode.version, operation.version)
                return ValueSet(operation.path, operation.value)
            case SetAccess():
                check_path(operation.path)
                resolved = acl.resolve(operation.access, caller.identities)
                znode = self._find_permitted(operation.path, Permission.ADMIN, caller)
                _check_version(znode.aversion, operation.version)
                return AccessSet(operation.path, resolved)
            case Check():
                znode = self._find_permitted(operation.path, Permission.READ, caller)
                _check_version(znode.version, operation.version)
                return None
            case _:
                assert_never(operation)

    def _plan_create(self, operation: Create, caller: Caller) -> NodeCreated:
        path = operation.path
        if operation.flags not in _CREATE_FLAGS:
            raise Refused(Code.UNIMPLEMENTED if operation.flags in _NEEDS_REAPER else Code.BAD_ARGUMENTS)
        if "/" not in path or "\0" in path:
            raise Refused(Code.BAD_ARGUMENTS)
        resolved = acl.resolve(operation.access, caller.identities)
        parent = self.tree.find(parent_of(path))
        _check_permission(parent.access, Permission.CREATE, caller)
        if operation.is_sequential:
            path = f"{path}{parent.creations:010d}"
        check_path(path)
        if path in self.tree.znodes:
            raise Refused(Code.NODE_EXISTS)
        if parent.owner:
            raise Refused(Code.NO_CHILDREN_FOR_EPHEMERALS)
        return NodeCreated(path, operation.value, resolved, caller.session_id if operation.is_ephemeral else 0)

    def _plan_delete(self, operation: Delete, caller: Caller) -> NodeDeleted:
        path = operation.path
        if "/" not in path or "\0" in path or path in _UNTOUCHABLE:
            raise Refused(Code.BAD_ARGUMENTS)
        parent = self.tree.find(parent_of(path))
        _check_permission(parent.access, Permission.DELETE, caller)
        znode = self.tree.find(path)
        _check_version(znode.version, operation.version)
        if znode.children:
            raise Refused(Code.NOT_EMPTY)
        return NodeDeleted(path)

    def _find_permitted(self, path: str, permission: Permission, caller: Caller) -> Znode:
        check_path(path)
        znode = self.tree.find(path)
        _check_permission(znode.access, permission, caller)
        return znode

    def _result(self, operation: Operation | SetAccess, effect: TreeEffect | None) -> Single:
        match effect:
            case NodeCreated():
                wants_stat = isinstance(operation, Create) and operation.wants_stat
                return Created(effect.path, self.tree.find(effect.path).stat() if wants_stat else None)
            case ValueSet() | AccessSet():
                return self.tree.find(effect.path).stat()
            case _:
                return None

    # --- looks --------------------------------------------------------------------------------------------------------

    def read(self, request: Read, caller: Caller) -> Result:
        """Answer a question, and set the watch that goes with it."""
        if isinstance(request, MultiRead):
            return Many(request.operations, tuple(self._read(each, caller) for each in request.operations))
        return self._read(request, caller)

    def _read(self, request: SingleRead, caller: Caller) -> Single:
        try:
            return self._look(request, caller)
        except Refused as refusal:
            return Failure(refusal.code)

    def _look(self, request: SingleRead, caller: Caller) -> Single:
        match request:
            case Exists():
                if "\0" in request.path:
                    raise Refused(Code.BAD_ARGUMENTS)
                # The one watch that is set on a znode that does not exist.
                self._watch(request.watch, WatchKind.VALUE, request.path, caller)
                return self.tree.find(request.path).stat()
            case GetValue():
                znode = self._readable(request.path, caller)
                self._watch(request.watch, WatchKind.VALUE, request.path, caller)
                return Content(znode.value, znode.stat())
            case GetChildren():
                znode = self._readable(request.path, caller)
                self._watch(request.watch, WatchKind.CHILDREN, request.path, caller)
                return Names(tuple(sorted(znode.children)), znode.stat() if request.wants_stat else None)
            case GetAccess():
                return self._access_of(request.path, caller)
            case GetEphemerals():
                owned = self.tree.ephemerals_of(caller.session_id)
                return Names(tuple(path for path in owned if path.startswith(request.prefix)), None)
            case CountDescendants():
                self._readable(request.path, caller)
                return Count(sum(1 for _ in self.tree.descendants(request.path)))
            case Sync():
                return Synced(request.path)
            case WhoAmI():
                return Identities(caller.identities)
            case _:
                assert_never(request)

    def _readable(self, path: str, caller: Caller) -> Znode:
        znode = self.tree.find(path)
        _check_permission(znode.access, Permission.READ, caller)
        return znode

    def _access_of(self, path: str, caller: Caller) -> AccessOf:
        znode = self.tree.find(path)
        _check_permission(znode.access, Permission.READ | Permission.ADMIN, caller)
        may_administer = acl.permits(znode.access, Permission.ADMIN, caller.identities)
        return AccessOf(znode.access if may_administer else acl.hide_secrets(znode.access), znode.stat())

    # --- watches ------------------------------------------------------------------------------------------------------

    def watch(self, request: Watching, caller: Caller) -> Outcome:
        """Add, remove or restore watches."""
        match request:
            case AddWatch():
                is_recursive = request.mode is WatchMode.PERSISTENT_RECURSIVE
                kind = WatchKind.RECURSIVE if is_recursive else WatchKind.PERSISTENT
                self.watches.add(kind, request.path, caller.watcher)
                return Outcome()
            case RemoveWatches():
                if not self.watches.has(request.type, request.path, caller.watcher):
                    return Outcome(result=Failure(Code.NO_WATCHER))
                if not request.is_check:
                    self.watches.remove(request.type, request.path, caller.watcher)
                return Outcome()
            case SetWatches():
                return Outcome(notifications=tuple((caller.watcher, event) for event in self._restore(request, caller)))
            case _:
                assert_never(request)

    def _restore(self, request: SetWatches, caller: Caller) -> list[Event]:
        """Set the watches that still hold; give the events of those that have fired meanwhile."""
        missed = []
        for path in request.value:
            znode = self.tree.znodes.get(path)
            if znode is None:
                missed.append(Event(EventType.DELETED, path))
            elif znode.mzxid > request.zxid:
                missed.append(Event(EventType.DATA_CHANGED, path))
            else:
                self.watches.add(WatchKind.VALUE, path, caller.watcher)
        for path in request.exists:
            if path in self.tree.znodes:
                missed.append(Event(EventType.CREATED, path))
            else:
                self.watches.add(WatchKind.VALUE, path, caller.watcher)
        for path in request.children:
            znode = self.tree.znodes.get(path)
            if znode is None:
                missed.append(Event(EventType.DELETED, path))
            elif znode.pzxid > request.zxid:
                missed.append(Event(EventType.CHILDREN_CHANGED, path))
            else:
                self.watches.add(WatchKind.CHILDREN, path, caller.watcher)
        for path in request.persistent:
            self.watches.add(WatchKind.PERSISTENT, path, caller.watcher)
        for path in request.recursive:
            self.watches.add(WatchKind.RECURSIVE, path, caller.watcher)
        return missed

    def _watch(self, is_wanted: bool, kind: WatchKind, path: str, caller: Caller) -> None:  # noqa: FBT001  # the request's flag
        if is_wanted:
            self.watches.add(kind, path, caller.watcher)


def _check_permission(access: tuple[Access, ...], permission: Permission, caller: Caller) -> None:
    if not acl.permits(access, permission, caller.identities):
        raise Refused(Code.NO_AUTH)


def _check_version(actual: int, expected: int) -> None:
    if expected not in (ANY_VERSION, actual):
        raise Refused(Code.BAD_VERSION)


def _failures(count: int, failing: int, code: Code) -> tuple[Failure, ...]:
    """Say of each operation of a failed multi what became of it: undone, the culprit, never tried."""
    later = (Failure(Code.RUNTIME_INCONSISTENCY),) * (count - failing - 1)
    return (*(Failure(Code.OK),) * failing, Failure(code), *later)


def _events_of(effect: Effect) -> tuple[Event, ...]:
    match effect:
        case NodeCreated():
            return events_of_creation(effect.path)
        case NodeDeleted():
            return events_of_deletion(effect.path)
        case ValueSet():
            return (Event(EventType.DATA_CHANGED, effect.path),)
        case _:
            return ()

"""Values that every part of the registry speaks: codes, stats, access lists, requests, results, effects, events.

No behaviour lives here. Names follow ZooKeeper's protocol (zookeeper.jute) where it has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, TypeAlias

ANY_VERSION: Final = -1


class Code(IntEnum):
    """Error codes of ZooKeeper (KeeperException.Code)."""

    OK = 0
    RUNTIME_INCONSISTENCY = -2
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    BAD_ARGUMENTS = -8
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    SESSION_EXPIRED = -112
    INVALID_ACL = -114
    AUTH_FAILED = -115
    NO_WATCHER = -121


class Refused(Exception):
    """A request that the server answers with an error code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Permission(IntFlag):
    """What an access list grants."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


class Identity(NamedTuple):
    """Who a connection has proved to be."""

    scheme: str
    name: str


class Access(NamedTuple):
    """One line of an access list."""

    permissions: int
    scheme: str
    name: str


AccessList: TypeAlias = tuple[Access, ...]
OPEN: Final[AccessList] = (Access(Permission.ALL, "world", "anyone"),)
READ_ONLY: Final[AccessList] = (Access(Permission.READ, "world", "anyone"),)


class Stat(NamedTuple):
    """A znode's facts, in the order of the wire."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int


class EventType(IntEnum):
    """What a watch tells."""

    CREATED = 1
    DELETED = 2
    DATA_CHANGED = 3
    CHILDREN_CHANGED = 4


class Event(NamedTuple):
    """One message to a watcher."""

    type: EventType
    path: str


Notification: TypeAlias = tuple[int, Event]
"""(watcher, event)."""


class WatchMode(IntEnum):
    """Modes of addWatch."""

    PERSISTENT = 0
    PERSISTENT_RECURSIVE = 1


class WatcherType(IntEnum):
    """Kinds of checkWatches and removeWatches (Watcher.WatcherType, with the two of 3.9)."""

    CHILDREN = 1
    DATA = 2
    ANY = 3
    PERSISTENT = 4
    PERSISTENT_RECURSIVE = 5


# --- requests that change something -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Create a znode."""

    path: str
    value: bytes | None
    access: AccessList
    is_ephemeral: bool = False
    is_sequential: bool = False
    wants_stat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove a znode without children."""

    path: str
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValue:
    """Replace a value."""

    path: str
    value: bytes | None
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAccess:
    """Replace an access list."""

    path: str
    access: AccessList
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Demand a version."""

    path: str
    version: int = ANY_VERSION


Operation: TypeAlias = Create | Delete | SetValue | Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Multi:
    """All or nothing."""

    operations: tuple[Operation, ...]


Write: TypeAlias = Create | Delete | SetValue | SetAccess | Check | Multi


# --- requests that look or watch --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists:
    """Ask for a stat."""

    path: str
    watch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetValue:
    """Ask for value and stat."""

    path: str
    watch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetChildren:
    """Ask for the names of the children."""

    path: str
    watch: bool = False
    wants_stat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAccess:
    """Ask for the access list."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEphemerals:
    """Ask for the session's ephemerals below a prefix."""

    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDescendants:
    """Ask for the number of all znodes below one."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRead:
    """Several reads, each with its own result."""

    operations: tuple[GetValue | GetChildren, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Ask to have caught up: at a single server one always has."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """Ask for the connection's identities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddWatch:
    """Watch until told otherwise."""

    path: str
    mode: WatchMode


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWatches:
    """Forget watches of a path, or (`is_check`) only ask whether there is one."""

    path: str
    type: WatcherType
    is_check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWatches:
    """Set watches again after a reconnection; what changed since `zxid` is told at once."""

    zxid: int
    value: tuple[str, ...]
    exists: tuple[str, ...]
    children: tuple[str, ...]
    persistent: tuple[str, ...] = ()
    recursive: tuple[str, ...] = ()


Read: TypeAlias = (
    Exists | GetValue | GetChildren | GetAccess | GetEphemerals | CountDescendants | MultiRead | Sync | WhoAmI
)
Watching: TypeAlias = AddWatch | RemoveWatches | SetWatches


# --- requests about the connection itself -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """First message: a new session, or (`session_id` not 0) the old one again."""

    last_zxid: int
    timeout_ms: int
    session_id: int
    password: bytes
    has_read_only: bool
    """Whether the client knows the read-only flag, and so expects one in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Prove to be somebody."""

    scheme: str
    credential: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession:
    """End the session; its ephemerals go."""


Request: TypeAlias = Write | Read | Watching | Authenticate | Ping | CloseSession


# --- results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Created:
    """Answer to Create; `stat` when it was asked for."""

    path: str
    stat: Stat | None


@dataclass(frozen=True, slots=True)
class Content:
    """Answer to GetValue."""

    value: bytes | None
    stat: Stat


@dataclass(frozen=True, slots=True)
class Names:
    """Answer to GetChildren and GetEphemerals, sorted."""

    names: tuple[str, ...]
    stat: Stat | None


@dataclass(frozen=True, slots=True)
class AccessOf:
    """Answer to GetAccess."""

    access: AccessList
    stat: Stat


@dataclass(frozen=True, slots=True)
class Count:
    """Answer to CountDescendants."""

    number: int


@dataclass(frozen=True, slots=True)
class Synced:
    """Answer to Sync."""

    path: str


@dataclass(frozen=True, slots=True)
class Identities:
    """Answer to WhoAmI."""

    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error code; within a multi also OK for what would have succeeded."""

    code: Code


Single: TypeAlias = Stat | Created | Content | Names | AccessOf | Count | Synced | Identities | Failure | None


@dataclass(frozen=True, slots=True)
class Many:
    """Answer to Multi and MultiRead: one result an operation, in order."""

    operations: tuple[Operation | GetValue | GetChildren, ...]
    results: tuple[Single, ...]


Result: TypeAlias = Single | Many


# --- effects: what a transaction did, enough to do it again -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeCreated:
    """A znode came."""

    path: str
    value: bytes | None
    access: AccessList
    owner: int


@dataclass(frozen=True, slots=True)
class NodeDeleted:
    """A znode went."""

    path: str


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value was replaced."""

    path: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class AccessSet:
    """An access list was replaced."""

    path: str
    access: AccessList


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session began."""

    session_id: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session ended; its ephemerals went by effects of their own before."""

    session_id: int


TreeEffect: TypeAlias = NodeCreated | NodeDeleted | ValueSet | AccessSet
Effect: TypeAlias = TreeEffect | SessionOpened | SessionClosed


@dataclass(frozen=True, slots=True)
class Transaction:
    """Effects that happen together, under one zxid."""

    zxid: int
    time_ms: int
    effects: tuple[Effect, ...]

"""Values that every part of the registry speaks: error codes, stats, access lists, events. No behaviour lives here."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, TypeAlias

ANY_VERSION: Final = -1
EPHEMERAL: Final = 1
SEQUENTIAL: Final = 2


class Code(IntEnum):
    """Error codes of ZooKeeper (KeeperException.Code)."""

    OK = 0
    RUNTIME_INCONSISTENCY = -2
    UNIMPLEMENTED = -6
    BAD_ARGUMENTS = -8
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
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

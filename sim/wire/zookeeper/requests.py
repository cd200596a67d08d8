"""What clients ask for. Names follow ZooKeeper's protocol (zookeeper.jute) where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sim.wire.zookeeper.values import ANY_VERSION, EPHEMERAL, SEQUENTIAL, AccessList, WatcherType, WatchMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Create a znode; `flags` as on the wire, right or wrong."""

    path: str
    value: bytes | None
    access: AccessList
    flags: int = 0
    wants_stat: bool = False

    @property
    def is_ephemeral(self) -> bool:
        """Whether it dies with the session."""
        return bool(self.flags & EPHEMERAL)

    @property
    def is_sequential(self) -> bool:
        """Whether the server appends a number."""
        return bool(self.flags & SEQUENTIAL)


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


SingleRead: TypeAlias = Exists | GetValue | GetChildren | GetAccess | GetEphemerals | CountDescendants | Sync | WhoAmI
Read: TypeAlias = SingleRead | MultiRead
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

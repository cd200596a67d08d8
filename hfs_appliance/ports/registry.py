"""Registry: a session with the coordination store (ZooKeeper), as a tree of small versioned entries.

The port speaks of paths and bytes; what they mean is the business of the registry room (formats) and of the runtime.
Paths are absolute (`/hfs/<env>/…`). Every call ends within the caller's cancel scope. Errors of all calls: `Transient`
(no connection; nothing was sent or only a read was), `Ambiguous` (a write whose answer was lost), `Fenced` (the session
ended), plus those named below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from hfs_appliance.model.instants import Instant

ANY_VERSION: Final = -1
EVERYTHING: Final = "/"
"""Dirty mark that stands for the whole tree: nothing that was known may be trusted without reading again."""


class SessionState(StrEnum):
    """Where the session stands. SUSPENDED means *we do not know*, never *it is gone*."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUSPENDED = "suspended"
    LOST = "lost"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The session as this process knows it."""

    state: SessionState
    session_id: int
    """0 before the first connection; changes when a session was lost and a new one made."""
    since: Instant
    """When `state` began."""
    lease_until: Instant
    """Our own belief: two thirds of the session timeout after the last answer; past it, stop mutating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Znode:
    """One entry of the tree."""

    path: str
    value: bytes
    version: int
    czxid: int
    mzxid: int
    pzxid: int
    """Transaction that last created or deleted a child; `czxid` while there never was one."""
    ephemeral_owner: int
    """Session that the entry dies with; 0 for a durable one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOp:
    """Create one entry; its parent must exist."""

    path: str
    value: bytes
    is_ephemeral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOp:
    """Replace a value."""

    path: str
    value: bytes
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOp:
    """Remove an entry without children."""

    path: str
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOp:
    """Demand that an entry exists (with this version)."""

    path: str
    version: int = ANY_VERSION


Operation: TypeAlias = CreateOp | SetOp | DeleteOp | CheckOp


class Watch(Protocol):
    """Dirty marks of a subtree. Marks coalesce; a mark says *look*, never what happened."""

    async def wait_dirty(self) -> frozenset[str]:
        """Wait until something under the root may have changed, and give (and clear) the paths marked.

        Contains EVERYTHING after any gap: first call, reconnection, new session, overflow. A path is marked when it was
        created, deleted or its value changed.
        """
        ...

    def close(self) -> None:
        """Stop marking."""
        ...


class Entries(Protocol):
    """What whoever acts may do with the tree: all of a Registry, or what the fence of a term lets through.

    Errors as in Registry, but what a transaction would call Conflict may be one.
    """

    async def get(self, path: str) -> Znode:
        """Read one entry."""
        ...

    async def get_many(self, paths: Iterable[str]) -> Mapping[str, Znode | None]:
        """Read many entries."""
        ...

    async def create(self, path: str, value: bytes = b"") -> object:
        """Create one durable entry."""
        ...

    async def set(self, path: str, value: bytes, *, version: int = ANY_VERSION) -> object:
        """Replace a value."""
        ...

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Remove one entry."""
        ...

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do all or nothing."""
        ...


class Registry(Protocol):
    """One session."""

    def session(self) -> Session:
        """Tell the state of the session now. Costs nothing."""
        ...

    async def wait_session_change(self, seen: Session) -> Session:
        """Wait until (state, session_id) differs from `seen`, and give the new one."""
        ...

    async def get(self, path: str) -> Znode:
        """Read one entry. Errors: Missing."""
        ...

    async def children(self, path: str) -> tuple[str, ...]:
        """List the names (not paths) of an entry's children, sorted. Errors: Missing."""
        ...

    async def get_many(self, paths: Iterable[str]) -> Mapping[str, Znode | None]:
        """Read many entries, pipelined and bounded; None for those that are not there."""
        ...

    async def create(self, path: str, value: bytes = b"", *, is_ephemeral: bool = False) -> Znode:
        """Create one entry, its missing parents too (durable, empty). Errors: Conflict when it exists."""
        ...

    async def set(self, path: str, value: bytes, *, version: int = ANY_VERSION) -> Znode:
        """Replace a value. Errors: Missing; Conflict when the version differs."""
        ...

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Remove one entry. Errors: Missing; Conflict when the version differs or it has children."""
        ...

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do all or nothing; give the transaction's zxid. Errors: Conflict, with the `path` of what failed."""
        ...

    async def sync(self) -> None:
        """Make the reads that follow see every write that finished before this call."""
        ...

    def watch(self, root: str) -> Watch:
        """Mark what changes at or below `root`, whether it exists yet or not."""
        ...

    async def aclose(self) -> None:
        """End the session (its ephemeral entries go at once) within a bounded time, whatever the server does."""
        ...

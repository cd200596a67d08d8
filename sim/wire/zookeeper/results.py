"""What clients are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sim.wire.zookeeper.requests import (
    GetChildren,
    GetValue,
    Operation,
)
from sim.wire.zookeeper.values import AccessList, Code, Identity, Stat


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

"""What a transaction did to the state, enough to do it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sim.wire.zookeeper.values import AccessList


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

"""Transactions and znodes as bytes for the disk: the journal's own format, built from jute's parts."""

from __future__ import annotations

from struct import Struct
from typing import Final, assert_never

from sim.wire.zookeeper import jute
from sim.wire.zookeeper.effects import (
    AccessSet,
    Effect,
    NodeCreated,
    NodeDeleted,
    SessionClosed,
    SessionOpened,
    Transaction,
    ValueSet,
)
from sim.wire.zookeeper.jute import INT, LONG, Malformed, Reader
from sim.wire.zookeeper.protocol import read_access, write_access

_HEAD: Final = Struct("!qqi")
_CREATED, _DELETED, _VALUE_SET, _ACCESS_SET, _OPENED, _CLOSED = (INT.pack(number) for number in range(1, 7))


def write_transaction(transaction: Transaction) -> bytes:
    """Write a transaction; it knows its own end."""
    head = _HEAD.pack(transaction.zxid, transaction.time_ms, len(transaction.effects))
    return head + b"".join(map(_write_effect, transaction.effects))


def read_transaction(reader: Reader) -> Transaction:
    """Read a transaction. Errors: Malformed."""
    zxid, time_ms = reader.i64(), reader.i64()
    return Transaction(zxid, time_ms, reader.vector(lambda: _read_effect(reader)))


def _write_effect(effect: Effect) -> bytes:
    match effect:
        case NodeCreated():
            path, value = jute.string(effect.path), jute.buffer(effect.value)
            return _CREATED + path + value + write_access(effect.access) + LONG.pack(effect.owner)
        case NodeDeleted():
            return _DELETED + jute.string(effect.path)
        case ValueSet():
            return _VALUE_SET + jute.string(effect.path) + jute.buffer(effect.value)
        case AccessSet():
            return _ACCESS_SET + jute.string(effect.path) + write_access(effect.access)
        case SessionOpened():
            return _OPENED + LONG.pack(effect.session_id) + INT.pack(effect.timeout_ms)
        case SessionClosed():
            return _CLOSED + LONG.pack(effect.session_id)
        case _:
            assert_never(effect)


def _read_effect(reader: Reader) -> Effect:
    kind = INT.pack(reader.i32())
    if kind == _CREATED:
        return NodeCreated(reader.string(), reader.buffer(), read_access(reader), reader.i64())
    if kind == _DELETED:
        return NodeDeleted(reader.string())
    if kind == _VALUE_SET:
        return ValueSet(reader.string(), reader.buffer())
    if kind == _ACCESS_SET:
        return AccessSet(reader.string(), read_access(reader))
    if kind == _OPENED:
        return SessionOpened(reader.i64(), reader.i32())
    if kind == _CLOSED:
        return SessionClosed(reader.i64())
    raise Malformed(f"effect {kind.hex()}")

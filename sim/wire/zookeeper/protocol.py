"""ZooKeeper's client protocol: bytes of a frame -> requests, results and events -> bytes of a frame.

Source: zookeeper.jute and ZooDefs.OpCode. A frame is a length (4 bytes) and that many bytes: first a connect message
each way, then requests led by (xid, opcode) and replies led by (xid, zxid, error).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import IntEnum
from struct import Struct
from typing import Final, TypeVar, assert_never

from sim.wire.zookeeper import jute
from sim.wire.zookeeper.jute import INT, Malformed, Reader
from sim.wire.zookeeper.requests import (
    AddWatch,
    Authenticate,
    Check,
    CloseSession,
    Connect,
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
    Ping,
    RemoveWatches,
    Request,
    SetAccess,
    SetValue,
    SetWatches,
    Sync,
    WhoAmI,
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
from sim.wire.zookeeper.values import OPEN, Access, AccessList, Code, Event, Refused, Stat, WatcherType, WatchMode

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)

LARGEST_FRAME: Final = 0xFFFFF
"""jute.maxbuffer: what a client may send."""

NOTIFICATION_XID: Final = -1
CONNECTED_STATE: Final = 3

_REPLY: Final = Struct("!iiqi")
_EVENT: Final = Struct("!iiqiii")
_MULTI_HEADER: Final = Struct("!i?i")
_MULTI_END: Final = _MULTI_HEADER.pack(-1, True, -1)  # noqa: FBT003  # the header's own flag
_STAT: Final = Struct("!qqqqiiiqiiq")
_CONNECTED: Final = Struct("!iiq")


class Opcode(IntEnum):
    """What a request asks for (ZooDefs.OpCode)."""

    ERROR = -1
    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    CHECK_WATCHES = 17
    REMOVE_WATCHES = 18
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    GET_EPHEMERALS = 103
    GET_ALL_CHILDREN_NUMBER = 104
    SET_WATCHES2 = 105
    ADD_WATCH = 106
    WHO_AM_I = 107
    CLOSE_SESSION = -11


def read_connect(frame: bytes) -> Connect:
    """Read a connection's first frame. Errors: Malformed."""
    reader = Reader(frame)
    reader.i32()  # protocol version, always 0
    return Connect(
        last_zxid=reader.i64(),
        timeout_ms=reader.i32(),
        session_id=reader.i64(),
        password=reader.buffer() or b"",
        has_read_only=not reader.is_at_end(),
    )


def read_request(frame: bytes) -> tuple[int, Request | Failure]:
    """Read (xid, request) from a frame; what is unknown or not to be had here is a Failure. Errors: Malformed."""
    reader = Reader(frame)
    xid, opcode = reader.i32(), reader.i32()
    read = _READERS.get(opcode)
    if read is None:
        return xid, Failure(Code.UNIMPLEMENTED)
    try:
        return xid, read(reader)
    except Refused as refusal:
        return xid, Failure(refusal.code)


def _create(reader: Reader, *, wants_stat: bool = False) -> Create:
    return Create(
        path=reader.string(),
        value=reader.buffer(),
        access=read_access(reader),
        flags=reader.i32(),
        wants_stat=wants_stat,
    )


def _create2(reader: Reader) -> Create:
    return _create(reader, wants_stat=True)


def _delete(reader: Reader) -> Delete:
    return Delete(path=reader.string(), version=reader.i32())


def _set_value(reader: Reader) -> SetValue:
    return SetValue(path=reader.string(), value=reader.buffer(), version=reader.i32())


def _check(reader: Reader) -> Check:
    return Check(path=reader.string(), version=reader.i32())


def _get_value(reader: Reader) -> GetValue:
    return GetValue(path=reader.string(), watch=reader.flag())


def _get_children(reader: Reader) -> GetChildren:
    return GetChildren(path=reader.string(), watch=reader.flag())


def _authenticate(reader: Reader) -> Authenticate:
    reader.i32()  # type, always 0
    return Authenticate(scheme=reader.string(), credential=reader.buffer() or b"")


def _add_watch(reader: Reader) -> AddWatch:
    return AddWatch(path=reader.string(), mode=_member(WatchMode, reader.i32()))


def _remove_watches(reader: Reader, *, is_check: bool = False) -> RemoveWatches:
    return RemoveWatches(path=reader.string(), type=_member(WatcherType, reader.i32()), is_check=is_check)


def _member(kind: type[E], number: int) -> E:
    try:
        return kind(number)
    except ValueError:
        raise Refused(Code.BAD_ARGUMENTS) from None


def _set_watches(reader: Reader, *, has_persistent: bool = False) -> SetWatches:
    def paths() -> tuple[str, ...]:
        return reader.vector(reader.string)

    return SetWatches(
        zxid=reader.i64(),
        value=paths(),
        exists=paths(),
        children=paths(),
        persistent=paths() if has_persistent else (),
        recursive=paths() if has_persistent else (),
    )


def _multi(reader: Reader) -> Multi:
    return Multi(operations=_operations(reader, _MULTI_READERS))


def _multi_read(reader: Reader) -> MultiRead:
    return MultiRead(operations=_operations(reader, _MULTI_READ_READERS))


def _operations(reader: Reader, readers: Mapping[int, Callable[[Reader], T]]) -> tuple[T, ...]:
    operations: list[T] = []
    while True:
        opcode, is_done, _ = reader.i32(), reader.flag(), reader.i32()
        if is_done:
            return tuple(operations)
        if opcode not in readers:
            raise Malformed(f"operation {opcode} within a multi")
        operations.append(readers[opcode](reader))


_MULTI_READERS: Final[Mapping[int, Callable[[Reader], Operation]]] = {
    Opcode.CREATE: _create,
    Opcode.CREATE2: _create2,
    Opcode.DELETE: _delete,
    Opcode.SET_DATA: _set_value,
    Opcode.CHECK: _check,
}
_MULTI_READ_READERS: Final[Mapping[int, Callable[[Reader], GetValue | GetChildren]]] = {
    Opcode.GET_DATA: _get_value,
    Opcode.GET_CHILDREN: _get_children,
}
_READERS: Final[Mapping[int, Callable[[Reader], Request]]] = {
    **_MULTI_READERS,
    **_MULTI_READ_READERS,
    Opcode.EXISTS: lambda reader: Exists(path=reader.string(), watch=reader.flag()),
    Opcode.GET_CHILDREN2: lambda reader: replace(_get_children(reader), wants_stat=True),
    Opcode.GET_ACL: lambda reader: GetAccess(path=reader.string()),
    Opcode.SET_ACL: lambda reader: SetAccess(path=reader.string(), access=read_access(reader), version=reader.i32()),
    Opcode.SYNC: lambda reader: Sync(path=reader.string()),
    Opcode.PING: lambda _: Ping(),
    Opcode.MULTI: _multi,
    Opcode.MULTI_READ: _multi_read,
    Opcode.CHECK_WATCHES: lambda reader: _remove_watches(reader, is_check=True),
    Opcode.REMOVE_WATCHES: _remove_watches,
    Opcode.AUTH: _authenticate,
    Opcode.SET_WATCHES: _set_watches,
    Opcode.SET_WATCHES2: lambda reader: _set_watches(reader, has_persistent=True),
    Opcode.ADD_WATCH: _add_watch,
    Opcode.GET_EPHEMERALS: lambda reader: GetEphemerals(prefix=reader.string()),
    Opcode.GET_ALL_CHILDREN_NUMBER: lambda reader: CountDescendants(path=reader.string()),
    Opcode.WHO_AM_I: lambda _: WhoAmI(),
    Opcode.CLOSE_SESSION: lambda _: CloseSession(),
}


def write_connected(connect: Connect, session_id: int, timeout_ms: int, password: bytes) -> bytes:
    """Write the answer to a connect message."""
    read_only = b"\0" if connect.has_read_only else b""
    body = _CONNECTED.pack(0, timeout_ms, session_id) + jute.buffer(password) + read_only
    return INT.pack(len(body)) + body


def write_expired(connect: Connect) -> bytes:
    """Write the answer to a client whose session is no more."""
    return write_connected(connect, 0, 0, bytes(16))


def write_reply(xid: int, zxid: int, result: Result) -> bytes:
    """Write the answer to a request."""
    code = result.code if isinstance(result, Failure) else Code.OK
    body = _many(result) if isinstance(result, Many) else _single(result)
    return _REPLY.pack(16 + len(body), xid, zxid, code) + body


def write_event(event: Event) -> bytes:
    """Write a message to a watcher."""
    path = event.path.encode()
    return _EVENT.pack(28 + len(path), NOTIFICATION_XID, -1, 0, event.type, CONNECTED_STATE) + jute.buffer(path)


def _single(result: Single) -> bytes:
    match result:
        case None | Failure():
            return b""
        case Stat():
            return _STAT.pack(*result)
        case Created():
            return jute.string(result.path) + _optional(result.stat)
        case Content():
            return jute.buffer(result.value) + _STAT.pack(*result.stat)
        case Names():
            return jute.vector(map(jute.string, result.names)) + _optional(result.stat)
        case AccessOf():
            return write_access(result.access) + _STAT.pack(*result.stat)
        case Count():
            return INT.pack(result.number)
        case Synced():
            return jute.string(result.path)
        case Identities():
            return jute.vector(jute.string(each.scheme) + jute.string(each.name) for each in result.identities)
        case _:
            assert_never(result)


def read_access(reader: Reader) -> AccessList:
    """Read an access list. Errors: Malformed."""
    access = reader.vector(lambda: Access(reader.i32(), reader.string(), reader.string()))
    return OPEN if access == OPEN else access  # nearly all are: keep one of them in memory


def write_access(access: AccessList) -> bytes:
    """Write an access list."""
    return jute.vector(
        INT.pack(line.permissions) + jute.string(line.scheme) + jute.string(line.name) for line in access
    )


def _optional(stat: Stat | None) -> bytes:
    return b"" if stat is None else _STAT.pack(*stat)


def _many(many: Many) -> bytes:
    parts = []
    for operation, result in zip(many.operations, many.results, strict=True):
        if isinstance(result, Failure):
            parts += [_MULTI_HEADER.pack(Opcode.ERROR, False, result.code), INT.pack(result.code)]  # noqa: FBT003
        else:
            parts += [_MULTI_HEADER.pack(_opcode(operation), False, 0), _single(result)]  # noqa: FBT003
    return b"".join([*parts, _MULTI_END])


def _opcode(operation: Operation | GetValue | GetChildren) -> Opcode:
    match operation:
        case Create():
            return Opcode.CREATE2 if operation.wants_stat else Opcode.CREATE
        case Delete():
            return Opcode.DELETE
        case SetValue():
            return Opcode.SET_DATA
        case Check():
            return Opcode.CHECK
        case GetValue():
            return Opcode.GET_DATA
        case GetChildren():
            return Opcode.GET_CHILDREN
        case _:
            assert_never(operation)

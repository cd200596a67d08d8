"""A picture of the whole state, and back: taken between two transactions, written and read at leisure.

Taking it copies every znode and is done at once, at a microsecond or two a znode; turning it into bytes is the costly
part, needs nothing of the live state, and may happen in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from sim.wire.zookeeper import jute
from sim.wire.zookeeper.core import Core
from sim.wire.zookeeper.jute import INT, LONG, Malformed, Reader
from sim.wire.zookeeper.protocol import read_access, write_access
from sim.wire.zookeeper.tree import Znode
from sim.wire.zookeeper.values import AccessList

_CHUNK: Final = 256 * 1024
_FACTS: Final = Struct("!qqqqqiiiq")
_Row: TypeAlias = tuple[str, bytes | None, AccessList, bytes]


@dataclass(frozen=True, slots=True)
class Picture:
    """The state as of one transaction."""

    zxid: int
    sessions: tuple[tuple[int, int], ...]
    """(session id, timeout in ms)."""
    znodes: list[_Row]


def picture_of(core: Core) -> Picture:
    """Take a picture."""
    return Picture(
        core.zxid,
        tuple((session.session_id, session.timeout_ms) for session in core.sessions.all()),
        [(path, znode.value, znode.access, _facts(znode)) for path, znode in core.tree.znodes.items()],
    )


def write_picture(picture: Picture) -> Iterator[bytes]:
    """Write a picture in chunks: first zxid, sessions and the number of znodes, then znodes, parents first."""
    sessions = jute.vector(LONG.pack(session_id) + INT.pack(timeout_ms) for session_id, timeout_ms in picture.sessions)
    yield LONG.pack(picture.zxid) + sessions + INT.pack(len(picture.znodes))
    chunk = bytearray()
    for path, value, access, facts in sorted(picture.znodes):
        chunk += jute.string(path) + jute.buffer(value) + write_access(access) + facts
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def restore(core: Core, chunks: Iterable[bytes], *, now_ms: int) -> None:
    """Put the state of a picture into a new core. Errors: Malformed."""
    reading = iter(chunks)
    head = Reader(next(reading, b""))
    core.zxid = head.i64()
    for session_id, timeout_ms in head.vector(lambda: (head.i64(), head.i32())):
        core.sessions.open(session_id, timeout_ms, now_ms)
    missing = head.i32()
    for chunk in reading:
        reader = Reader(chunk)
        while not reader.is_at_end():
            core.tree.place(reader.string(), _read_znode(reader))
            missing -= 1
    if missing:
        raise Malformed(f"{missing} znodes are missing")


def _facts(znode: Znode) -> bytes:
    return _FACTS.pack(
        znode.owner,
        znode.czxid,
        znode.ctime_ms,
        znode.mzxid,
        znode.mtime_ms,
        znode.version,
        znode.aversion,
        znode.creations,
        znode.pzxid,
    )


def _read_znode(reader: Reader) -> Znode:
    return Znode(
        value=reader.buffer(),
        access=read_access(reader),
        owner=reader.i64(),
        czxid=reader.i64(),
        ctime_ms=reader.i64(),
        mzxid=reader.i64(),
        mtime_ms=reader.i64(),
        version=reader.i32(),
        aversion=reader.i32(),
        creations=reader.i32(),
        pzxid=reader.i64(),
    )

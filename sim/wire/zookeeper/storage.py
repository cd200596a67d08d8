"""The registry's data directory: a lock, a secret, snapshots and logs of what came after. Blocking: for threads.

`log.<zxid>` holds transactions from that one on, `snapshot.<zxid>` everything up to that one. Files are made of frames
(magic, length, CRC-32, payload); a log's frame is one batch, and the next is begun only after it is synced. So an
unreadable frame at the very end is a batch that nobody was told of, and is cut off; one with a readable frame behind it
is damage, and refused.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, Self
from zlib import crc32

from hfs_appliance.adapters.process import replace_file
from sim.wire.zookeeper.core import Core
from sim.wire.zookeeper.jute import Malformed, Reader
from sim.wire.zookeeper.records import read_transaction
from sim.wire.zookeeper.snapshot import Picture, restore, write_picture

_FRAME: Final = Struct("!4sII")
_MAGIC: Final = b"hfsR"
_SMALLEST_TURN: Final = 8 * 1024 * 1024


class Locked(Exception):
    """Another server works on the same directory."""


class Damaged(Exception):
    """The directory contradicts itself: something acknowledged would be lost by going on."""


class Storage:
    """An open data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log: BinaryIO | None = None
        self._log_bytes = self._snapshot_bytes = 0

    @classmethod
    @contextmanager
    def open(cls, directory: Path) -> Iterator[Self]:
        """Open (or begin) a directory for this process alone. Errors: Locked, OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (directory / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked("another registry works on this directory") from None
            storage = cls(directory)
            try:
                yield storage
            finally:
                if storage._log is not None:
                    storage._log.close()

    @property
    def is_due(self) -> bool:
        """Whether the log has grown enough for a snapshot: replaying it takes longer than reading one."""
        return self._log_bytes > max(_SMALLEST_TURN, self._snapshot_bytes)

    def recover(self, *, now_ms: int) -> Core:
        """Give the last state that anybody was told of, and get ready to append. Errors: Damaged."""
        core = Core(self._secret())
        if snapshots := self._files("snapshot"):
            _, path = snapshots[-1]
            with _damage_in(path):
                content = path.read_bytes()
                self._snapshot_bytes = len(content)
                restore(core, _whole_frames(content), now_ms=now_ms)
        logs = [path for _, path in self._files("log")]
        for path in logs:
            with _damage_in(path):
                self._log_bytes = _replay(core, path.read_bytes(), now_ms=now_ms, may_be_torn=path == logs[-1])
        if logs:
            self._log = logs[-1].open("r+b")
            self._log.truncate(self._log.seek(self._log_bytes))
            os.fsync(self._log.fileno())
        else:
            self.turn(core.zxid + 1)
        core.sessions.renew_all(now_ms)
        return core

    def append(self, payload: bytes) -> None:
        """Put transactions on disk."""
        assert self._log is not None, "recover first"
        self._log_bytes += self._log.write(_framed(payload))
        self._log.flush()
        os.fdatasync(self._log.fileno())

    def turn(self, first_zxid: int) -> None:
        """Begin a new log."""
        if self._log is not None:
            self._log.close()
        self._log = self._path("log", first_zxid).open("wb")
        self._log_bytes = 0
        self._sync_directory()

    def keep(self, picture: Picture) -> None:
        """Write a snapshot, and remove what it makes superfluous."""
        path = self._path("snapshot", picture.zxid)
        written = path.with_name(".snapshot.new")
        with written.open("wb") as file:
            size = sum(file.write(_framed(chunk)) for chunk in write_picture(picture))
            file.flush()
            os.fsync(file.fileno())
        written.rename(path)
        self._sync_directory()
        self._snapshot_bytes = size
        old = [each for zxid, each in self._files("snapshot") if zxid < picture.zxid]
        old += [each for zxid, each in self._files("log") if zxid <= picture.zxid]
        for each in old:
            each.unlink()

    def _secret(self) -> bytes:
        path = self._directory / "secret"
        if not path.exists():
            replace_file(path, secrets.token_bytes(32), mode=0o600)
            self._sync_directory()
        return path.read_bytes()

    def _path(self, kind: str, zxid: int) -> Path:
        return self._directory / f"{kind}.{zxid:016x}"

    def _files(self, kind: str) -> list[tuple[int, Path]]:
        return sorted((int(path.suffix[1:], 16), path) for path in self._directory.glob(f"{kind}.*"))

    def _sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def _damage_in(path: Path) -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise Damaged(f"{path}: {error}") from None


def _replay(core: Core, content: bytes, *, now_ms: int, may_be_torn: bool) -> int:
    """Carry out a log's transactions again; give the length of its readable part. Errors: Malformed."""
    good = 0
    while (payload := _frame_at(content, good)) is not None:
        good += _FRAME.size + len(payload)
        reader = Reader(payload)
        while not reader.is_at_end():
            transaction = read_transaction(reader)
            if transaction.zxid > core.zxid + 1:
                raise Malformed(f"transaction {core.zxid + 1:#x} is missing")
            if transaction.zxid > core.zxid:  # the snapshot has the others
                core.replay(transaction, now_ms=now_ms)
    if good < len(content) and not (may_be_torn and _is_last_batch(content, good)):
        raise Malformed(f"unreadable at byte {good}")
    return good


def _whole_frames(content: bytes) -> Iterable[bytes]:
    offset = 0
    while offset < len(content):
        payload = _frame_at(content, offset)
        if payload is None:
            raise Malformed(f"unreadable at byte {offset}")
        yield payload
        offset += _FRAME.size + len(payload)


def _framed(payload: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, len(payload), crc32(payload)) + payload


def _frame_at(content: bytes, offset: int) -> bytes | None:
    """Give the payload of the frame that begins there; None when there is none, or not a whole one."""
    start = offset + _FRAME.size
    if start > len(content):
        return None
    magic, length, checksum = _FRAME.unpack_from(content, offset)
    payload = content[start : start + length]
    return payload if magic == _MAGIC and len(payload) == length and crc32(payload) == checksum else None


def _is_last_batch(content: bytes, offset: int) -> bool:
    """Tell whether no readable frame follows an unreadable one."""
    while (offset := content.find(_MAGIC, offset + 1)) >= 0:
        if _frame_at(content, offset) is not None:
            return False
    return True

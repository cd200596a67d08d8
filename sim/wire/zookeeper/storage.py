"""The registry's data directory: a lock, a secret and the log. Blocking; who must not wait calls it from a thread."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Final, Self
from zlib import crc32

from sim.wire.zookeeper.core import Core
from sim.wire.zookeeper.jute import Reader
from sim.wire.zookeeper.records import read_transaction

_FRAME: Final = Struct("!4sII")
_MAGIC: Final = b"hfsL"


class Locked(Exception):
    """Another server works on the same directory."""


class Damaged(Exception):
    """The directory's content contradicts itself: something acknowledged would be lost by going on."""


class Storage:
    """An open data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = -1

    @classmethod
    @contextmanager
    def open(cls, directory: Path) -> Iterator[Self]:
        """Open (or begin) a directory for this process alone. Errors: Locked, OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(f"{directory} is in use by another registry") from None
            yield cls(directory)

    def recover(self, *, now_ms: int) -> Core:
        """Give the state that was last acknowledged."""
        core = Core(self._secret())
        path = self._directory / "log"
        content = path.read_bytes() if path.exists() else b""
        good = 0
        while good + _FRAME.size <= len(content):
            magic, length, checksum = _FRAME.unpack_from(content, good)
            payload = content[good + _FRAME.size : good + _FRAME.size + length]
            if magic != _MAGIC or len(payload) < length or crc32(payload) != checksum:
                break
            reader = Reader(payload)
            while not reader.is_at_end():
                core.replay(read_transaction(reader), now_ms=now_ms)
            good += _FRAME.size + length
        core.sessions.renew_all(now_ms)
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._log, good)
        return core

    def append(self, payload: bytes) -> None:
        """Put transactions on disk."""
        frame = _FRAME.pack(_MAGIC, len(payload), crc32(payload)) + payload
        os.write(self._log, frame)
        os.fdatasync(self._log)

    def _secret(self) -> bytes:
        path = self._directory / "secret"
        if not path.exists():
            path.write_bytes(secrets.token_bytes(32))
        return path.read_bytes()

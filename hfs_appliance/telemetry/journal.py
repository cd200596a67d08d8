"""Journal: the events of this environment on disk, one canonical line each; a fold over the bus.

Every line goes to the kernel before `__call__` returns: a killed process loses nothing, a machine that loses power at
most its last seconds. `events.log` is the current file, `events.log.1` the one before it, and so on; the oldest goes
when there are too many.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from hfs_appliance.model.events import Recorded
from hfs_appliance.telemetry import canonical

MAX_BYTES: Final = 16 << 20
MAX_FILES: Final = 8
"""Rotated files beside the current one: 144 MiB in all."""
NEWEST_BYTES: Final = 512 << 10
_TAIL_BYTES: Final = 64 << 10
"""More than the longest line, so that the end of a file always shows its last whole one."""


class Journal:
    """Appends to `<directory>/events.log`. Errors: OSError from the disk."""

    _descriptor: int
    _size: int
    _is_torn: bool
    """The file does not end with a line end: a write was cut short."""

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self._path = directory / "events.log"
        self._max_bytes = max_bytes
        self._max_files = max_files
        directory.mkdir(parents=True, exist_ok=True)
        self.last_seq = max(_last_seq(self._path), _last_seq(self._rotated(1)))
        """Number of the newest event found on opening; 0 when there is none."""
        self._open()

    def __call__(self, recorded: Recorded) -> None:
        """Append one event."""
        line = canonical.write(recorded).encode("ascii") + b"\n"
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        if self._is_torn:
            line = b"\n" + line
        # Unbuffered, and O_APPEND: one line is one write. A short one (disk full) leaves a torn line behind.
        written = os.write(self._descriptor, line)
        self._size += written
        self._is_torn = written < len(line)
        if self._is_torn:
            raise OSError(f"{self._path}: {written} of {len(line)} bytes were written")

    def close(self) -> None:
        """Close the file; nothing may be appended afterwards."""
        os.close(self._descriptor)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._descriptor).st_size
        self._is_torn = self._size > 0 and os.pread(self._descriptor, 1, self._size - 1) != b"\n"

    def _rotate(self) -> None:
        if self._path.exists():  # else an earlier attempt got no further
            for number in range(self._max_files, 1, -1):
                younger = self._rotated(number - 1)
                if younger.exists():
                    younger.replace(self._rotated(number))
            self._path.replace(self._rotated(1))
        full = self._descriptor
        self._open()  # the full file stays in use when this fails
        os.close(full)

    def _rotated(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def newest(directory: Path, max_bytes: int = NEWEST_BYTES) -> list[Recorded]:
    """Give the newest events on disk, a few thousand; what is torn or of another version is left out."""
    path = directory / "events.log"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - max_bytes))
            lines = file.read().decode("ascii", "replace").split("\n")
    except FileNotFoundError:
        return []
    found: list[Recorded] = []
    for line in lines:
        with suppress(canonical.NotCanonical):
            found.append(canonical.read(line))
    return found


def _last_seq(path: Path) -> int:
    """Give the number of the last whole line of a file; 0 when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    for line in reversed(lines[:-1]):  # what follows the last line end is torn
        seq = line.split(b" ", 1)[0]
        if seq.isdigit():
            return int(seq)
    return 0

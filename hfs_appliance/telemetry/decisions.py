"""The decision journal: each World that was decided upon, with its Plan, as what has changed since the one before.

A file is a gzip stream of JSON lines (`zcat … | jq` reads it). Its first line says what wrote it, its second one tells
everything, each one after it what differs (deltas.py); so a file stands by itself, and the oldest ones can go. What was
given to `write` is with the kernel when it returns: a killed process loses nothing of it, and what a crash has torn is
skipped, with a word.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from hfs_appliance import __version__
from hfs_appliance.model.instants import HOUR, Duration, Instant, after
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.world import World
from hfs_appliance.telemetry.deltas import NOTHING, SAME, codec

FILE_BYTES: Final = 4 << 20
TOTAL_BYTES: Final = 64 << 20
LONGEST: Final = HOUR
"""A file covers no more: reading begins at its snapshot."""
_LEVEL: Final = 1
_GZIP: Final = 31
"""zlib's word for a gzip stream with the largest window."""
_MANY: Final = 50
"""Entries of a mapping that are written each in one piece."""
_PORTION: Final = 1_000
"""Pieces that are compressed at once."""
_PREFIX: Final = "decisions-"
_SUFFIX: Final = ".jsonl.gz"
_WORLD: Final = codec(World)
_PLAN: Final = codec(Plan)


class DecisionLog:
    """Writes `<directory>/decisions-<ns>.jsonl.gz`; the name is the instant of the first decision."""

    def __init__(
        self,
        directory: Path,
        *,
        file_bytes: int = FILE_BYTES,
        total_bytes: int = TOTAL_BYTES,
        longest: Duration = LONGEST,
    ) -> None:
        self.directory = directory
        self._file_bytes = file_bytes
        self._total_bytes = total_bytes
        self._longest = longest
        self._descriptor: int | None = None
        self._before: tuple[Any, Any] = (NOTHING, NOTHING)

    def write(self, decisions: Iterable[tuple[World, Plan]]) -> None:
        """Append decisions. Errors: OSError from the disk; the next ones begin a new file then."""
        for world, plan in decisions:
            if self._descriptor is None or self._size >= self._file_bytes or world.now >= self._ends_at:
                self._begin(world.now)
            former_world, former_plan = self._before
            told = {"w": _WORLD.delta(former_world, world), "p": _PLAN.delta(former_plan, plan)}
            self._before = (world, plan)
            self._put({name: differs for name, differs in told.items() if differs is not SAME})
        if self._descriptor is not None:
            self._flush(zlib.Z_SYNC_FLUSH)

    def close(self) -> None:
        """End the file; the next decision begins another one. Errors: OSError."""
        if self._descriptor is not None:
            self._flush(zlib.Z_FINISH)
            self._abandon()

    def _begin(self, now: Instant) -> None:
        self.close()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._make_room()
        path = self.directory / f"{_PREFIX}{now:019d}{_SUFFIX}"
        # A restart within one instant of the clock cannot be; a clock that was set back can: then the later file wins.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o640)
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._size = 0
        self._ends_at = after(now, self._longest)
        self._before = (NOTHING, NOTHING)
        self._ready: list[bytes] = []
        self._put({"hfs": __version__})

    def _put(self, told: Any) -> None:
        portion: list[str] = []
        for piece in _pieces(told):
            portion.append(piece)
            if len(portion) >= _PORTION:
                self._compress("".join(portion))
                portion.clear()
        self._compress("".join(portion) + "\n")

    def _compress(self, text: str) -> None:
        self._ready.append(self._stream.compress(text.encode("ascii")))

    def _flush(self, how: int) -> None:
        content = b"".join((*self._ready, self._stream.flush(how)))
        self._ready = []
        assert self._descriptor is not None
        try:
            written = os.write(self._descriptor, content)
        except OSError:
            self._abandon()
            raise
        self._size += written
        if written < len(content):  # what follows could not be read: the stream is torn here
            self._abandon()
            raise OSError(f"{self.directory}: {written} of {len(content)} bytes of a decision were written")

    def _abandon(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _make_room(self) -> None:
        """Remove the oldest files until one more has room."""
        found = [(path, path.stat().st_size) for path in files(self.directory)]
        total = sum(size for _, size in found)
        for path, size in found:
            if total + self._file_bytes <= self._total_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _pieces(told: Any) -> Iterator[str]:
    """Write JSON piece by piece: one call for tens of thousands of servers would hold up every other thread."""
    if not told or not isinstance(told, dict | list):
        yield json.dumps(told, separators=(",", ":"))
        return
    is_entries = isinstance(told, dict) and len(told) > _MANY
    opening, closing = "{}" if isinstance(told, dict) else "[]"
    heads = (f"{json.dumps(key)}:" for key in told) if isinstance(told, dict) else repeat("")
    between = opening
    for head, value in zip(heads, told.values() if isinstance(told, dict) else told, strict=False):
        yield f"{between}{head}"
        if is_entries:
            yield json.dumps(value, separators=(",", ":"))
        else:
            yield from _pieces(value)
        between = ","
    yield closing


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision as it was made."""

    world: World
    plan: Plan
    version: str
    """Of the hfs that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A place at which decisions are missing, and why."""

    path: Path
    words: str


class _Unreadable(Exception):
    """The rest of a file cannot be read."""


def files(directory: Path) -> Sequence[Path]:
    """List the files of decisions, the oldest first."""
    return sorted(directory.glob(f"{_PREFIX}*{_SUFFIX}"))


def began_at(path: Path) -> Instant:
    """Tell when the first decision of a file was made."""
    return Instant(int(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)))


def read(directory: Path, since: Instant, until: Instant) -> Iterator[Decided | Torn]:
    """Give the decisions from the last file that begins before `since` on, and not after `until`."""
    found = files(directory)
    earlier = [path for path in found if began_at(path) <= since]
    for path in found[max(0, len(earlier) - 1) :]:
        if began_at(path) > until:
            return
        try:
            for decided in _read_file(path):
                if decided.world.now > until:
                    return
                yield decided
        except _Unreadable as error:
            yield Torn(path=path, words=str(error))


def _read_file(path: Path) -> Iterator[Decided]:
    version = ""
    world: Any = NOTHING
    plan: Any = NOTHING
    for line in _lines(path):
        try:
            told = json.loads(line)
        except ValueError as error:
            raise _Unreadable(f"is damaged: {error}") from error
        try:
            if "hfs" in told:
                version = told["hfs"]
                continue
            world = _WORLD.apply(world, told["w"]) if "w" in told else world
            plan = _PLAN.apply(plan, told["p"]) if "p" in told else plan
            if world is NOTHING or plan is NOTHING:
                raise ValueError("it does not begin with everything")  # noqa: TRY301  # as any other odd content
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise _Unreadable(f"hfs {version or 'of an unknown version'} wrote what this one cannot read") from error
        yield Decided(world=world, plan=plan, version=version)


def _lines(path: Path) -> Iterator[bytes]:
    stream, rest = zlib.decompressobj(_GZIP), b""
    with path.open("rb") as file:
        while portion := file.read(1 << 16):
            try:
                lines = (rest + stream.decompress(portion)).split(b"\n")
            except zlib.error as error:
                raise _Unreadable(f"is damaged: {error}") from error
            rest = lines.pop()
            yield from lines
    if rest:
        raise _Unreadable("ends in the middle of a decision: it was being written when hfs died")

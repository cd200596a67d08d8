"""NginxLoad: the LoadSource port over the access log of one nginx, which is read as it grows and when it is rotated.

Nothing is lost between two readings: what nginx wrote is there. It writes within a second (`flush=1s`), so a reading is
that much behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.nginx.accesslog import Owner, Place, measure, thinned
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.load import Reading
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Transient
from hfs_appliance.proxy.render import endpoint_of
from hfs_appliance.proxy.table import RouteTable

BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one reading; of more only the end is read."""


class NginxLoad:
    """What one nginx has measured."""

    def __init__(self, directory: Path, table: Callable[[], RouteTable | None], clock: Clock) -> None:
        self._path = directory.absolute() / "logs" / "access.log"
        self._table = table
        """The table in force."""
        self._clock = clock
        self._known: RouteTable | None = None
        self._owners: dict[Place, Owner] = {}
        """Whose a place is, or was last: requests end after their instance has left the table."""
        self._rotated = self._path.with_suffix(".log.1")
        self._log: _Place | None = None
        self._former: _Place | None = None
        """In the log before, when it was rotated away just now."""
        self._read_at: Instant | None = None

    async def skip(self) -> None:
        """Begin to count now. Errors: Transient."""
        await trio.lowlevel.checkpoint()
        self._former = None
        with self._trouble_is_transient():
            self._log = _Place.within(self._path, at_end=True)
        self._read_at = self._clock.now()

    async def read(self) -> Reading:
        """Give what ended since the last time. Errors: Transient."""
        if self._read_at is None:
            await self.skip()
        assert self._read_at is not None
        self._learn()
        begin, end = self._read_at, self._clock.now()
        owners = self._owners
        services = await trio.to_thread.run_sync(lambda: measure(*thinned(self._new().splitlines()), owners))
        self._read_at = end
        return Reading(begin=begin, end=end, services=services)

    def _learn(self) -> None:
        table = self._table()
        if table is not None and table is not self._known:
            self._known = table
            for route in table.routes.values():
                for member in route.reachable:
                    self._owners[endpoint_of(member.address, member.port)] = (route.service, member.version)

    def _new(self) -> bytes:
        """Give what was written since, in the log and in the one that was rotated away."""
        content = b""
        with self._trouble_is_transient():
            present = _Place.within(self._path, at_end=False)
            if self._former is not None:
                # A worker may have written to it after the new one was there: it is read once more.
                content += self._former.rest(self._rotated)
                self._former = self._former if self._log is None else None
            if self._log is not None and (present is None or present.inode != self._log.inode):
                content += self._log.rest(self._rotated)
                self._former, self._log = self._log, None
            if self._log is None:
                self._log = present
            if self._log is not None:
                content += self._log.rest(self._path)
        return content

    @contextmanager
    def _trouble_is_transient(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Transient(f"{self._path}: {error.strerror}") from None


@dataclass(slots=True)
class _Place:
    """A place in a file, which is known again whatever it is called by now."""

    inode: int
    offset: int

    @classmethod
    def within(cls, path: Path, *, at_end: bool) -> _Place | None:
        """Give the beginning or the end of a file, if there is one."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        return cls(status.st_ino, status.st_size if at_end else 0)

    def rest(self, path: Path) -> bytes:
        """Give the whole lines from here on, the last ones when they are too many; nothing of another file."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return b""
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self.inode:
                return b""
            start = self.offset if status.st_size >= self.offset else 0  # smaller: somebody has emptied it
            start = max(start, status.st_size - BYTES_MAX)
            file.seek(start)
            content = file.read(status.st_size - start)
        length = content.rfind(b"\n") + 1
        self.offset = start + length
        return content[:length]

"""Dirty marks of a subtree: what the recursive watch of the server tells, coalesced until somebody looks.

Plain trio values; who adds the watch on the server again after a reconnection, and when, is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.registry import EVERYTHING

_MOST_MARKS: Final = 100_000
"""More paths than that are not kept: everything is read again. A zone of a fleet of 55,000 servers marks 20,000 when it
goes; to read those costs a fifth of all, and what was seen all the time is not taken for what came after a gap."""


class SubtreeWatch:
    """Implements the port's Watch."""

    def __init__(self, root: str, on_close: Callable[[SubtreeWatch], None]) -> None:
        self.root = root
        self._below = root if root.endswith("/") else f"{root}/"
        self._on_close = on_close
        self._marks: set[str] = set()
        self._failure: PortError | None = None
        self._wake = trio.Event()

    async def wait_dirty(self) -> frozenset[str]:
        """Wait for marks, and take them. Errors: Fenced when the registry was closed; what made watching impossible."""
        await trio.lowlevel.checkpoint()
        while not self._marks:
            if self._failure is not None:
                raise self._failure
            await self._wake.wait()
        marks, self._marks, self._wake = frozenset(self._marks), set(), trio.Event()
        return marks

    def close(self) -> None:
        """Stop marking. The server goes on telling until the next reconnection; nobody listens."""
        self._on_close(self)

    def mark(self, path: str) -> None:
        """Mark `path` when it lies in this subtree."""
        if path != self.root and not path.startswith(self._below):
            return
        self._marks.add(path)
        if len(self._marks) > _MOST_MARKS:
            self._marks = {EVERYTHING}
        self._wake.set()

    def mark_everything(self) -> None:
        """Say that nothing known may be trusted."""
        self._failure = None
        self._marks.add(EVERYTHING)
        self._wake.set()

    def fail(self, failure: PortError) -> None:
        """Have the next wait end with `failure`."""
        self._failure = failure
        self._wake.set()

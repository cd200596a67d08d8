"""Dirty: the level-triggered mark with which one part tells another to look again; never what happened."""

from __future__ import annotations

import trio


class Dirty:
    """A mark for one waiter. Marks made while it works are not lost: the next wait returns at once."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def mark(self) -> None:
        """Ask the waiter to look again."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for a mark and clear it."""
        await self._event.wait()
        self.clear()

    def clear(self) -> None:
        """Forget a mark: the waiter looks now."""
        self._event = trio.Event()

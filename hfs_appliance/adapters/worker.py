"""The Worker over one thread: computations wait for each other, never for the loop nor the loop for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio

T = TypeVar("T")


class ThreadWorker:
    """One computation at a time, off the loop."""

    def __init__(self) -> None:
        self._one: Final = trio.CapacityLimiter(1)

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread."""
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._one)

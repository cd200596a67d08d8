"""Worker: where long computations go, so that the loop (and with it the lease) is never held up by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Worker(Protocol):
    """Carries out pure work. Cancelled waiting abandons the work; its result is dropped."""

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` and give its result, or raise what it raised."""
        ...

"""Ground: what servers stand on, in a cloud where that has to be made. Nothing here waits, repeats or decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundStep:
    """Something that can be done now."""

    words: str
    """What is made or removed: `network private`."""
    take: Callable[[], Awaitable[None]]
    """Ask for it, once. Errors: PortError; Ambiguous: look before you repeat it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundView:
    """What of it is there."""

    pieces: tuple[str, ...]
    """In words; a second one of its name is there, too."""
    to_make: tuple[GroundStep, ...]
    """All that can be done at once towards what is wanted; none: it is all there, once each."""
    to_remove: tuple[GroundStep, ...]
    """All that can be removed at once."""
    differences: tuple[str, ...] = ()
    """What is there otherwise than wanted, and stays as it is."""


class Ground(Protocol):
    """The foundation of one environment. What is ours is known by what the cloud tells of it, by nothing else."""

    async def look(self) -> GroundView:
        """Look at all of it. Errors: Transient, Exhausted, Rejected."""
        ...

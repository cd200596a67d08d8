"""EventSink: where everything that happens is told."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.events import Event


class EventSink(Protocol):
    """Takes events; never blocks, never fails its caller."""

    def emit(self, actor: str, event: Event, *, cause: int | None = None) -> int:
        """Put `event` on the stream and give its sequence number, for the `cause` of what follows from it."""
        ...

"""The simulated world's heap, played as the machine's own time passes."""

from __future__ import annotations

from heapq import heappop

from hfs_appliance.model.instants import Instant
from sim.clock import WorldClock


class Timeline(WorldClock):
    """Callbacks are carried out when somebody looks, each at its own instant: nobody can tell the difference."""

    def __init__(self, begins: Instant) -> None:
        super().__init__()
        self._now = begins

    def play_until(self, instant: Instant) -> None:
        """Let everything happen that is due by `instant`."""
        heap = self._heap
        while heap and heap[0][0] <= instant:
            self._now, _, timer = heappop(heap)
            if timer.act is not None:
                timer.act()
        self._now = max(self._now, instant)

    def next_at(self) -> Instant | None:
        """Give when something is due next."""
        return Instant(self._heap[0][0]) if self._heap else None

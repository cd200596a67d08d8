"""The Prober port, simulated: an address answers as what really runs there does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hfs_appliance.model.instants import Duration, format_duration
from hfs_appliance.model.probes import Answer, Pulse, Target
from sim.clock import Reply, WorldClock
from sim.streams import Stream, Table

PROBING: Final = Table.of_ms((0, 1), (500, 3), (990, 40), (1000, 300))
"""An assumption: a small HTTP request within one datacentre."""


class SimProber:
    """Implements the port's Prober."""

    def __init__(self, clock: WorldClock, stream: Stream, answer: Callable[[Target], Answer | None]) -> None:
        self._clock: Final = clock
        self._stream: Final = stream
        self._answer: Final = answer
        """What is said at an address now; None: nothing ever comes back."""
        self.is_cut_off = False
        """N4: whether nothing that is sent reaches an instance."""
        self.asked = 0

    async def probe(self, target: Target, *, within: Duration) -> Answer:
        """Ask once."""
        reply: Reply[Answer] = Reply()
        self.asked += 1

        def arrive() -> None:
            answer = None if self.is_cut_off else self._answer(target)
            if answer is not None and not reply.is_given:
                reply.give(answer)

        def give_up() -> None:
            if not reply.is_given:
                reply.give(Answer(pulse=Pulse.DARK, words=f"no connection within {format_duration(within)}"))

        self._clock.after(self._stream.draw(PROBING), arrive)
        self._clock.after(within, give_up)
        return await reply.wait()

"""The StrainSource port, simulated: agents tell how busy the traffic keeps their servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hfs_appliance.model.instants import Duration
from hfs_appliance.model.strain import Strain
from sim.clock import Reply, WorldClock
from sim.prober import PROBING
from sim.streams import Stream


class SimStrain:
    """Implements the port's StrainSource."""

    def __init__(self, clock: WorldClock, stream: Stream, find: Callable[[str], Strain | None]) -> None:
        self._clock: Final = clock
        self._stream: Final = stream
        self._find: Final = find
        """What the agent at an address would say now."""
        self.is_silent = False
        """L-8: whether no agent answers."""

    async def ask(self, address: str, *, within: Duration) -> Strain | None:
        """Ask one agent."""
        reply: Reply[Strain | None] = Reply()

        def arrive() -> None:
            found = None if self.is_silent else self._find(address)
            if found is not None and not reply.is_given:
                reply.give(found)

        def give_up() -> None:
            if not reply.is_given:
                reply.give(None)

        self._clock.after(self._stream.draw(PROBING), arrive)
        self._clock.after(within, give_up)
        return await reply.wait()

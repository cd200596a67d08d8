"""Sweeping: takes away the second server of one identity, which a creation has left behind that came late (O3).

Both run an agent that takes itself for the same server, and they would take each other's place in the registry for
ever. The one that counts to everybody stays; to policy there was only ever that one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from hfs_appliance.model.events import SpareSwept
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.cloud import Spares
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.runtime.leadership import Leadership

LOOK_EVERY: Final = seconds(5)
CALLS_WITHIN: Final = seconds(60)


class Sweeper:
    """Sweeps while this appliance leads."""

    def __init__(self, spares: Spares, leadership: Leadership, sink: EventSink) -> None:
        self._spares: Final = spares
        self._leadership: Final = leadership
        self._sink: Final = sink

    async def run(self) -> None:
        """Sweep until cancelled; what fails is tried again with the next look."""
        while True:
            while self._leadership.acting is None:
                await self._leadership.wait_change()
            with suppress(PortError), trio.move_on_after(to_seconds(CALLS_WITHIN)):
                for server in await self._spares.sweep(permit=self._leadership.demand_lease):
                    self._sink.emit("sweeper", SpareSwept(server=server))
            await trio.sleep(to_seconds(LOOK_EVERY))

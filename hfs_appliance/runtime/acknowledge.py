"""What the proxy of this appliance serves, told to everybody: how a leader knows that a traffic epoch has arrived.

An ephemeral entry: a proxy of which nobody hears any more holds nothing up. Where there is a load balancer, the entry
also tells it where this proxy is and how it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfs_appliance.adapters.presence import Presence
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.events import PartFailed
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.traffic import ProxyServes, ProxyState
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout


class Acknowledgement:
    """The entry of this appliance's proxy."""

    def __init__(
        self, registry: Registry, layout: Layout, us: Candidate, sink: EventSink, place: Place | None = None
    ) -> None:
        self._us = us
        self._sink = sink
        self._place = place
        self._presence = Presence(registry, layout.proxy(us.appliance), self._complain)
        self._serves = ProxyServes(proxy=us.name)
        if place is not None:
            self._serves = replace(self._serves, address=place.address, port=place.port)
        self._is_told = False

    def serve(self, epochs: Mapping[ServiceName, int]) -> None:
        """Say which epochs the table follows that the proxy serves now."""
        self._tell(replace(self._serves, epochs=epochs))

    def describe(self, state: ProxyState, words: str) -> None:
        """Say how the proxy is, once it has served anything."""
        if self._place is not None and self._serves.state is not ProxyState.LEAVING:
            described = replace(self._serves, state=state, words=words)
            if self._is_told:
                self._tell(described)
            self._serves = described

    def _tell(self, serves: ProxyServes) -> None:
        if not self._is_told or serves != self._serves:
            self._serves, self._is_told = serves, True
            self._presence.want(write(serves))

    async def withdraw(self) -> None:
        """Take the entry back; needs no task that keeps it."""
        await self._presence.withdraw()

    async def keep(self) -> None:
        """Keep the entry until cancelled."""
        await self._presence.keep()

    def _complain(self, words: str) -> None:
        self._sink.emit("proxy", PartFailed(part="acknowledgement", words=words))

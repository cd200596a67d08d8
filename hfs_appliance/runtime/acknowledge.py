"""Which traffic epochs the proxy of this appliance follows, told to everybody: how a leader knows that one has arrived.

An ephemeral entry: a proxy of which nobody hears any more holds nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping

from hfs_appliance.adapters.presence import Presence
from hfs_appliance.model.events import PartFailed
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.traffic import ProxyServes
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout


class Acknowledgement:
    """The entry of this appliance's proxy."""

    def __init__(self, registry: Registry, layout: Layout, us: Candidate, sink: EventSink) -> None:
        self._us = us
        self._sink = sink
        self._presence = Presence(registry, layout.proxy(us.appliance), self._complain)
        self._told: Mapping[ServiceName, int] | None = None

    def serve(self, epochs: Mapping[ServiceName, int]) -> None:
        """Say which epochs the table follows that the proxy serves now."""
        if self._told != epochs:
            self._told = epochs
            self._presence.want(write(ProxyServes(proxy=self._us.name, epochs=epochs)))

    async def keep(self) -> None:
        """Keep the entry until cancelled."""
        await self._presence.keep()

    def _complain(self, words: str) -> None:
        self._sink.emit("proxy", PartFailed(part="acknowledgement", words=words))

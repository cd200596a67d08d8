"""The edge: one reverse proxy by itself, on a server that has no other business. It follows the registry and writes
nothing there but what it serves.

The routes are not sent to it: they follow from registrations, traffic epochs and the desired state, which it reads as
every appliance does and turns into a table by the same rules. So a table may be as large as nginx takes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.balancer import Place
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Registry
from hfs_appliance.ports.web import Proxy, SpecSource
from hfs_appliance.ports.worker import Worker
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.acknowledge import Acknowledgement
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.ledger import LedgerStore
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.sized import SizedDesired
from hfs_appliance.runtime.supervise import Part, restarting, together


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParts:
    """The outside of one edge, behind its ports."""

    registry: Registry
    proxy: Proxy
    last_good: RouteTable | None
    """The table that the proxy serves already."""
    specs: SpecSource
    worker: Worker
    clock: Clock
    sink: EventSink
    us: Candidate
    """This proxy, as the others of the environment are told."""
    place: Place
    """Where it is reached."""


class Edge:
    """The loops of one proxy, wired to each other by marks; nothing runs until `run`."""

    def __init__(self, parts: EdgeParts, environment: EnvironmentName, session_timeout: Duration) -> None:
        self._parts = parts
        layout, clock, sink = Layout(environment), parts.clock, parts.sink
        to_route, to_merge, nobody = Dirty(), Dirty(), Dirty()
        both = (to_route, to_merge)
        self._acknowledgement = Acknowledgement(parts.registry, layout, parts.us, sink, parts.place)
        desired = DesiredStore(parts.registry, layout, clock=clock, sink=sink, dirty=both)
        ledger = LedgerStore(parts.registry, layout, sink)
        self._view = RegistryObserver(parts.registry, layout, session_timeout, clock=clock, sink=sink, dirty=both)
        self._view.on_entry(layout.desired, desired.hear)
        self._view.on_entry(layout.ledger, ledger.hear)
        self.routes = ProxyPublisher(
            parts.proxy,
            SizedDesired(desired, ledger),
            self._view,
            parts.last_good,
            clock=clock,
            sink=sink,
            dirty=to_route,
            published=nobody,
            acknowledgement=self._acknowledgement,
        )
        self._documents = DocumentPublisher(
            parts.proxy,
            parts.specs,
            parts.worker,
            desired,
            self._view,
            clock=clock,
            sink=sink,
            dirty=to_merge,
            published=nobody,
        )

    async def run(self) -> None:
        """Follow until cancelled."""
        await together(
            self._part("registry observer", self._view.run),
            self._part("proxy publisher", self.routes.run),
            self._part("acknowledgement", self._acknowledgement.keep),
            self._part("document publisher", self._documents.run),
        )

    async def leave(self) -> None:
        """Take back what was told: the proxy is about to end. Call it when `run` has ended."""
        await self._acknowledgement.withdraw()

    def _part(self, name: str, part: Part) -> Part:
        return restarting(name, part, sink=self._parts.sink, clock=self._parts.clock)

"""Convergence: is the environment what was asked for, its endpoint included? Told whenever the answer changes."""

from __future__ import annotations

from hfs_appliance.model.events import ConvergedChanged
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import between, format_duration
from hfs_appliance.model.plan import Plan
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.reconcile import Reconciler


class Convergence:
    """Puts together what the reconciler and the publishers know of themselves."""

    def __init__(
        self,
        desired: DesiredStore,
        reconciler: Reconciler,
        routes: ProxyPublisher,
        documents: DocumentPublisher,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Dirty,
    ) -> None:
        self._desired = desired
        self._reconciler = reconciler
        self._routes = routes
        self._documents = documents
        self._clock = clock
        self._sink = sink
        self._dirty = dirty

    def is_reached(self) -> bool:
        """Tell whether every count is met, routed by the proxy, and every document has been looked at."""
        plan, desired = self._reconciler.plan, self._desired.current
        if plan is None or desired is None or not plan.is_converged or self._reconciler.is_closing:
            return False
        if not (self._routes.is_in_step and self._documents.is_in_step):
            return False
        routed = self._routes.routed()
        return all(routed.get(name, 0) >= _serving(plan, name) for name in desired.services)

    async def run(self) -> None:
        """Tell when convergence is reached or left, until cancelled."""
        left_at = self._clock.now()
        was_reached: bool | None = None
        while True:
            is_reached = self.is_reached()
            if is_reached != was_reached:
                spent = format_duration(between(left_at, self._clock.now()))
                words = f"after {spent}" if is_reached else ""
                self._sink.emit("convergence", ConvergedChanged(is_converged=int(is_reached), words=words))
                left_at = self._clock.now()
                was_reached = is_reached
            await self._dirty.wait()


def _serving(plan: Plan, service: ServiceName) -> int:
    return sum(count.serving for count in plan.counts.get(service, {}).values())

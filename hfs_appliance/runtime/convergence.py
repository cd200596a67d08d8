"""Convergence: is the environment what was asked for, its endpoint included? Told whenever the answer changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import trio

from hfs_appliance.model.desired import DesiredState, ServiceRole
from hfs_appliance.model.events import ConvergedChanged
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import between, format_duration
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.plan import Plan, VersionCount
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink
from hfs_appliance.proxy.table import Route
from hfs_appliance.runtime.balance import BalancerPublisher
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.reconcile import Reconciler

Counts: TypeAlias = Mapping[ServiceName, Mapping[Version, VersionCount]]
Routes: TypeAlias = Mapping[ServiceName, Route]


class Convergence:
    """Puts together what the reconciler and the publishers know of themselves."""

    def __init__(
        self,
        desired: DesiredStore,
        reconciler: Reconciler,
        routes: ProxyPublisher,
        documents: DocumentPublisher,
        balancer: BalancerPublisher | None,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Dirty,
    ) -> None:
        self._desired = desired
        self._reconciler = reconciler
        self._routes = routes
        self._documents = documents
        self._balancer = balancer
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._compared: tuple[Counts, Routes] = (Map(), {})
        self._short: set[ServiceName] = set()
        """Services of which fewer instances are routed than serve, as compared last."""
        self._changed = trio.Event()
        self._planned: tuple[bool, bool, Counts] = (False, False, self._compared[0])

    def is_reached(self) -> bool:
        """Tell whether every count is met, routed by the proxies behind the load balancer, every document looked at."""
        plan, desired = self._reconciler.plan, self._desired.current
        if plan is None or desired is None or not plan.is_converged or self._reconciler.is_closing:
            return False
        if not (self._routes.is_in_step and self._documents.is_in_step):
            return False
        if self._balancer is not None and not self._balancer.is_in_step:
            return False
        routes = self._routes.served.routes if self._routes.served is not None else {}
        self._compare(plan.counts, routes)
        return all(_is_proxy(desired, name) for name in self._short)

    def _compare(self, counts: Counts, routes: Routes) -> None:
        """Compare what serves with what is routed, where either has changed."""
        former_counts, former_routes = self._compared
        for name in differing(former_counts, counts) | differing(former_routes, routes):
            routed = len(routes[name].members) + len(routes[name].standby) if name in routes else 0
            if routed < sum(count.serving for count in counts.get(name, {}).values()):
                self._short.add(name)
            else:
                self._short.discard(name)
        self._compared = (counts, routes)

    def is_news(self, plan: Plan) -> bool:
        """Tell whether a plan may change the answer."""
        before, self._planned = self._planned, (plan.is_converged, self._reconciler.is_closing, plan.counts)
        return any(new is not old for new, old in zip(self._planned, before, strict=True))

    async def wait_change(self) -> None:
        """Wait until it is told that convergence is reached or left."""
        await self._changed.wait()

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
                self._changed.set()
                self._changed = trio.Event()
            await self._dirty.wait()


def _is_proxy(desired: DesiredState, name: ServiceName) -> bool:
    service = desired.services.get(name)
    return service is not None and service.role is ServiceRole.PROXY

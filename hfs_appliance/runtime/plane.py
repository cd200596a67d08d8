"""The control plane: every loop of the appliance over the ports, the same over real backends and simulated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.model.balancer import Place
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.plan import Hold, Plan
from hfs_appliance.model.reports import Adopted
from hfs_appliance.model.world import World
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.clock import Clock, Entropy
from hfs_appliance.ports.cloud import Cloud, Spares
from hfs_appliance.ports.errors import Conflict, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.load import LoadSource
from hfs_appliance.ports.mischief import PEACE, Mischief
from hfs_appliance.ports.probe import Prober
from hfs_appliance.ports.registry import Registry
from hfs_appliance.ports.strain import StrainSource
from hfs_appliance.ports.web import Proxy, SpecSource
from hfs_appliance.ports.worker import Worker
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.acknowledge import Acknowledgement
from hfs_appliance.runtime.acts import Acts
from hfs_appliance.runtime.acts import Parts as ExecutorParts
from hfs_appliance.runtime.anchoring import Anchoring
from hfs_appliance.runtime.balance import Around, BalancerPublisher
from hfs_appliance.runtime.convergence import Convergence
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.execute import Executor
from hfs_appliance.runtime.fence import LeasedBalancer, LeasedCloud
from hfs_appliance.runtime.leadership import Leadership
from hfs_appliance.runtime.ledger import LedgerStore
from hfs_appliance.runtime.observe_cloud import CloudObserver, list_within
from hfs_appliance.runtime.observe_crews import CrewObserver
from hfs_appliance.runtime.observe_load import LoadObserver
from hfs_appliance.runtime.observe_probes import ProbeObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.orders import OrdersStore
from hfs_appliance.runtime.own_file import OwnFile
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.reconcile import Reconciler, Sources, unrecorded
from hfs_appliance.runtime.rollouts import RolloutStore
from hfs_appliance.runtime.sized import SizedDesired
from hfs_appliance.runtime.supervise import Part, restarting, together
from hfs_appliance.runtime.sweeping import Sweeper
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables

LEAD_WITHIN: Final = seconds(30)
"""Adopting a registry that was emptied begins with an election."""
SYNC_WITHIN: Final = seconds(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The outside, behind its ports."""

    registry: Registry
    registry_hosts: tuple[str, ...]
    """What servers are told to connect to."""
    cloud: Cloud
    proxy: Proxy
    last_good: RouteTable | None
    """The table that the proxy serves already."""
    prober: Prober
    load: LoadSource
    strain: StrainSource
    specs: SpecSource
    worker: Worker
    clock: Clock
    entropy: Entropy
    sink: EventSink
    us: Candidate
    """This appliance, as the others of the environment are told."""
    listen: tuple[str, int] | None = None
    """Where the proxy of this host listens; None: where the desired state says."""
    balancer: LoadBalancer | None = None
    """What stands before the proxies of all appliances; None: nothing does."""
    spares: Spares | None = None
    """The cloud once more, if it can come to hold two servers of one identity."""
    reached_at: Place | None = None
    """Where it reaches the proxy of this host."""
    tunables: Tunables = PRODUCTION
    mischief: Mischief = PEACE


class ControlPlane:
    """The loops, wired to each other by marks; nothing runs until `run`."""

    def __init__(
        self,
        backends: Backends,
        settings: DesiredState,
        *,
        observe_plan: Callable[[Plan], None],
        record: Callable[[World, Plan], None] = unrecorded,
    ) -> None:
        self._backends = backends
        self._layout = layout = Layout(settings.environment)
        clock, sink, registry = backends.clock, backends.sink, backends.registry
        tunables, mischief = backends.tunables, backends.mischief
        timeout = settings.registry.session_timeout
        # Who looks again when: one mark for each loop.
        to_plan, to_route, to_merge, to_tell = Dirty(), Dirty(), Dirty(), Dirty()
        self._to_balance = Dirty()
        everyone = (to_plan, to_route, to_merge, *((self._to_balance,) if backends.balancer is not None else ()))
        marks = (to_plan, to_tell, self._to_balance)
        self.leadership = Leadership(registry, layout, backends.us, timeout, self, clock=clock, sink=sink, dirty=marks)
        self._acknowledgement = Acknowledgement(registry, layout, backends.us, sink, backends.reached_at)
        entries = self.leadership.entries
        self.worker = backends.worker
        self.cloud = LeasedCloud(backends.cloud, self.leadership.demand_lease)
        self.desired = DesiredStore(entries, layout, clock=clock, sink=sink, dirty=everyone)
        self._file = OwnFile(self.desired, sink)
        self.ledger = LedgerStore(entries, layout, sink)
        self.orders = OrdersStore(entries, layout, clock=clock, sink=sink, dirty=to_plan)
        self.view = RegistryObserver(
            registry, layout, timeout, clock=clock, sink=sink, dirty=everyone, tunables=tunables, mischief=mischief
        )
        self.view.on_entry(layout.desired, self._file.hear)
        self.view.on_entry(layout.ledger, self.ledger.hear)
        self.view.on_entry(layout.holds, self.orders.hear)
        poll, mine = settings.cloud.poll, (to_plan,)
        self._list_within = list_within(poll)
        """A new leader waits so long for the cloud's list."""
        self.servers = CloudObserver(
            backends.cloud, poll, clock=clock, sink=sink, dirty=mine, tunables=tunables, mischief=mischief
        )
        crews = CrewObserver(backends.strain, lambda: self.desired.current, self.view.observation, clock)
        self.load = LoadObserver(backends.load, crews, clock=clock, dirty=to_plan)
        self.probes: ProbeObserver[ServerId] = ProbeObserver(backends.prober, clock=clock, dirty=to_plan)
        self.executor = Executor(self._parts(), backends.registry_hosts, to_plan)
        self.anchoring = self._anchoring()
        self.rollouts = RolloutStore(entries, layout, self.desired, self.view, sink)
        self.view.on_anchor(self.leadership.hear_anchor)

        def planned(plan: Plan) -> None:
            observe_plan(plan)
            if self.convergence.is_news(plan):
                to_tell.mark()
                self._to_balance.mark()

        self.reconciler = Reconciler(
            self._sources(),
            sink=sink,
            dirty=to_plan,
            observe_plan=planned,
            record=record,
            tunables=tunables,
            mischief=mischief,
        )
        self.routes = self._publisher(to_route, to_tell)
        self.documents = self._document_publisher(to_merge, to_tell)
        self.balancer = self._balancer_publisher(settings, to_tell)
        self.convergence = self._convergence(to_tell)

    def _convergence(self, dirty: Dirty) -> Convergence:
        return Convergence(
            self.desired,
            self.reconciler,
            self.routes,
            self.documents,
            self.balancer,
            clock=self._backends.clock,
            sink=self._backends.sink,
            dirty=dirty,
        )

    def _document_publisher(self, dirty: Dirty, published: Dirty) -> DocumentPublisher:
        backends = self._backends
        return DocumentPublisher(
            backends.proxy,
            backends.specs,
            backends.worker,
            self.desired,
            self.view,
            clock=backends.clock,
            sink=backends.sink,
            dirty=dirty,
            published=published,
        )

    def _publisher(self, dirty: Dirty, published: Dirty) -> ProxyPublisher:
        backends = self._backends
        return ProxyPublisher(
            backends.proxy,
            SizedDesired(self.desired, self.ledger),
            self.view,
            backends.last_good,
            clock=backends.clock,
            sink=backends.sink,
            dirty=dirty,
            published=published,
            acknowledgement=self._acknowledgement,
        )

    def _balancer_publisher(self, settings: DesiredState, published: Dirty) -> BalancerPublisher | None:
        backends = self._backends
        if backends.balancer is None:
            return None
        assert settings.balancer is not None, "a load balancer that nobody has asked for"
        around = Around(
            settings=settings.balancer,
            registry=self.view,
            leadership=self.leadership,
            restraint=self.orders.everywhere,
            is_closing=lambda: self.reconciler.is_closing,
            is_closed=lambda: self.reconciler.is_closed,
        )
        return BalancerPublisher(
            LeasedBalancer(backends.balancer, self.leadership.demand_lease),
            backends.prober,
            around,
            clock=backends.clock,
            sink=backends.sink,
            dirty=self._to_balance,
            published=published,
        )

    def _anchoring(self) -> Anchoring:
        backends = self._backends
        acts = Acts(self._parts(), backends.registry_hosts)
        return Anchoring(
            self.leadership.entries,
            self._layout,
            acts,
            self.ledger,
            self.desired,
            entropy=backends.entropy,
            sink=backends.sink,
        )

    def _parts(self) -> ExecutorParts:
        backends = self._backends
        return ExecutorParts(
            registry=self.leadership.entries,
            cloud=self.cloud,
            layout=self._layout,
            clock=backends.clock,
            entropy=backends.entropy,
            sink=backends.sink,
            anchor=lambda: self.view.anchor,
            view=self.view,
            servers=self.servers,
            tunables=backends.tunables,
            mischief=backends.mischief,
        )

    def _sources(self) -> Sources:
        return Sources(
            clock=self._backends.clock,
            desired=self.desired,
            registry=self.view,
            cloud=self.servers,
            probes=self.probes,
            load=self.load,
            ledger=self.ledger,
            rollouts=self.rollouts,
            orders=self.orders,
            executor=self.executor,
            anchoring=self.anchoring,
            leadership=self.leadership,
        )

    async def run(self, source: str, file: str) -> None:
        """Keep the environment as desired, or stand by to do so, until cancelled.

        `source` is what an appliance that leads from its start offers as the desired state.
        """
        self._file.start_with(source, file)
        await together(
            self._part("registry observer", self.view.run),
            self._part("cloud observer", self.servers.run),
            self._part("probe observer", self.probes.run),
            self._part("load observer", self.load.run),
            self._part("leadership", self.leadership.run),
            self._part("executor", self.executor.run),
            self._part("reconciler", self.reconciler.run),
            self._part("proxy publisher", self.routes.run),
            self._part("acknowledgement", self._acknowledgement.keep),
            self._part("document publisher", self.documents.run),
            self._part("convergence", self.convergence.run),
            *([self._part("balancer publisher", self.balancer.run)] if self.balancer is not None else []),
            *self._sweeper(),
        )

    def _sweeper(self) -> list[Part]:
        spares = self._backends.spares
        if spares is None:
            return []
        return [self._part("sweeper", Sweeper(spares, self.leadership, self._backends.sink).run)]

    def holds(self) -> tuple[Hold, ...]:
        """Tell what this appliance withholds, beside its plan's and its endpoint's."""
        idle = self.orders.idle(self.reconciler.plan or Plan())
        return (*self.leadership.holds(), *self._file.holds(), *idle)

    def endpoint_holds(self) -> tuple[Hold, ...]:
        """Tell what the way of the requests withholds: this appliance's proxy, and the load balancer before all."""
        return (*self.routes.holds(), *(self.balancer.holds() if self.balancer is not None else ()))

    async def wait_closed(self) -> None:
        """Wait until, after `close`, no server is left, nor what sent it requests."""
        await self.reconciler.wait_closed()
        if self.balancer is not None:
            await self.balancer.removed.wait()

    def endpoint(self) -> tuple[str, int] | None:
        """Tell where the proxy of this host listens."""
        desired = self.desired.current
        return self._backends.listen or ((desired.endpoint.address, desired.endpoint.port) if desired else None)

    def close(self) -> None:
        """End the environment: every server is retired, nothing is routed anew."""
        self.routes.close()
        self.reconciler.close()

    async def adopt(self, author: str) -> Adopted:
        """Have registry and fleet belong together from now on, as they are. Errors: Standby, Transient, PortError."""
        self.leadership.accept_registry()
        with trio.move_on_after(to_seconds(LEAD_WITHIN)):
            while self.leadership.acting is None and not self.leadership.is_led_by_another:
                await self.leadership.wait_change()
        self.leadership.demand_office()
        asked_at = self._backends.clock.now()
        with trio.move_on_after(to_seconds(self._list_within)):
            await self.servers.wait_listed(asked_at)
        listed = self.servers.observation()
        if listed is None or listed.observed_at < asked_at or not listed.value.is_complete:
            raise Transient("the cloud gives no whole list of servers now: there is nothing that could be adopted")
        await self.view.read_anew()
        view = self.view.observation()
        assert view is not None
        adopted = await self.anchoring.adopt(view.value, listed.value, author)
        await self.view.read_anew()
        return adopted

    # Duties of the leader

    async def take_up(self) -> None:
        """Pass the takeover barrier: nothing that was seen before our term is acted upon. Errors: PortError."""
        began_at = self._backends.clock.now()
        with trio.fail_after(to_seconds(SYNC_WITHIN)):
            await self._backends.registry.sync()
        for parent in self._layout.parents:
            await self._ensure(parent)
        await self.ledger.load()
        if not self.reconciler.is_closing:
            await self._file.offer()
        await self.view.read_anew()
        # A cloud that does not answer holds up what needs it (the World hides older lists), not the claims.
        with trio.move_on_after(to_seconds(self._list_within)):
            await self.servers.wait_listed(began_at)

    def lay_down(self) -> None:
        """Stop what is under way: somebody else may lead already."""
        self.executor.abandon()
        self.ledger.leave()

    def follow(self) -> None:
        """Hear that another appliance leads: what is in force is its business now."""
        self._file.come_late()

    async def wait_idle(self) -> None:
        """Wait until nothing is under way."""
        await self.executor.wait_idle()

    async def _ensure(self, path: str) -> None:
        try:
            await self.leadership.entries.create(path)
        except Conflict:
            return  # it is there: all that was wanted

    def _part(self, name: str, part: Part) -> Part:
        return restarting(name, part, sink=self._backends.sink, clock=self._backends.clock)

"""Control: what the admin API and the live view ask of the running appliance. Reads are views of the latest plan."""

from __future__ import annotations

import getpass
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import trio

from hfs_appliance.config import load_text, overridden, restart_needed
from hfs_appliance.mcp.shrink import in_words, shrinks
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import OperatorAsked, Recorded
from hfs_appliance.model.explained import Explained
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, after, between, seconds, to_seconds
from hfs_appliance.model.leadership import Mode
from hfs_appliance.model.plan import OBSERVING, Phase, Plan
from hfs_appliance.model.reports import (
    Adopted,
    Applied,
    Change,
    EventReport,
    HandedOver,
    HoldCard,
    PlanReport,
    ServerReport,
    Status,
)
from hfs_appliance.model.rollout import Order, Strategy
from hfs_appliance.model.upgrades import GenerationReport, Ordered, RolloutReport
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Missing, Rejected, Transient, Unconfirmed, UnknownName
from hfs_appliance.ports.registry import Registry
from hfs_appliance.runtime.explain import Explainer, scaling
from hfs_appliance.runtime.guarding import Guarding
from hfs_appliance.runtime.nearest import nearest
from hfs_appliance.runtime.plane import ControlPlane
from hfs_appliance.runtime.planned import planned
from hfs_appliance.runtime.upgrading import Upgrading
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.words import report

HAND_OVER_WITHIN: Final = seconds(10)
"""What is under way has so long to end before the office is laid down."""
TAKEN_WITHIN: Final = seconds(5)
PLAN_WITHIN: Final = seconds(15)
"""A plan that takes longer to work out is cut there: whoever asks waits 30 s."""


class ApplianceControl:
    """Implements the web room's Control over a running control plane; `earlier` gives events of earlier runs."""

    def __init__(
        self,
        plane: ControlPlane,
        *,
        registry: Registry,
        bus: EventBus,
        clock: Clock,
        earlier: Callable[[], Sequence[Recorded]] = tuple,
    ) -> None:
        self._earlier = earlier
        self._plane = plane
        self._registry = registry
        self._bus = bus
        self._clock = clock
        self._started_at = clock.now()
        self._guarding = Guarding(plane, sink=bus, clock=clock)
        self._upgrading = Upgrading(plane, bus)
        self._explainer = Explainer(plane, bus)

    def status(self) -> Status:
        """Tell how the environment stands."""
        plan = self._plane.reconciler.plan or Plan()
        desired, leadership = self._plane.desired.current, self._plane.leadership
        return Status(
            environment=desired.environment if desired is not None else "",
            generation=desired.generation if desired is not None else 0,
            converged=self._plane.convergence.is_reached(),
            mode=self._mode(plan),
            session=self._registry.session().state.value,
            endpoint=_url(self._plane.endpoint()),
            uptime_s=int(to_seconds(between(self._started_at, self._clock.now()))),
            services=plan.counts,
            pools=plan.pools,
            servers_by_phase={phase.value: plan.phases[phase] for phase in sorted(plan.phases)},
            servers_total=sum(plan.phases.values()) - plan.phases.get(Phase.GONE, 0),
            servers_max=desired.limits.max_servers if desired is not None else 0,
            routed=self._plane.routes.routed(),
            holds=self._explainer.holds(plan),
            leader=leadership.leader if leadership.leader.name else None,
            standing_by=leadership.standing_by,
            balancer=self._plane.balancer.report() if self._plane.balancer is not None else None,
            scaling={name: scaling(demand) for name, demand in (plan.demands or {}).items()},
        )

    def _mode(self, plan: Plan) -> str:
        if self._plane.reconciler.plan is None:
            return "sync"
        if self._plane.reconciler.is_closing:
            return "closing"
        if self._plane.leadership.mode is not Mode.ACTIVE:
            return self._plane.leadership.mode.value
        return "observe" if any(hold.rule in OBSERVING for hold in plan.holds) else "active"

    def servers(self) -> Sequence[ServerReport]:
        """List the servers, sorted by id."""
        plan = self._plane.reconciler.plan
        if plan is None:
            return []
        world = self._plane.reconciler.world()
        return [self._explainer.server_report(world, plan.verdicts[server]) for server in sorted(plan.verdicts)]

    async def explain(self, target: str) -> Explained:
        """Tell all about one server, service or path. Errors: UnknownName."""
        return await self._explainer.explain(target)

    async def events(self, after: int, *, is_following: bool) -> AsyncGenerator[EventReport, None]:
        """Give the events after a number; then, when following, each new one."""
        async with aclosing(self._bus.follow(after, is_following=is_following)) as stream:
            async for recorded in stream:
                yield report(recorded)

    async def desired_source(self) -> tuple[int, str]:
        """Give the generation in force and its TOML source."""
        stored = self._plane.desired.stored
        return (stored.generation, stored.source) if stored is not None else (0, "")

    async def plan(self, source: str | None, file: str) -> PlanReport:
        """Tell what applying `source` (None: nothing) would change and what would be done. Errors: ConfigError."""
        return await self._planned(self._load(source, file) if source is not None else None)

    async def _planned(self, wanted: DesiredState | None) -> PlanReport:
        current = self._plane.desired.current
        wanted = wanted if wanted is not None else current
        if self._plane.reconciler.plan is None or wanted is None:
            raise Transient("hfs has not read its registry yet: ask again in a moment")
        world = self._plane.reconciler.world(wanted)
        async with aclosing(self._bus.follow(0, is_following=False)) as stream:
            events = [recorded async for recorded in stream]
        # A great change of a great environment takes seconds: not on the loop that keeps the lease.
        enough_at = after(self._clock.now(), PLAN_WITHIN)
        work = partial(planned, world, current, events, self._earlier, lambda: self._clock.now() > enough_at)
        return await self._plane.worker.run(work)

    def _load(self, source: str, file: str) -> DesiredState:
        current, wanted = self._plane.desired.current, load_text(source, file)
        if current is not None and wanted.environment != current.environment:
            raise Rejected(f"{file} is of environment {wanted.environment!r}; this one is {current.environment!r}")
        return wanted

    async def apply(
        self, source: str, file: str, author: str, base_generation: int | None, *, confirm: str | None = None
    ) -> Applied:
        """Store `source` as the next generation. Errors: Standby, ConfigError, Conflict, Unconfirmed."""
        self._demand_change()
        wanted = self._load(source, file)
        current = self._plane.desired.current
        needed = restart_needed(current, wanted) if current is not None else ()
        if needed:
            raise Rejected(
                f"{', '.join(needed)} cannot change while hfs runs: start `hfs run {file}` anew; what runs stays if "
                "the present one was started with --keep or is killed (kill -9), and is retired if it is asked to end"
            )
        author, is_confirmed = author or getpass.getuser(), await self._confirmed(wanted, confirm)
        if is_confirmed and base_generation is None:
            base_generation = self._generation()  # what was confirmed is a change of this one
        return await self._plane.desired.apply(source, file, author, base_generation, is_confirmed=is_confirmed)

    async def _confirmed(self, wanted: DesiredState, confirm: str | None) -> bool:
        """Tell whether a change that removes much is confirmed by the hash of its plan. Errors: Unconfirmed."""
        found = shrinks(self._plane.desired.current, wanted)
        if not found:
            return False
        report = await self._planned(wanted)
        if confirm != report.hash:
            raise Unconfirmed(f"{in_words(found)}: nothing is changed until that is confirmed", report.hash)
        return True

    def _generation(self) -> int:
        current = self._plane.desired.current
        return current.generation if current is not None else 0

    async def scale(
        self, service: ServiceName, version: Version | None, instances: int, author: str, *, confirm: str | None = None
    ) -> Applied:
        """Store another count. Errors: Standby, UnknownName, Rejected, ConfigError, Conflict, Unconfirmed."""
        self._demand_change()
        desired = self._plane.desired.current
        services = desired.services if desired is not None else {}
        if service not in services:
            raise UnknownName("service", service, nearest(service, services))
        versions, scale = services[service].versions, services[service].autoscale
        if scale is not None:
            raise Rejected(
                f"{service} scales itself, between {scale.min} and {scale.max}: "
                f"change [service.{service}.autoscale], or remove it first"
            )
        # A version that an upgrade or a way back has left without instances is not what anybody means.
        meant = sorted(name for name, count in versions.items() if count) or sorted(versions)
        if version is None and len(meant) > 1:
            raise Rejected(f"{service} has versions {', '.join(meant)}: say which one, as in --version {meant[-1]}")
        chosen = version if version is not None else meant[0]
        if chosen not in versions:
            raise UnknownName(f"version of {service}", chosen, nearest(chosen, versions))
        if versions[chosen] == instances:
            return Applied(generation=self._generation(), changes=())
        assert desired is not None
        wanted = overridden(desired, {(service, chosen): instances})
        is_confirmed = await self._confirmed(wanted, confirm)
        author = author or getpass.getuser()
        return await self._plane.desired.scale(
            service, chosen, instances, author, seen=versions, is_confirmed=is_confirmed
        )

    def rollouts(self) -> Sequence[RolloutReport]:
        """Tell of every service that has, or had, a rollout."""
        return self._upgrading.rollouts()

    async def upgrade(self, service: ServiceName, version: Version, strategy: Strategy | None, author: str) -> Applied:
        """Have another version take over. Errors: Standby, UnknownName, Rejected, ConfigError, Conflict."""
        self._demand_change()
        return await self._upgrading.upgrade(service, version, strategy, author or getpass.getuser())

    async def order_rollout(self, service: ServiceName, order: Order) -> Ordered:
        """Ask something of the rollout that runs. Errors: Standby, UnknownName, Rejected, PortError."""
        self._demand_change()
        return await self._upgrading.order(service, order)

    async def roll_back(self, service: ServiceName, author: str) -> Ordered:
        """Go back to the former versions. Errors: Standby, UnknownName, Rejected, PortError."""
        self._demand_change()
        return await self._upgrading.roll_back(service, author or getpass.getuser())

    async def history(self) -> Sequence[GenerationReport]:
        """List the generations that are kept, the newest first. Errors: PortError."""
        return await self._upgrading.history()

    async def difference(self, before: int, after: int) -> tuple[Change, ...]:
        """Tell what differs between two generations. Errors: Rejected, PortError."""
        return await self._upgrading.difference(before, after)

    async def restore(
        self, generation: int, author: str, base_generation: int | None, *, confirm: str | None = None
    ) -> Applied:
        """Make a former generation the next one. Errors: Standby, Rejected, ConfigError, Conflict, Unconfirmed."""
        self._demand_change()
        is_confirmed = await self._confirmed(await self._upgrading.generation(generation), confirm)
        return await self._plane.desired.restore_generation(
            generation, author or getpass.getuser(), base_generation, is_confirmed=is_confirmed
        )

    def holds(self) -> Sequence[HoldCard]:
        """Give a card for each thing that is withheld."""
        return self._guarding.cards()

    async def hold(self, target: str, reason: str, author: str, lasts: Duration | None) -> str:
        """Have nothing of a target taken away. Errors: Standby, UnknownName, Rejected, PortError."""
        return await self._guarding.hold(target, reason, author or getpass.getuser(), lasts)

    async def release(self, target: str) -> str:
        """End a hold. Errors: Standby, Rejected, PortError."""
        return await self._guarding.release(target)

    async def approve(self, target: str, author: str) -> Sequence[HoldCard]:
        """Have done what guards hold back there. Errors: Standby, UnknownName, Rejected, PortError."""
        return await self._guarding.approve(target, author or getpass.getuser())

    async def adopt(self, author: str) -> Adopted:
        """Take over the fleet that the cloud lists. Errors: Standby, PortError."""
        self._bus.emit("api", OperatorAsked(what="adopt", subject=""))
        return await self._plane.adopt(author or getpass.getuser())

    async def kill(self, server: ServerId) -> None:
        """Break a server. Errors: Standby, UnknownName, Unsupported."""
        self._plane.leadership.demand_office()
        try:
            await self._plane.cloud.kill(server)
            self._bus.emit("api", OperatorAsked(what="kill", subject=server))
        except Missing:
            plan = self._plane.reconciler.plan or Plan()
            raise UnknownName("server", server, nearest(server, plan.verdicts)) from None

    async def down(self) -> None:
        """Retire everything; every appliance ends by itself when nothing is left. Errors: PortError."""
        self._plane.leadership.demand_office()
        self._bus.emit("api", OperatorAsked(what="down", subject=""))
        await self._plane.desired.close(getpass.getuser())

    async def hand_over(self) -> HandedOver:
        """Have another appliance lead. Errors: Standby, Rejected (there is no other), Transient (none has taken it)."""
        leadership = self._plane.leadership
        leadership.demand_office()
        if not leadership.others:
            raise Rejected("no other appliance of this environment stands by: start another `hfs run` first")
        self._bus.emit("api", OperatorAsked(what="handover", subject=""))
        await leadership.hand_over(HAND_OVER_WITHIN)
        with trio.move_on_after(to_seconds(TAKEN_WITHIN)):
            while (leader := leadership.followed()) is None:
                await leadership.wait_change()
            return HandedOver(leader=leader)
        raise Transient("no appliance has taken the office yet")

    def _demand_change(self) -> None:
        self._plane.leadership.demand_office()
        if self._plane.reconciler.is_closing:
            raise Rejected("the environment is being ended: nothing of it can be changed any more")


def _url(place: tuple[str, int] | None) -> str:
    return f"http://{place[0]}:{place[1]}" if place is not None else ""

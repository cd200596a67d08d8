"""Control: what the admin API and the live view ask of the running appliance. Reads are views of the latest plan."""

from __future__ import annotations

import difflib
import getpass
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.config import differences as desired_differences
from hfs_appliance.config import load_text, restart_needed
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import between, format_instant, to_seconds
from hfs_appliance.model.plan import Action, Claim, Create, Phase, Plan
from hfs_appliance.model.reports import (
    Applied,
    EventReport,
    Explanation,
    PlannedStep,
    PlanReport,
    ServerReport,
    Status,
)
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import Missing, Rejected, Transient, Unsupported
from hfs_appliance.ports.registry import Registry
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.documents import DocumentPublisher
from hfs_appliance.runtime.publish import ProxyPublisher
from hfs_appliance.runtime.reconcile import Reconciler
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.words import report
from hfs_appliance.web.control import UnknownName

LOG_LINES: Final = 40
EVENTS_TOLD: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is asked."""

    registry: Registry
    cloud: Cloud
    desired: DesiredStore
    reconciler: Reconciler
    proxy: ProxyPublisher
    documents: DocumentPublisher
    bus: EventBus
    clock: Clock
    endpoint: str


class ApplianceControl:
    """Implements the web room's Control over the parts of a running appliance."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._down = trio.Event()
        self._started_at = parts.clock.now()

    def status(self) -> Status:
        """Tell how the environment stands."""
        parts = self._parts
        plan = parts.reconciler.plan or Plan()
        desired = parts.desired.current
        phases = Counter(verdict.phase.value for verdict in plan.verdicts.values())
        return Status(
            environment=desired.environment if desired is not None else "",
            generation=desired.generation if desired is not None else 0,
            converged=plan.is_converged and self._is_published(plan),
            mode=self._mode(plan),
            session=parts.registry.session().state.value,
            endpoint=parts.endpoint,
            uptime_s=int(to_seconds(between(self._started_at, parts.clock.now()))),
            services=plan.counts,
            pools=plan.pools,
            servers_by_phase=dict(sorted(phases.items())),
            servers_total=sum(phases.values()) - phases[Phase.GONE.value],
            servers_max=desired.limits.max_servers if desired is not None else 0,
            routed=parts.proxy.routed(),
            holds=plan.holds,
        )

    def _is_published(self, plan: Plan) -> bool:
        """The proxy serves what registered, and every document has been looked at."""
        parts = self._parts
        desired = parts.desired.current
        if desired is None or not parts.proxy.is_in_step or not parts.documents.is_in_step:
            return False
        routed = parts.proxy.routed()
        return all(
            routed.get(name, 0) >= sum(count.serving for count in plan.counts.get(name, {}).values())
            for name in desired.services
        )

    def _mode(self, plan: Plan) -> str:
        if self._parts.reconciler.plan is None:
            return "sync"
        if self._parts.reconciler.is_closing:
            return "closing"
        is_held = any(hold.scope == "environment" for hold in plan.holds)
        return "observe" if is_held else "active"

    def servers(self) -> Sequence[ServerReport]:
        """List the servers, sorted by id."""
        plan = self._parts.reconciler.plan or Plan()
        return [self._server(plan, server) for server in sorted(plan.verdicts)]

    def _server(self, plan: Plan, server: ServerId) -> ServerReport:
        verdict = plan.verdicts[server]
        world = self._parts.reconciler.world()
        record = world.registry.value.records.get(server) if world.registry is not None else None
        found = world.cloud.value.servers.get(server) if world.cloud is not None else None
        known = record or found
        return ServerReport(
            server=server,
            phase=verdict.phase.value,
            rule=verdict.rule,
            words=verdict.words,
            since=format_instant(verdict.since),
            pool=known.pool if known is not None else "",
            az=known.az if known is not None else "",
            address=found.address if found is not None else "",
            service=record.service if record is not None else None,
            version=record.version if record is not None else None,
            slot=record.slot if record is not None else None,
        )

    async def explain(self, server: ServerId) -> Explanation:
        """Tell all about one server. Errors: UnknownName."""
        parts = self._parts
        plan = parts.reconciler.plan or Plan()
        if server not in plan.verdicts:
            raise UnknownName("server", server, _nearest(server, plan.verdicts))
        world = parts.reconciler.world()
        evidence = {"record": "none", "cloud": "not listed", "pool": "not announced", "registration": "none"}
        if world.registry is not None:
            view = world.registry.value
            record = view.records.get(server)
            if record is not None:
                evidence["record"] = repr(record)
                entry = view.registrations.get(record.service, {}).get(server) if record.service is not None else None
                evidence["registration"] = repr(entry) if entry is not None else "none"
            if server in view.pool:
                evidence["pool"] = repr(view.pool[server])
        if world.cloud is not None and server in world.cloud.value.servers:
            evidence["cloud"] = repr(world.cloud.value.servers[server])
        try:
            log = await parts.cloud.log(server, LOG_LINES)
        except (Missing, Unsupported, Transient) as error:
            log = f"(no log: {error.words})"
        return Explanation(
            report=self._server(plan, server), evidence=evidence, events=await self._events_of(server), log=log
        )

    async def _events_of(self, server: ServerId) -> tuple[EventReport, ...]:
        told = [r async for r in self._parts.bus.follow(0, is_following=False) if r.fields().get("server") == server]
        return tuple(report(recorded) for recorded in told[-EVENTS_TOLD:])

    async def events(self, after: int, *, is_following: bool) -> AsyncGenerator[EventReport, None]:
        """Give the events after a number; then, when following, each new one."""
        async for recorded in self._parts.bus.follow(after, is_following=is_following):
            yield report(recorded)

    async def desired_source(self) -> tuple[int, str]:
        """Give the generation in force and its TOML source."""
        stored = self._parts.desired.stored
        return (stored.generation, stored.source) if stored is not None else (0, "")

    async def plan(self, source: str, file: str) -> PlanReport:
        """Tell what applying `source` would change and do. Errors: ConfigError."""
        parts = self._parts
        current = parts.desired.current
        wanted = load_text(source, file)
        plan = decide(parts.reconciler.world(wanted))
        return PlanReport(
            generation=current.generation if current is not None else 0,
            changes=desired_differences(current, wanted),
            steps=tuple(_step(action) for action in plan.actions),
            holds=plan.holds,
            restart_needed=restart_needed(current, wanted) if current is not None else (),
        )

    async def apply(self, source: str, file: str, author: str, base_generation: int | None) -> Applied:
        """Store `source` as the next generation. Errors: ConfigError, Conflict."""
        current = self._parts.desired.current
        wanted = load_text(source, file)
        needed = restart_needed(current, wanted) if current is not None else ()
        if current is not None and wanted.environment != current.environment:
            raise Rejected(f"{file} is of environment {wanted.environment!r}; this one is {current.environment!r}")
        if needed:
            raise Rejected(f"{', '.join(needed)} cannot change while hfs runs: end `hfs run` and start it with {file}")
        return await self._parts.desired.apply(source, file, author or getpass.getuser(), base_generation)

    async def scale(self, service: ServiceName, version: Version | None, instances: int, author: str) -> Applied:
        """Store another count. Errors: UnknownName, Rejected, ConfigError, Conflict."""
        desired = self._parts.desired.current
        services = desired.services if desired is not None else {}
        if service not in services:
            raise UnknownName("service", service, _nearest(service, services))
        versions = services[service].versions
        if version is None and len(versions) > 1:
            raise Rejected(f"{service} has versions {', '.join(sorted(versions))}: say which one")
        chosen = version if version is not None else next(iter(versions))
        if chosen not in versions:
            raise UnknownName(f"version of {service}", chosen, _nearest(chosen, versions))
        return await self._parts.desired.scale(service, chosen, instances, author or getpass.getuser())

    async def kill(self, server: ServerId) -> None:
        """Break a server. Errors: UnknownName, Unsupported."""
        try:
            await self._parts.cloud.kill(server)
        except Missing:
            plan = self._parts.reconciler.plan or Plan()
            raise UnknownName("server", server, _nearest(server, plan.verdicts)) from None

    async def down(self) -> None:
        """Retire everything; the appliance ends by itself when nothing is left. Errors: PortError."""
        await self._parts.desired.clear()
        self._down.set()

    async def wait_down(self) -> None:
        """Wait until `down` was asked."""
        await self._down.wait()


def _step(action: Action) -> PlannedStep:
    claim = action if isinstance(action, Claim) else None
    return PlannedStep(
        verb=action.verb,
        subject=f"{action.server} in {action.az}" if isinstance(action, Create) else action.server,
        service=claim.service if claim is not None else None,
        version=claim.version if claim is not None else None,
        cause=action.reason.cause.value,
        words=action.reason.words,
    )


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)

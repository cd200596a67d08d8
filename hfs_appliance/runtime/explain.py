"""Explain: puts together all that the running appliance knows of one server, one service or one path. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

from hfs_appliance.model.autoscale import Demand
from hfs_appliance.model.desired import Service
from hfs_appliance.model.events import Recorded
from hfs_appliance.model.explained import (
    DocumentReport,
    Explained,
    PathExplanation,
    RoutingReport,
    ServerExplanation,
    ServiceExplanation,
)
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName
from hfs_appliance.model.instants import format_instant
from hfs_appliance.model.plan import Hold, Phase, Plan, Verdict
from hfs_appliance.model.reports import EventReport, Scaling, ServerReport
from hfs_appliance.model.world import World
from hfs_appliance.ports.errors import Missing, Transient, UnknownName, Unsupported
from hfs_appliance.proxy.balance import SCOPE as BALANCER
from hfs_appliance.runtime.evidence import evidence
from hfs_appliance.runtime.nearest import nearest
from hfs_appliance.runtime.plane import ControlPlane
from hfs_appliance.runtime.routed import roles, routing
from hfs_appliance.runtime.waits import concerning, server_waits, service_waits
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.words import report

LOG_LINES: Final = 40
EVENTS_TOLD: Final = 50
ENDPOINT: Final = "endpoint"
_OWN: Final = {
    "/": "the endpoint itself: a redirect to /docs/",
    "/docs": "the endpoint itself: the page that shows the merged document",
    "/swagger.json": "the endpoint itself: the merged document of all services",
}


class Explainer:
    """Looks names and paths up and tells what there is to know."""

    def __init__(self, plane: ControlPlane, bus: EventBus) -> None:
        self._plane = plane
        self._bus = bus

    async def explain(self, target: str) -> Explained:
        """Explain a server, a service, or (it begins with `/`, or is a URL) a path. Errors: UnknownName."""
        if target.startswith("/") or "://" in target:
            return await self._path(urlsplit(target).path or "/")
        world, plan = self._plane.reconciler.world(), self._plane.reconciler.plan or Plan()
        if target in plan.verdicts:
            return await self._server(world, plan, ServerId(target))
        services = world.desired.services if world.desired is not None else {}
        name = ServiceName(target)
        if name in services or name in plan.counts:  # one that is being retired is counted, and not desired any more
            return await self._service(world, plan, name, services.get(name))
        raise UnknownName("server or service", target, nearest(target, [*plan.verdicts, *services]))

    def server_report(self, world: World, verdict: Verdict) -> ServerReport:
        """Tell of one server in one line."""
        record = world.registry.value.records.get(verdict.server) if world.registry is not None else None
        found = world.cloud.value.servers.get(verdict.server) if world.cloud is not None else None
        known = record or found
        return ServerReport(
            server=verdict.server,
            phase=verdict.phase.value,
            rule=verdict.rule,
            words=verdict.words,
            since=format_instant(self._plane.reconciler.since(verdict.server)),
            pool=known.pool if known is not None else "",
            az=known.az if known is not None else "",
            address=found.address if found is not None else "",
            service=record.service if record is not None else None,
            version=record.version if record is not None else None,
            slot=record.slot if record is not None else None,
        )

    def holds(self, plan: Plan) -> tuple[Hold, ...]:
        """Give everything that is withheld: by this appliance, by its plan, by its endpoint."""
        return (*self._plane.holds(), *plan.holds, *self._plane.endpoint_holds())

    async def _server(self, world: World, plan: Plan, server: ServerId) -> ServerExplanation:
        try:
            log = await self._plane.cloud.log(server, LOG_LINES)
        except (Missing, Unsupported, Transient) as error:
            log = f"(no log: {error.words})"
        known = self.server_report(world, plan.verdicts[server])
        scopes = [f"server/{server}", f"service/{known.service}" if known.service else f"pool/{known.pool}"]
        return ServerExplanation(
            report=known,
            evidence=evidence(world, server),
            waits=server_waits(world, plan, server),
            holds=concerning(self.holds(plan), *scopes),
            events=await self._events(lambda recorded: recorded.fields().get("server") == server),
            log=log,
        )

    async def _service(
        self, world: World, plan: Plan, name: ServiceName, service: Service | None
    ) -> ServiceExplanation:
        view = world.registry.value if world.registry is not None else None
        servers = roles(view, name) if view is not None else ()
        demand = (plan.demands or {}).get(name)
        pool = service.pool if service is not None else PoolName("")
        known = [self.server_report(world, plan.verdicts[each]) for each in servers if each in plan.verdicts]
        return ServiceExplanation(
            service=name,
            versions=plan.counts.get(name, {}),
            floor=service.floor if service is not None else 0,
            pool=pool,
            pool_count=plan.pools.get(pool),
            scaling=scaling(demand) if demand else None,
            servers=tuple(sorted(known, key=lambda each: (each.phase == Phase.SERVING, each.server))),
            waits=service_waits(world, plan, name, servers),
            holds=self._holds_of(plan, name, pool),
            routing=self._routing(world, plan, name, servers),
            document=self._document(name),
            events=await self._events_of(name, frozenset(servers)),
        )

    async def _path(self, path: str) -> PathExplanation:
        world, plan = self._plane.reconciler.world(), self._plane.reconciler.plan or Plan()
        own = _OWN.get(path) or (_OWN["/docs"] if path.startswith("/docs/") else None)
        name, _, rest = path.removeprefix("/").partition("/")
        services = world.desired.services if world.desired is not None else {}
        service = services.get(ServiceName(name)) if own is None else None
        if own is None and service is None:
            raise UnknownName("path", path, nearest(f"/{name}/", [*_OWN, *(f"/{each}/" for each in services)]))
        words, upstream = own or "", ""
        if service is not None:
            upstream = service.base_path + rest
            is_bare = path == f"/{name}"
            words = f"a redirect to {path}/, which goes to {name}" if is_bare else f"{name}, as {upstream}"
        place = self._plane.endpoint()
        endpoint = [hold for hold in self._plane.endpoint_holds() if hold.scope in (ENDPOINT, BALANCER)]
        servers = (
            roles(world.registry.value, service.name) if service is not None and world.registry is not None else ()
        )
        return PathExplanation(
            path=path,
            url=f"http://{place[0]}:{place[1]}{path}" if place is not None else path,
            words=words,
            service=service.name if service is not None else None,
            upstream_path=upstream,
            routing=self._routing(world, plan, service.name, servers) if service is not None else None,
            document=self._document(service.name) if service is not None else None,
            holds=self._holds_of(plan, service.name, service.pool) if service is not None else tuple(endpoint),
            events=await self._events(_of_the_endpoint)
            if service is None
            else await self._events_of(service.name, frozenset(servers)),
        )

    def _holds_of(self, plan: Plan, name: ServiceName, pool: PoolName) -> tuple[Hold, ...]:
        return concerning(self.holds(plan), f"service/{name}", f"pool/{pool}", ENDPOINT, BALANCER, "environment")

    def _routing(
        self, world: World, plan: Plan, name: ServiceName, servers: Sequence[ServerId]
    ) -> RoutingReport | None:
        routes = self._plane.routes
        route = routes.served.routes.get(name) if routes.served is not None else None
        if route is None or world.registry is None:
            return None
        held = {hold.scope: hold.words for hold in routes.holds()}
        refused = held.get(ENDPOINT, "") or ("" if routes.is_in_step else "it is on its way to the proxy")
        doubt = held.get(f"service/{name}", "")
        return routing(route, world.registry.value, plan, servers, doubt=doubt, refused=refused)

    def _document(self, name: ServiceName) -> DocumentReport:
        status = self._plane.documents.status_of(name)
        if status is None:
            return DocumentReport(state="unknown", operations=0, words="it has not been asked for yet")
        told = [status.reason, *status.left_out]
        return DocumentReport(
            state=status.state.value, operations=status.operations, words="; ".join(filter(None, told))
        )

    async def _events_of(self, name: ServiceName, servers: Set[str]) -> tuple[EventReport, ...]:
        def concerns(recorded: Recorded) -> bool:
            fields = recorded.fields()
            scope = str(fields.get("scope", ""))
            is_named = (
                fields.get("service") == name or scope == f"service/{name}" or scope.startswith(f"service/{name}/")
            )
            return is_named or fields.get("server") in servers

        return await self._events(concerns)

    async def _events(self, concerns: Callable[[Recorded], bool]) -> tuple[EventReport, ...]:
        async with aclosing(self._bus.follow(0, is_following=False)) as stream:
            told = [recorded async for recorded in stream if concerns(recorded)]
        return tuple(report(recorded) for recorded in told[-EVENTS_TOLD:])


def scaling(demand: Demand) -> Scaling:
    """Tell why a service that scales itself has so many instances."""
    return Scaling(instances=demand.size.total, needed=demand.needed, words=demand.words, signals=demand.signals)


def _of_the_endpoint(recorded: Recorded) -> bool:
    return recorded.actor in {"proxy", "documents", "balancer"}

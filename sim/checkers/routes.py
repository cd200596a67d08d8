"""Checkers of routes: they lead to what serves, they are never emptied by silence, and they keep up (S14, S15, L6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from hfs_appliance.model.events import Recorded, RoutesPublished
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, format_duration, seconds
from hfs_appliance.proxy.table import Member, Route, RouteTable
from sim.checkers.base import Case, Checker, Waiting
from sim.entries import Registered, TrafficGone, TrafficWritten, Unregistered
from sim.registry import READ_COSTS
from sim.scenario import Scenario
from sim.truth import ApiCalled, Condition, ConditionChanged, ControlPlaneStarted, Fact, MachineMade, RoutesServed

_NONE: Final[tuple[Member, ...]] = ()
_Place: TypeAlias = tuple[str, str, int]
"""An instance with its address and port."""


def _place(member: Member) -> _Place:
    return member.instance, member.address, member.port


def _places(members: Iterable[Member]) -> frozenset[_Place]:
    return frozenset(map(_place, members))


def changed(before: RouteTable | None, after: RouteTable) -> Iterator[tuple[ServiceName, tuple[Member, ...], Route]]:
    """Give the routes of which somebody else may get requests, with those who might before."""
    former = before.routes if before is not None else {}
    for name, route in after.routes.items():
        old = former.get(name)
        if old is None:
            yield name, _NONE, route
        elif old is not route and (old.members, old.standby) != (route.members, route.standby):
            yield name, tuple(old.reachable), route


RESYNCED_WITHIN: Final = seconds(75)
"""Z5: of watches that the registry has forgotten without a word, the next resync tells."""


def resynced_within(scenario: Scenario) -> Duration:
    """Give that time: mischief may let a resync come half as often."""
    return Duration(RESYNCED_WITHIN * (2 if scenario.has_mischief else 1))


class Registrations(Checker):
    """What joins a route is registered for it; what has members keeps some while anything serves."""

    name = "routes"
    ids = ("S14",)
    promise = (
        "a new member is registered for that service at that address; no route is emptied while an instance serves"
    )
    sees = (RoutesServed, Registered, Unregistered, ControlPlaneStarted)

    PUBLISHED_WITHIN: Final = seconds(10)
    TAKEN_OVER_WITHIN: Final = seconds(60)
    """A control plane that has just come to the registry takes nobody for gone whom it finds in the proxy."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._table: RouteTable | None = None
        self._ended: dict[ServerId, tuple[Registered, Instant]] = {}
        """Registrations that ended or changed."""
        self._started_at = Instant(0)
        self._found: dict[ServiceName, frozenset[_Place]] = {}
        """Whom the last control plane found in the proxy when it started; what one that hung serves then is newer."""
        self._current: dict[ServerId, Registered] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge a table by the registrations of that moment, and those just before."""
        if isinstance(fact, Registered | Unregistered):
            former = self._current.pop(fact.instance, None)
            if former is not None:
                self._ended[fact.instance] = (former, now)
            if isinstance(fact, Registered):
                self._current[fact.instance] = fact
            return
        if isinstance(fact, ControlPlaneStarted):
            routes = self._table.routes if self._table is not None else {}
            self._started_at, self._found = now, {name: _places(route.reachable) for name, route in routes.items()}
            return
        assert isinstance(fact, RoutesServed)
        for name, before, route in changed(self._table, fact.table):
            known = _places(before)
            if self._weather.routes_asked_at - self._started_at < self.TAKEN_OVER_WITHIN:
                known |= self._found.get(name, frozenset())
            for member in route.reachable:
                if _place(member) not in known:
                    self._judge_new(name, member)
            if before and not route.members:
                self._judge_empty(now, name)
        self._table = fact.table

    def _judge_new(self, name: ServiceName, member: Member) -> None:
        server = ServerId(member.instance)
        entry = self._current.get(server)
        if entry is not None and _is_of(entry, name, member):
            return
        ended = self._ended.get(server)
        known_for = resynced_within(self._scenario) if self._weather.are_watches_lost else self.PUBLISHED_WITHIN
        if (
            ended is not None
            and _is_of(ended[0], name, member)
            and ended[1] >= self._weather.routes_asked_at - known_for
        ):
            return
        if self._weather.sighted_since is None:
            return  # a proxy that hung does now what it was asked for when the control plane could see
        self.accuse(f"{name} is routed to {member.instance} at {member.address}, which is not registered for it there")

    def _judge_empty(self, now: Instant, name: ServiceName) -> None:
        if any(name not in desired.services for desired in self._census.lately(now)):
            return
        if not self._census.service(name).desired or not self._census.service(name).serving:
            return
        for server, machine in self._census.machines.items():
            is_serving = machine.condition is Condition.SERVING and machine.key is not None and machine.key[0] == name
            if is_serving and not self._census.is_leaving(server):
                self.accuse(f"the route of {name} is emptied while {server} serves")
                return


def _is_of(entry: Registered, name: ServiceName, member: Member) -> bool:
    return (entry.service, entry.address, entry.port) == (name, member.address, member.port)


class Astray(Checker):
    """No route leads to an address at which another service answers (V11)."""

    name = "astray"
    ids = ("S14", "S13")
    promise = "no request reaches another service's instance for longer than a control plane that sees needs to mend it"
    sees = (RoutesServed, ConditionChanged, MachineMade, ApiCalled)

    MENDED_WITHIN: Final = seconds(15)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._table: RouteTable | None = None
        self._routed: dict[str, dict[ServiceName, None]] = {}
        """Services whose routes lead to an address."""
        self._holders: dict[str, ServerId] = {}
        self._astray: Waiting[str] = Waiting(self.MENDED_WITHIN)

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow who answers at the addresses that are routed."""
        match fact:
            case MachineMade():
                self._holders[fact.address] = fact.server
            case ConditionChanged():
                machine = self._census.machines.get(fact.server)
                if machine is not None:
                    self._look(now, machine.address)
            case RoutesServed():
                for name, before, members in self._rerouted(fact.table):
                    self._reroute(now, name, before, members)
                self._table = fact.table
            case ApiCalled(call="list"):
                self._accuse_the_late(now)
            case _:
                pass

    def _rerouted(self, table: RouteTable) -> Iterator[tuple[ServiceName, tuple[Member, ...], tuple[Member, ...]]]:
        for name, before, route in changed(self._table, table):
            yield name, before, tuple(route.reachable)
        for name, gone in self._table.routes.items() if self._table is not None else ():
            if name not in table.routes:
                yield name, tuple(gone.reachable), _NONE

    def _reroute(
        self, now: Instant, name: ServiceName, before: tuple[Member, ...], members: tuple[Member, ...]
    ) -> None:
        for member in before:
            self._routed.get(member.address, {}).pop(name, None)
        for member in members:
            self._routed.setdefault(member.address, {})[name] = None
        for member in (*before, *members):
            self._look(now, member.address)
            if not self._routed[member.address]:
                del self._routed[member.address]

    def _look(self, now: Instant, address: str) -> None:
        if self._wronged(address) is None:
            self._astray.end(address)
        else:
            self._astray.begin(now, address)

    def _wronged(self, address: str) -> ServiceName | None:
        """Give a service whose requests reach another one's instance at an address."""
        machine = self._census.machines.get(self._holders.get(address, ServerId("")))
        if machine is None or machine.condition is not Condition.SERVING or machine.key is None:
            return None
        return next((name for name in self._routed.get(address, ()) if name != machine.key[0]), None)

    def _accuse_the_late(self, now: Instant) -> None:
        since = self._weather.sighted_since
        for address in self._astray.due(now):
            wronged = self._wronged(address)
            if since is None or since + self.MENDED_WITHIN > now or self._weather.is_proxy_slow(now):
                self._astray.begin(now, address)
            elif wronged is not None:
                words = f"{wronged} is routed to {address}, where {self._holders[address]} serves another service"
                self.accuse(f"{words}, for {format_duration(self.MENDED_WITHIN)}")


FIRST_PROXY: Final = "proxy"
"""Who tells what the first appliance's proxy serves, which is the one that is judged."""


class InStep(Checker):
    """The endpoint follows the registry within seconds, both ways."""

    name = "in-step"
    ids = ("L6", "S15")
    promise = "a registration is routed, and a draining one unrouted, within seconds; what is told as served is served"
    hears = (RoutesPublished,)
    sees = (RoutesServed, Registered, Unregistered, TrafficWritten, TrafficGone, ApiCalled)

    RENDERED_WITHIN: Final = seconds(15)
    """Beside the time that a new leader takes to read the registry, twice, two entries a server: 55 s for 55,000."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._within: Final = Duration(self.RENDERED_WITHIN + 4 * case.scenario.layout.servers * READ_COSTS)
        self._table: RouteTable | None = None
        self._routed: dict[ServerId, ServiceName] = {}
        self._unseen: dict[ServerId, Instant] = {}
        self._late: Waiting[ServerId] = Waiting(self._within)
        self._named: dict[ServiceName, frozenset[Version]] = {}
        """Versions that traffic entries name."""

    def hear(self, recorded: Recorded) -> None:
        """Compare what the control plane says with what the proxy serves."""
        event = recorded.event
        assert isinstance(event, RoutesPublished)
        if recorded.actor != FIRST_PROXY:
            return
        served = 0 if self._table is None else sum(len(route.members) for route in self._table.routes.values())
        if served != event.instances:
            self.accuse(f"{event.instances} routed instances are told, {served} are served")

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow both sides."""
        match fact:
            case Registered():
                self._look(now, fact.instance)
            case Unregistered():
                self._late.end(fact.instance)
                self._unseen.pop(fact.instance, None)
            case TrafficWritten():
                self._rename(now, fact.service, frozenset(fact.weights))
            case TrafficGone():
                self._rename(now, fact.service, frozenset())
            case RoutesServed():
                for name, before, route in changed(self._table, fact.table):
                    self._reroute(now, name, before, route)
                self._table = fact.table
            case ApiCalled(call="list"):
                self._accuse_the_late(now)
            case _:
                pass

    def _rename(self, now: Instant, service: ServiceName, versions: frozenset[Version]) -> None:
        """Look at all of a service; who need not have been routed before is not late for it."""
        known = self._named.get(service, frozenset())
        self._named[service] = versions
        for key, group in self._census.groups.items():
            if key[0] != service:
                continue
            for server in group.up:
                if key[1] not in known:
                    self._late.end(server)
                self._look(now, server)

    def _reroute(self, now: Instant, name: ServiceName, before: tuple[Member, ...], route: Route) -> None:
        for member in before:
            self._routed.pop(ServerId(member.instance), None)
        for member in route.reachable:
            self._routed[ServerId(member.instance)] = name
        for member in (*before, *route.reachable):
            self._look(now, ServerId(member.instance))

    def _look(self, now: Instant, server: ServerId) -> None:
        if self._is_out_of_step(server):
            self._late.begin(now, server)
        else:
            self._late.end(server)
            self._unseen.pop(server, None)

    def _is_out_of_step(self, server: ServerId) -> bool:
        entry = self._census.registered.get(server)
        return entry is not None and entry.is_up != (self._routed.get(server) == entry.service)

    def _accuse_the_late(self, now: Instant) -> None:
        since, resynced = self._weather.sighted_since, resynced_within(self._scenario)
        for server in self._late.due(now):
            entry = self._census.registered.get(server)
            if entry is None or not self._is_out_of_step(server):
                continue
            # Of several appliances it is not known whether the one whose endpoint this is could see.
            is_excused = (
                self._scenario.layout.appliances > 1
                or self._weather.is_proxy_slow(now)
                or self._weather.was_registry_dull(now, self._within)
            )
            if (
                is_excused
                or since is None
                or since + self._within > now
                or (self._weather.are_watches_lost and now - self._unseen.setdefault(server, now) < resynced)
            ):
                self._late.begin(now, server)
            elif entry.is_up and not self._must_be_routed(entry):
                continue
            else:
                state = "registered and not routed" if entry.is_up else "draining and still routed"
                self.accuse(f"{server} of {entry.service} is {state} for {format_duration(self._within)}")

    def _must_be_routed(self, entry: Registered) -> bool:
        """A version that is to have no requests need not be; nor one of two entries for the same place."""
        desired, traffic = self._census.desired, self._census.traffic.get(entry.service)
        service = desired.services.get(entry.service) if desired is not None else None
        if service is None:
            return False
        if not service.versions.get(entry.version, 0) if traffic is None else entry.version not in traffic.weights:
            return False
        machine = self._census.machines.get(entry.instance)
        return machine is not None and machine.address == entry.address

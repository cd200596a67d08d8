"""The checker of failing static: who cannot see destroys nothing, and leaves the routes as they are (S3, S9)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import Recorded, SessionChanged
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Duration, Instant, format_duration, seconds
from hfs_appliance.ports.registry import SessionState
from hfs_appliance.proxy.table import Member, Route
from sim.checkers.base import Case, Checker
from sim.entries import Author, RoleGiven
from sim.truth import ApiCalled, Condition, Fact, RoutesAsked, RoutesServed


class FailStatic(Checker):
    """Nothing is taken away on the word of a list or a registry that has long been out of reach."""

    name = "fail-static"
    ids = ("S3", "S9", "S14")
    promise = "without a fresh, whole list and a live session, nothing is taken away and nothing that is well unrouted"
    hears = (SessionChanged,)
    sees = (ApiCalled, RoleGiven, RoutesAsked, RoutesServed)

    CARRIED_OUT_WITHIN: Final = seconds(60)
    """An action that was decided upon in time waits for its turn and for the cloud."""
    PUBLISHED_WITHIN: Final = seconds(5)
    """After the client has noticed: what is cut without a word is silent, and was so between two pings before."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        timeout = case.scenario.layout.session_timeout
        self._list_lasts = Duration(case.list_lasts + self.CARRIED_OUT_WITHIN)
        self._session_lasts = Duration(timeout + self.CARRIED_OUT_WITHIN)
        self._noticed_within = Duration(timeout * 2 // 3 + self.PUBLISHED_WITHIN)
        self._grace = Duration(timeout * 3 // 2 - seconds(1))
        self._back_at = Instant(0)
        """When a control plane heard that it was connected."""
        self._served: dict[ServiceName, Route] = {}
        self._blindness = ""
        """Why nothing could be seen when the proxy was asked for a table: one that hangs serves it whenever it can."""

    def hear(self, recorded: Recorded) -> None:
        """Hear when the recovery grace begins."""
        event = recorded.event
        if isinstance(event, SessionChanged) and event.state == SessionState.CONNECTED:
            self._back_at = recorded.at

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare with what could be known."""
        match fact:
            case ApiCalled(call="delete") if not fact.refusal:
                self._judge(fact.asked_at, f"{fact.server} is deleted")
            case RoleGiven(is_draining=True, author=Author.PLANE):
                self._judge(now, f"{fact.server} is drained")
            case RoutesAsked():
                self._blindness = self._why_blind(now)
            case RoutesServed():
                self._judge_routes(fact)
            case _:
                pass

    def _judge(self, at: Instant, what: str) -> None:
        weather = self._weather
        if (blind := at - weather.listed_at) > self._list_lasts:
            self.accuse(f"{what} though the last whole list is {format_duration(Duration(blind))} old")
        if not weather.connected and (cut := at - weather.cut_at) > self._session_lasts:
            self.accuse(f"{what} though the registry has been out of reach for {format_duration(Duration(cut))}")
        if not weather.planes and (dead := at - weather.died_at) > self.CARRIED_OUT_WITHIN:
            self.accuse(f"{what} though no control plane has run for {format_duration(Duration(dead))}")

    def _why_blind(self, now: Instant) -> str:
        """Tell why what the registry does not show now says nothing; empty: it can be seen."""
        weather = self._weather
        if not weather.connected and now - weather.cut_at > self._noticed_within:
            return "out of reach"
        return "back for a moment only" if now - self._back_at < self._grace else ""

    def _judge_routes(self, fact: RoutesServed) -> None:
        former, self._served = self._served, dict(fact.table.routes)
        if not self._blindness:
            return
        for name, route in former.items():
            new = fact.table.routes.get(name)
            if new is route or (new is not None and (new.members, new.standby) == (route.members, route.standby)):
                continue
            # Where a registry was set back, the same place may be routed in the name of who had it before.
            kept = {(member.address, member.port) for member in new.reachable} if new is not None else frozenset()
            for member in route.reachable:
                place = (member.address, member.port)
                if place not in kept and self._is_missed(name, member):
                    self.accuse(
                        f"{member.instance} serves {name} and is unrouted while the registry is {self._blindness}"
                    )

    def _is_missed(self, service: ServiceName, member: Member) -> bool:
        """Tell whether a server serves, and nothing but its silence in the registry speaks against it."""
        server = ServerId(member.instance)
        machine, desired = self._census.machines.get(server), self._census.desired
        if machine is None or machine.key is None or self._census.is_leaving(server) or desired is None:
            return False
        wanted = desired.services[service].versions if service in desired.services else {}
        # What it was registered as counts, too: by mistake it may have been another version.
        is_wanted = wanted.get(machine.key[1], 0) > 0 and wanted.get(member.version, 0) > 0
        is_silent = server not in self._census.registered
        return is_wanted and is_silent and machine.condition is Condition.SERVING and machine.key[0] == service

"""Checkers of rates: calls to the cloud, reloads of the proxy, changes of direction (Q1, Q2, S12)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import ActionStarted, OperatorAsked, Recorded
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant
from hfs_appliance.model.plan import Cause
from sim.census import Recent
from sim.checkers.base import Case, Checker
from sim.entries import DesiredStored
from sim.truth import ApiCalled, ControlPlaneStarted, Fact, RoutesServed


class ApiRate(Checker):
    """The cloud is asked at the pace of its polls and of what is done, and no more."""

    name = "api-rate"
    ids = ("Q1",)
    promise = (
        "in any minute at most twice the polls of a quiet one, and four calls for each action (or start of hfs) of late"
    )
    hears = (ActionStarted, OperatorAsked)
    sees = (ApiCalled, ControlPlaneStarted)

    CALLS_PER_ACTION: Final = 4
    SPARED: Final = 20

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._calls = Recent(MINUTE)
        self._actions = Recent(Duration(2 * MINUTE))
        layout = case.scenario.layout
        self._steady = layout.appliances * 2 * MINUTE // max(layout.poll, SECOND)
        self._accused_at = Instant(0)

    def hear(self, recorded: Recorded) -> None:
        """Count what justifies calls."""
        is_adoption = isinstance(recorded.event, OperatorAsked) and recorded.event.what == "adopt"
        self._actions.add(recorded.at, len(self._census.machines) if is_adoption else 1)

    def see(self, now: Instant, fact: Fact) -> None:
        """Count calls; a control plane that starts looks at once."""
        if isinstance(fact, ControlPlaneStarted):
            self._actions.add(now)
            return
        self._calls.add(now)
        calls = self._calls.count(now)
        if calls <= self._steady + self.SPARED:
            return
        actions = self._actions.count(now)
        allowed = self._steady + self.SPARED + self.CALLS_PER_ACTION * actions
        if calls > allowed and now - self._accused_at > MINUTE:
            self._accused_at = now
            self.accuse(f"{calls} calls to the cloud within a minute, {allowed} are enough for {actions} actions")


class ReloadRate(Checker):
    """A storm of changes gives few reloads."""

    name = "reload-rate"
    ids = ("Q2",)
    promise = "the proxy is reloaded at most once per reload interval, on average over a minute"
    sees = (RoutesServed, ControlPlaneStarted)

    SPARED: Final = 3

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._reloads = Recent(MINUTE)
        self._starts = Recent(MINUTE)
        self._accused_at = Instant(0)

    def see(self, now: Instant, fact: Fact) -> None:
        """Count reloads; a control plane that starts may publish at once."""
        if isinstance(fact, ControlPlaneStarted):
            self._starts.add(now)
            return
        self._reloads.add(now)
        intervals = [desired.endpoint.reload_interval for desired in self._census.lately(now)]
        most = MINUTE // max(min(intervals, default=SECOND), SECOND // 100) + self._starts.count(now) + self.SPARED
        reloads = self._reloads.count(now)
        if reloads > most and now - self._accused_at > MINUTE:
            self._accused_at = now
            self.accuse(f"{reloads} reloads within a minute, {most} at most")


class Direction(Checker):
    """Nobody builds up and down in turns."""

    name = "direction"
    ids = ("S12",)
    promise = "a service or pool whose size is not changed grows and shrinks in turns at most five times in ten minutes"
    hears = (ActionStarted,)
    sees = (DesiredStored,)

    WINDOW: Final = Duration(10 * MINUTE)
    TURNS: Final = 10

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._last: dict[str, str] = {}
        self._turns: dict[str, Recent] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Begin anew when somebody has asked for another count."""
        del now, fact
        self._last.clear()
        self._turns.clear()

    def hear(self, recorded: Recorded) -> None:
        """Count turns."""
        event = recorded.event
        assert isinstance(event, ActionStarted)
        record = self._census.records.get(event.server)
        if event.cause in (Cause.FILL_POOL, Cause.POOL_SURPLUS):
            name = f"the pool of {event.server.rpartition('-')[0]}"
        elif event.action == "claim" or (event.action == "drain" and event.cause == Cause.SCALE_IN):
            service = event.service or (record.service if record is not None else None)
            if service is None:
                return
            name = service
        else:
            return
        if self._last.get(name, event.action) != event.action:
            turns = self._turns.setdefault(name, Recent(self.WINDOW))
            turns.add(recorded.at)
            if turns.count(recorded.at) == self.TURNS + 1:
                self.accuse(f"{name} has grown and shrunk in turns {self.TURNS // 2} times within ten minutes")
        self._last[name] = event.action

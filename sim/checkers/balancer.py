"""Checkers of the load balancer: who is behind it follows who serves, and nobody is taken out the wrong way.

What must be so is told by what the proxies say in the registry and by whether they really answer; what is so, by the
set in force. Who reaches whom, and what the load balancer's own monitor believes, is not asked.
"""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.balancer import BalancerMember, BalancerState, Place
from hfs_appliance.model.balancer_events import BalancerRefused
from hfs_appliance.model.events import HoldChanged, Recorded
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, format_duration, seconds
from hfs_appliance.proxy.balance import SCOPE
from sim.balancer_facts import BalancerCalled, BalancerServes, ProxyAnswers
from sim.census import Recent
from sim.checkers.base import Case, Checker, Waiting
from sim.entries import ProxyGone, ProxyTold
from sim.truth import ApiCalled, ControlPlaneKilled, ControlPlaneStarted, Fact, FaultBegun, FaultEnded


class BehindBalancer(Checker):
    """The load balancer follows the proxies within minutes, both ways."""

    name = "behind-balancer"
    ids = ("L6", "S14")
    promise = "a proxy that serves what it should gets requests within minutes; one that is gone gets none beside it"
    sees = (
        ProxyTold,
        ProxyGone,
        ProxyAnswers,
        BalancerServes,
        BalancerCalled,
        ControlPlaneKilled,
        FaultBegun,
        FaultEnded,
        ApiCalled,
    )

    WITHIN: Final = Duration(150 * SECOND)
    """A session's end, the patience with silence, a pause after failures and the change itself."""
    FREE_AGAIN: Final = Duration(40 * SECOND)
    """From the last time that it was seen pending: the next look, one more change, and that one's own time."""
    LIE: Final = "balancer-monitor-lies"
    """The fault under which half of those that are dead may be kept."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._told: dict[str, ProxyTold] = {}
        self._answering: dict[Place, bool] = {}
        self._weights: dict[Place, int] = {}
        self._able_since = Instant(0)
        """Since when the load balancer has taken every call, and somebody was there to make it."""
        self._lies = 0
        self._wrong: Waiting[Place] = Waiting(self.WITHIN)

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow both sides."""
        match fact:
            case ProxyTold():
                self._told[fact.appliance] = fact
            case ProxyGone():
                self._told.pop(fact.appliance, None)
            case ProxyAnswers():
                self._answering[fact.place] = fact.is_answering
            case BalancerServes():
                self._weights = dict(fact.members)
            case BalancerCalled():
                self._called(now, fact)
            case ControlPlaneKilled():
                self._able_since = now
            case FaultBegun() | FaultEnded():
                self._lies += (1 if isinstance(fact, FaultBegun) else -1) if fact.kind == self.LIE else 0
            case _:
                self._accuse_the_late(now)
                return
        for place in self._places():
            if self._oddity(place):
                self._wrong.begin(now, place)
            else:
                self._wrong.end(place)

    def _called(self, now: Instant, fact: BalancerCalled) -> None:
        if fact.refusal or fact.state is BalancerState.ERROR:
            self._able_since = now
        elif fact.state is BalancerState.PENDING:
            self._able_since = max(self._able_since, Instant(now - self.WITHIN + self.FREE_AGAIN))

    def _places(self) -> list[Place]:
        return sorted({*self._weights, *self._answering})

    def _serving(self) -> set[Place]:
        told = {told.place for told in self._told.values() if told.place is not None and told.is_serving}
        return {place for place in told if self._answering.get(place)}

    def _oddity(self, place: Place) -> str:
        """Say what is wrong with one place; empty: nothing is."""
        serving, weight = self._serving(), self._weights.get(place, 0)
        if place in serving:
            return "" if weight else "serves what it should, and gets no requests"
        is_told = any(told.place == place for told in self._told.values())
        is_dark = not is_told and not self._answering.get(place)
        if serving and weight and is_dark and not self._lies:
            return "does not answer, and gets requests"
        return ""

    def _accuse_the_late(self, now: Instant) -> None:
        since = self._weather.sighted_since
        for place in self._wrong.due(now):
            oddity = self._oddity(place)
            is_excused = since is None or max(since, self._able_since) + self.WITHIN > now
            if oddity and is_excused:
                self._wrong.begin(now, place)
            elif oddity:
                self.accuse(f"{place} {oddity}, for {format_duration(self.WITHIN)}")


class DrainedFirst(Checker):
    """Nobody is cut off from the clients that it talks to."""

    name = "drained-first"
    ids = ("S14",)
    promise = "a proxy leaves the load balancer only after it got no new connections for most of its time to drain"
    sees = (BalancerServes,)

    DRAIN: Final = seconds(25)
    """Of the 30 s that the configuration says: the change that takes it out may be quicker than the one before."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._weights: dict[Place, int] = {}
        self._idle_since: dict[Place, Instant] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare the set with the one before."""
        assert isinstance(fact, BalancerServes)
        before, self._weights = self._weights, dict(fact.members)
        for place in before.keys() - self._weights.keys() if not fact.is_by_hand else ():
            since = self._idle_since.get(place)
            if since is None or since + self.DRAIN > now:
                self.accuse(f"{place} is taken out {'with its weight' if since is None else 'too soon after weight 0'}")
        self._idle_since = {
            place: self._idle_since.get(place, now) for place, weight in self._weights.items() if weight == 0
        }


class NeverEmpty(Checker):
    """Whatever is believed, somebody is left who answers."""

    name = "never-empty"
    ids = ("S1", "S9", "S10")
    promise = "no change of hfs leaves the load balancer without a member that answers, if it had one that does"
    sees = (BalancerServes, ProxyAnswers)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._members: tuple[BalancerMember, ...] = ()
        self._answering: dict[Place, bool] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Look who is left."""
        del now
        if isinstance(fact, ProxyAnswers):
            self._answering[fact.place] = fact.is_answering
            return
        assert isinstance(fact, BalancerServes)
        before, self._members = self._members, fact.members
        if not fact.is_by_hand and self._well(before) and not self._well(fact.members):
            self.accuse(f"{len(self._well(before))} members answered, and the {len(fact.members)} that are left do not")

    def _well(self, members: tuple[BalancerMember, ...]) -> list[Place]:
        return [member.place for member in members if member.weight and self._answering.get(member.place)]


class BalancerBacksOff(Checker):
    """A load balancer that refuses is asked less and less often, and an operator hears of it."""

    name = "balancer-backs-off"
    ids = ("L5", "Q1")
    promise = "the load balancer is asked for few changes and looks within ten minutes; its refusals are told"
    hears = (BalancerRefused, HoldChanged)
    sees = (BalancerCalled, BalancerServes, ControlPlaneStarted)

    WINDOW: Final = Duration(10 * MINUTE)
    ASKED: Final = 25
    """Pauses of 1 s, doubled up to a minute, leave room for fifteen."""
    LOOKS: Final = 130
    """In the window: one every ten seconds, and more often around changes."""
    SPARED: Final = 15
    """For each control plane that was started: it knows of no pause."""
    TOLD_AFTER: Final = 4
    """Refusals in a row, all of them seen by one and the same life of a control plane."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._asked, self._looks, self._starts = Recent(self.WINDOW), Recent(self.WINDOW), Recent(self.WINDOW)
        self._changes = Recent(self.WINDOW)
        self._is_told = False
        """Whether it was told of since a call succeeded last."""
        self._refusals = 0
        self._refused: int | None = None
        """The client that was refused last."""
        self._accused_at = Instant(0)

    def hear(self, recorded: Recorded) -> None:
        """Hear that it is told."""
        event = recorded.event
        if isinstance(event, BalancerRefused) or (isinstance(event, HoldChanged) and event.scope == SCOPE):
            self._is_told = True

    def see(self, now: Instant, fact: Fact) -> None:
        """Count calls, and those that were for nothing."""
        if isinstance(fact, ControlPlaneStarted):
            self._starts.add(now)
            return
        if isinstance(fact, BalancerServes):
            self._changes.add(now)
            return
        assert isinstance(fact, BalancerCalled)
        (self._looks if fact.call == "look" else self._asked).add(now)
        so_far = self._refusals if fact.client == self._refused else 0
        self._refusals, self._refused = (so_far + 1 if fact.refusal else 0), fact.client
        self._is_told = self._is_told and bool(fact.refusal)
        if self._refusals == self.TOLD_AFTER and not self._is_told:
            self.accuse(f"{self._refusals} calls in a row were refused, and nobody was told")
        spared = self.SPARED * (self._starts.count(now) + self._changes.count(now))
        counts = (
            (self._asked, self.ASKED, "changes are asked for"),
            (self._looks, self.LOOKS, "looks are taken"),
        )
        for calls, most, what in counts:
            if calls.count(now) > most + spared and now - self._accused_at > self.WINDOW:
                self._accused_at = now
                self.accuse(f"{calls.count(now)} {what} within ten minutes")

"""Checkers of rollouts: requests go only where instances are, instances go only where no requests do (S17).

What a version gets is told by the traffic entries and by what each proxy says that it follows, never by the rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Instant, format_duration, seconds
from sim.checkers.base import Case, Checker, Waiting
from sim.entries import (
    Author,
    DesiredStored,
    ProxyGone,
    ProxyTold,
    RoleGiven,
    RolloutGone,
    RolloutWritten,
    TrafficGone,
    TrafficWritten,
)
from sim.truth import ApiCalled, Condition, Fact, RegistryReplaced, Settled, VersionOffered, VersionTakenBack

WHOLE: Final = 1000
GIVEN_UP: Final = "abort"


class AcknowledgedSplit(Checker):
    """The last instances of a version leave only when no proxy sends it requests any more."""

    name = "acknowledged-split"
    ids = ("S17",)
    promise = "no version loses its last instance while a living proxy follows a traffic epoch that sends it requests"
    sees = (TrafficWritten, TrafficGone, ProxyTold, ProxyGone, RoleGiven, RegistryReplaced)

    KEPT: Final = 20

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._weights: dict[ServiceName, dict[int, Mapping[Version, int]]] = {}
        """By epoch, the last ones of each service."""
        self._proxies: dict[str, Mapping[ServiceName, int]] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow epochs and acknowledgements; judge who is told to leave."""
        del now
        match fact:
            case TrafficWritten():
                known = self._weights.setdefault(fact.service, {})
                known[fact.epoch] = fact.weights
                while len(known) > self.KEPT:
                    del known[min(known)]
            case TrafficGone():
                self._weights.pop(fact.service, None)
            case ProxyTold():
                self._proxies[fact.appliance] = fact.epochs
            case ProxyGone():
                self._proxies.pop(fact.appliance, None)
            case RegistryReplaced():
                self._weights.clear()  # what was written since is forgotten
            case RoleGiven(is_draining=True, author=Author.PLANE):
                self._judge(fact)
            case _:
                pass

    def _judge(self, role: RoleGiven) -> None:
        service, group = self._desired(role.service), self._census.groups.get((role.service, role.version))
        epochs = self._weights.get(role.service)
        if not service or epochs is None or (group is not None and group.up) or not self._served(role):
            return
        for appliance, followed in sorted(self._proxies.items()):
            weights = epochs.get(followed.get(role.service, 0))
            if weights is not None and weights.get(role.version, 0):
                words = f"{appliance} still sends it {weights[role.version]} of {WHOLE} requests"
                self.accuse(f"{role.server}, the last of {role.service} {role.version}, is drained though {words}")

    def _served(self, role: RoleGiven) -> bool:
        """Tell whether requests could reach an instance: one that never came up takes none with it."""
        machine, entry = self._census.machines.get(role.server), self._census.registered.get(role.server)
        is_serving = machine is not None and machine.condition is Condition.SERVING
        return is_serving or (entry is not None and entry.is_up)

    def _desired(self, name: ServiceName) -> int:
        """Count the instances that are wanted of a service: of one that is to end nobody is missed."""
        service = self._census.desired.services.get(name) if self._census.desired is not None else None
        return sum(service.versions.values()) if service is not None else 0


class RequestsWhereServed(Checker):
    """A version gets more requests only with the instances for them, and one that is given up gives them back."""

    name = "requests-where-served"
    ids = ("S17",)
    promise = "no version is sent more requests than its instances are there for, and what is given up gives all back"
    sees = (RolloutWritten, RolloutGone, TrafficWritten, TrafficGone, ApiCalled, RegistryReplaced)

    GIVEN_BACK_WITHIN: Final = seconds(150)
    """The revert deadline's default, and what a plan, a write and a watch take."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._weights: dict[ServiceName, Mapping[Version, int]] = {}
        self._given_up: Waiting[ServiceName] = Waiting(self.GIVEN_BACK_WITHIN)

    def see(self, now: Instant, fact: Fact) -> None:
        """Judge each division by who is there."""
        match fact:
            case RolloutWritten(phase="abort"):
                self._given_up.begin(now, fact.service)
            case RolloutWritten() | RolloutGone():
                self._given_up.end(fact.service)
            case TrafficWritten():
                self._judge(now, fact)
                self._weights[fact.service] = fact.weights
                rollout = self._census.rollouts.get(fact.service)
                if rollout is not None and not _of_new(rollout, fact.weights):
                    self._given_up.end(fact.service)
            case TrafficGone():
                self._weights.pop(fact.service, None)
                self._given_up.end(fact.service)
            case RegistryReplaced():
                self._weights.clear()
            case ApiCalled(call="list"):
                self._accuse_the_late(now)
            case _:
                pass

    def _judge(self, now: Instant, fact: TrafficWritten) -> None:
        rollout, had = self._census.rollouts.get(fact.service), self._weights.get(fact.service, {})
        if fact.author is not Author.PLANE or rollout is None or rollout.is_over or rollout.phase == GIVEN_UP:
            return
        for version, weight in fact.weights.items():
            if version in rollout.before or weight <= had.get(version, 0):
                continue
            group = self._census.groups.get((fact.service, version))
            there = len(group.up) + group.lost.count(now) if group is not None else 0
            needed = rollout.target.get(version, 0) * weight // WHOLE
            if there < needed:
                words = f"{weight} of {WHOLE} requests with {there} instances, {needed} are needed"
                self.accuse(f"{fact.service} {version} is sent {words}")

    def _accuse_the_late(self, now: Instant) -> None:
        since = self._weather.sighted_since
        for service in self._given_up.due(now):
            rollout, traffic = self._census.rollouts.get(service), self._census.traffic.get(service)
            if rollout is None or rollout.phase != GIVEN_UP or traffic is None:
                continue
            if since is None or since + self.GIVEN_BACK_WITHIN > now:
                self._given_up.begin(now, service)
            elif weight := _of_new(rollout, traffic.weights):
                span = format_duration(self.GIVEN_BACK_WITHIN)
                self.accuse(f"{service} was given up {span} ago, and {weight} of {WHOLE} requests still go to it")


class OneRollout(Checker):
    """A service has one rollout at a time: the next one begins where the requests all are."""

    name = "one-rollout"
    ids = ("S17",)
    promise = "a rollout begins only from versions that have all requests, and its phases follow their order"
    sees = (RolloutWritten, RolloutGone, TrafficWritten, TrafficGone, RegistryReplaced)

    FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
        "preflight": ("expand",),
        "expand": ("canary", "cutover"),
        "canary": ("expand", "cutover"),
        "cutover": ("soak",),
        "soak": ("contract",),
        "contract": (),
        "abort": ("contract",),
        "done": (),
    }
    """Besides: every phase but these two may be given up, and `done` may follow all: nobody is there any more."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._rollouts: dict[ServiceName, RolloutWritten] = {}
        self._weights: dict[ServiceName, Mapping[Version, int]] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare each state with the one before it."""
        del now
        match fact:
            case RolloutWritten():
                before = self._rollouts.get(fact.service)
                self._rollouts[fact.service] = fact
                if before is not None and fact.author is Author.PLANE:
                    self._judge(before, fact)
            case RolloutGone():
                self._rollouts.pop(fact.service, None)
            case TrafficWritten():
                self._weights[fact.service] = fact.weights
            case TrafficGone():
                self._weights.pop(fact.service, None)
            case RegistryReplaced():
                self._rollouts.clear()
                self._weights.clear()
            case _:
                pass

    def _judge(self, before: RolloutWritten, fact: RolloutWritten) -> None:
        if fact.number == before.number:
            ends = ("done",) if before.phase in ("abort", "done") else ("done", GIVEN_UP)
            if fact.phase not in (before.phase, *ends, *self.FOLLOWS[before.phase]):
                self.accuse(f"the rollout of {fact.service} goes from {before.phase} to {fact.phase}")
        elif not before.is_over:
            weights = self._weights.get(fact.service, {})
            others = {v: weight for v, weight in weights.items() if weight and v not in fact.before}
            if others:
                self.accuse(f"a rollout of {fact.service} begins while {', '.join(sorted(others))} has requests")


def _of_new(rollout: RolloutWritten, weights: Mapping[Version, int]) -> int:
    return sum(weight for version, weight in weights.items() if version not in rollout.before)


class RightVerdict(Checker):
    """A rollout ends as its version deserves."""

    name = "right-verdict"
    ids = ("S17", "L9")
    promise = "a good version is never taken back, whatever single instances do; one that is no good is, by itself"
    sees = (VersionOffered, VersionTakenBack, RolloutWritten, RolloutGone, DesiredStored, Settled)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._offered: set[tuple[ServiceName, Version]] = set()
        """Good ones that were asked for; nobody may have heard it yet."""
        self._good: set[tuple[ServiceName, Version]] = set()
        """Those of them that have been rolled out since."""
        self._bad: set[tuple[ServiceName, Version]] = set()
        self._last: dict[ServiceName, RolloutWritten] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Hear what a version is worth; judge what becomes of it."""
        del now
        match fact:
            case VersionOffered():
                (self._offered if fact.is_good else self._bad).add((fact.service, fact.version))
            case VersionTakenBack():
                for known in (self._offered, self._good):
                    known.difference_update([key for key in known if key[0] == fact.service])
            case DesiredStored():
                # Whoever changes his mind meanwhile has it taken back, whatever it is worth.
                self._good = {key for key in self._good if self._is_wanted(fact.desired, *key)}
            case RolloutWritten():
                self._last[fact.service] = fact
                if fact.is_reverting:
                    stays = {(fact.service, version) for version in fact.before}
                    for key in sorted((self._targets(fact) & self._good) - stays):
                        self._good.discard(key)
                        self.accuse(f"{' '.join(key)} is good, and is taken back")
                elif fact.phase != GIVEN_UP:
                    self._good |= self._targets(fact) & self._offered
            case RolloutGone():
                self._last.pop(fact.service, None)  # with its service: nobody is upgraded to anything any more
            case _:
                for _, rollout in sorted(self._last.items()):
                    for key in sorted(self._targets(rollout) & self._bad) if not rollout.is_reverting else ():
                        self.accuse(f"{' '.join(key)} is no good, and was never taken back")

    @staticmethod
    def _is_wanted(desired: DesiredState | None, service: ServiceName, version: Version) -> bool:
        wanted = desired.services.get(service) if desired is not None else None
        return wanted is not None and wanted.versions.get(version, 0) > 0

    def _targets(self, rollout: RolloutWritten) -> set[tuple[ServiceName, Version]]:
        return {(rollout.service, version) for version in rollout.target}

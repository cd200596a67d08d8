"""Checkers of the end: what is called converged is so in truth, stays so, and nothing is left over (L1, L7, L9)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import ActionStarted, ConvergedChanged, Recorded
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant
from sim.checkers.base import Case, Checker
from sim.truth import Condition, Fact, RoutesServed, Settled


class Believes(Checker):
    """Convergence is told when it is true."""

    name = "believes"
    ids = ("L1",)
    promise = (
        "nothing is told to be converged while a service has fewer registered instances than it had to have lately"
    )
    hears = (ConvergedChanged,)

    def hear(self, recorded: Recorded) -> None:
        """Compare with the registry and with what was lost a moment ago."""
        event = recorded.event
        assert isinstance(event, ConvergedChanged)
        if not event.is_converged:
            return
        for key, group in self._census.groups.items():
            known = len(group.up) + group.lost.count(recorded.at)
            lately = (desired.services.get(key[0]) for desired in self._census.lately(recorded.at))
            floor = min((service.versions.get(key[1], 0) if service is not None else 0) for service in lately)
            if known < floor:
                self.accuse(f"told to be converged with {known} of {floor} instances of {' '.join(key)} registered")


class Stays(Checker):
    """Once settled, nothing more is done."""

    name = "stays"
    ids = ("L1", "L9")
    promise = "when faults are over and everything is as desired, not one more action begins"
    hears = (ActionStarted,)
    sees = (Settled,)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._is_settled = False

    def see(self, now: Instant, fact: Fact) -> None:
        """Hear that everything is settled."""
        del now, fact
        self._is_settled = True

    def hear(self, recorded: Recorded) -> None:
        """Judge whatever begins after that."""
        if not self._is_settled:
            return
        event = recorded.event
        assert isinstance(event, ActionStarted)
        self.accuse(f"settled, and then {event.action} of {event.server} for {event.cause}: {event.words}")


class Whole(Checker):
    """In the end the truth is what is desired."""

    name = "whole"
    ids = ("L1", "L7", "L9")
    promise = "in the end each instance serves and is routed, pools are full, and records and machines are the same"
    sees = (Settled, RoutesServed)

    TOLD: Final = 5

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._is_settled = False
        self._routes: RoutesServed | None = None

    def see(self, now: Instant, fact: Fact) -> None:
        """Take the last table; judge only what has settled: the rest is late, which is told by others."""
        del now
        if isinstance(fact, RoutesServed):
            self._routes = fact
        else:
            self._is_settled = True

    def finish(self, now: Instant) -> None:
        """Compare."""
        del now
        if self._is_settled:
            for words in [*self._instances(), *self._pools(), *self._books(), *self._endpoint()][: self.TOLD]:
                self.accuse(words)

    def _instances(self) -> list[str]:
        return [
            f"{' '.join(key)} has {group.serving} instances that serve, {group.desired} desired"
            for key, group in sorted(self._census.groups.items())
            if group.serving != group.desired
        ]

    def _pools(self) -> list[str]:
        warm, desired = self._census.warm, self._census.desired
        sizes = {name: pool.size for name, pool in desired.pools.items()} if desired is not None else {}
        return [
            f"pool {name} has {warm[name]} warm servers, {sizes.get(name, 0)} desired"
            for name in sorted(warm.keys() | sizes.keys())
            if warm[name] != sizes.get(name, 0)
        ]

    def _books(self) -> list[str]:
        machines, records = self._census.machines, self._census.records
        unowned = [
            f"{server} has no record of its own" for server in sorted(machines) if not self._census.is_owned(server)
        ]
        orphaned = [f"the record of {server} has no machine" for server in sorted(records.keys() - machines.keys())]
        left = [
            f"{server} is {machine.condition} and {machine.status}"
            for server, machine in sorted(machines.items())
            if machine.condition not in (Condition.SERVING, Condition.WARM) or machine.is_going
        ]
        open_intents = [
            f"{server} serves, and its record does not say that it ever did"
            for server, record in sorted(records.items())
            if record.service is not None and not record.is_ready
        ]
        return [*unowned, *orphaned, *left, *open_intents]

    def _endpoint(self) -> list[str]:
        if self._routes is None:
            return ["no table was ever served"]
        serving: dict[ServiceName, set[str]] = {}
        for server, machine in self._census.machines.items():
            if machine.condition is Condition.SERVING and machine.key is not None:
                serving.setdefault(machine.key[0], set()).add(server)
        return [
            f"{name} is routed to {len(routed)} instances, {len(serving.get(name, ()))} serve, and not the same ones"
            for name, route in sorted(self._routes.table.routes.items())
            if (routed := {member.instance for member in route.members}) != serving.get(name, set())
        ]

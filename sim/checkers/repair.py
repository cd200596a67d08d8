"""Checkers of repair: no service lacks capacity for long, and none much longer than others (L4, Q6)."""

from __future__ import annotations

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Duration, Instant, format_duration
from sim.checkers.base import Case, Checker
from sim.entries import DesiredStored
from sim.truth import ConditionChanged, Fact, MachineHidden, StoryBegun


class Repair(Checker):
    """The gap between what a service should have and what serves is closed in time."""

    name = "repair"
    ids = ("L4",)
    promise = "no service lacks instances that serve for longer at a stretch than the scenario allows"
    sees = (ConditionChanged, DesiredStored, StoryBegun, MachineHidden)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._bound = case.scenario.bounds.repair
        self._has_begun = False
        self._gaps: dict[ServiceName, Instant] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the gaps."""
        match fact:
            case StoryBegun():
                self._has_begun = True
                self._look_at_all(now)
            case ConditionChanged():
                if fact.service is not None:
                    self._look(now, fact.service)
            case _:
                self._look_at_all(now)

    def finish(self, now: Instant) -> None:
        """Judge what is open still."""
        for name in list(self._gaps):
            self._close(now, name)

    def _look_at_all(self, now: Instant) -> None:
        for name in self._census.services:
            self._look(now, name)

    def _look(self, now: Instant, name: ServiceName) -> None:
        service = self._census.service(name)
        if service.serving < service.desired:
            if self._has_begun:
                self._gaps.setdefault(name, now)
        elif name in self._gaps:
            self._close(now, name)

    def _close(self, now: Instant, name: ServiceName) -> None:
        lasted = Duration(now - self._gaps.pop(name))
        if self._bound is not None and lasted > self._bound:
            words = f"{format_duration(lasted)}, {format_duration(self._bound)} allowed"
            self.accuse(f"{name} lacked instances that serve for {words}")

"""Checkers of repair: no service lacks capacity for long (L4)."""

from __future__ import annotations

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Duration, Instant, format_duration
from sim.checkers.base import Case, Checker
from sim.gaps import Gaps
from sim.truth import Fact


class Repair(Checker):
    """The gap between what a service should have and what serves is closed in time."""

    name = "repair"
    ids = ("L4",)
    promise = "no service lacks instances that serve for longer at a stretch than the scenario allows"
    sees = Gaps.SEES

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._bound = case.scenario.bounds.repair
        self._gaps = Gaps(case.census, self._judge)

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the gaps."""
        self._gaps.see(now, fact)

    def finish(self, now: Instant) -> None:
        """Judge what is open still."""
        self._gaps.finish(now)

    def _judge(self, name: ServiceName, lasted: Duration) -> None:
        if self._bound is not None and lasted > self._bound:
            words = f"{format_duration(lasted)}, {format_duration(self._bound)} allowed"
            self.accuse(f"{name} lacked instances that serve for {words}")

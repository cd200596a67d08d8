"""What a run is measured by: folds over events and truth that become the fields of an Outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from hfs_appliance.model.instants import Instant
from sim.census import Census
from sim.folds import Fold
from sim.metrics.counts import Calls, Causes, Waste
from sim.metrics.latency import Latency
from sim.metrics.recovery import Lacks, Recovery
from sim.metrics.supply import Supply
from sim.metrics.timeline import Course
from sim.outcome import ApiCalls, Availability, Elasticity, Spread, Timeline


class Findings(TypedDict):
    """The measured fields of an Outcome."""

    reconcile_ms: Spread
    reconcile_parts_ms: Mapping[str, Spread]
    repair_s: Mapping[str, Spread]
    detect_s: Mapping[str, Spread]
    gaps_s: Spread
    availability: Mapping[str, Availability]
    created: Mapping[str, int]
    destroyed: Mapping[str, int]
    wasted_server_seconds: int
    api_calls: ApiCalls
    elasticity: Elasticity
    timeline: Timeline


class Metrics:
    """All folds of one run, in the order in which they listen."""

    def __init__(self, census: Census) -> None:
        self._causes = Causes()
        self._calls = Calls()
        self._waste = Waste(census)
        self._latency = Latency()
        self._recovery = Recovery(census)
        self._lacks = Lacks(census)
        self._supply = Supply(census)
        self.course = Course(census, self._causes)
        self.folds: tuple[Fold, ...] = (
            self._causes,
            self._calls,
            self._waste,
            self._latency,
            self._recovery,
            self._lacks,
            self._supply,
            self.course,
        )

    def reconcile_ms(self) -> Spread:
        """Give the latency of reconciling so far."""
        return self._latency.spread()

    def findings(self, now: Instant) -> Findings:
        """Give what was measured."""
        repair, detect = self._recovery.spreads()
        return Findings(
            reconcile_ms=self.reconcile_ms(),
            reconcile_parts_ms=self._latency.parts(),
            repair_s=repair,
            detect_s=detect,
            gaps_s=self._lacks.spread(),
            availability=self._supply.availability(now),
            created=dict(sorted(self._causes.created.items())),
            destroyed=dict(sorted(self._causes.destroyed.items())),
            wasted_server_seconds=self._waste.seconds(now),
            api_calls=self._calls.found(),
            elasticity=self._supply.elasticity(now),
            timeline=self.course.found(self._latency.histogram(), self._recovery.histogram()),
        )

"""The panel: everybody who judges or measures one run, each hearing only what it has asked for."""

from __future__ import annotations

from collections.abc import Callable

from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.instants import Instant
from hfs_appliance.telemetry.bus import EventBus
from sim.census import Census
from sim.checkers import CHECKERS, Case, Docket
from sim.folds import Fold
from sim.metrics import Findings, Metrics
from sim.scenario import Scenario
from sim.truth import Truth
from sim.weather import Weather


class Panel:
    """Census and weather, then the checkers, then the metrics."""

    def __init__(self, scenario: Scenario, now: Callable[[], Instant], truth: Truth, bus: EventBus) -> None:
        self.docket = Docket(now)
        self.census = Census()
        self.weather = Weather()
        case = Case(docket=self.docket, scenario=scenario, census=self.census, weather=self.weather)
        self.checkers = [checker(case) for checker in CHECKERS]
        self.metrics = Metrics(self.census)
        self._truth = truth
        self._failure: Exception | None = None
        self._ended_at: Instant | None = None
        truth.listen(self.metrics.course.before, self.census.kinds)
        truth.listen(self.census.see, self.census.kinds)
        truth.listen(self.weather.see, self.weather.kinds)
        self._listeners: dict[type[Event], list[Callable[[Recorded], None]]] = {
            kind: [self.weather.hear] for kind in self.weather.hears
        }
        self._folds: tuple[Fold, ...] = (*self.checkers, *self.metrics.folds)
        for fold in self._folds:
            truth.listen(fold.see, fold.sees)
            for kind in fold.hears:
                self._listeners.setdefault(kind, []).append(fold.hear)
        bus.subscribe("panel", self._hear)

    def finish(self, now: Instant) -> None:
        """Let everybody judge what can only be judged at the end. Errors: a fold's own mistake."""
        self._ended_at = now
        for fold in self._folds:
            fold.finish(now)
        self.demand_sound()

    def findings(self, now: Instant) -> Findings:
        """Give what was measured until the end, or until now when the run broke off."""
        return self.metrics.findings(self._ended_at or now)

    def demand_sound(self) -> None:
        """Raise what a fold did wrong: the bus and the product's supervisors would swallow it."""
        failure = self._failure or self._truth.failure
        if failure is not None:
            raise failure

    def _hear(self, recorded: Recorded) -> None:
        try:
            for hear in self._listeners.get(type(recorded.event), ()):
                hear(recorded)
        except Exception as error:
            self._failure = self._failure or error
            raise

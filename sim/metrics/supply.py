"""Supply against demand: availability of each service, and elasticity of the whole (Herbst, Kounev, Reussner 2013)."""

from __future__ import annotations

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import HOUR, MINUTE, Instant
from sim.census import Census
from sim.entries import DesiredStored
from sim.folds import Fold
from sim.metrics.levels import Integral, ppm
from sim.outcome import Availability, Elasticity
from sim.truth import ConditionChanged, DemandChanged, Fact, MachineHidden, StoryBegun


class _Service:
    """One service: its levels, summed since the story began."""

    def __init__(self, now: Instant) -> None:
        self.begun = now
        self.answers, self.capacity, self.desired = Integral(now), Integral(now), Integral(now)
        self.demand = self.supply = 0

    def found(self, now: Instant) -> Availability:
        return Availability(
            served_ppm=ppm(self.answers.until(now), now - self.begun),
            capacity_ppm=ppm(self.capacity.until(now), self.desired.until(now)),
        )


class Supply(Fold):
    """Integrals over what serves, what is desired and what the traffic needs, from the beginning of the story."""

    sees = (StoryBegun, ConditionChanged, MachineHidden, DesiredStored, DemandChanged)

    def __init__(self, census: Census) -> None:
        self._census = census
        self._services: dict[ServiceName, _Service] = {}
        self._totals: _Totals | None = None

    def see(self, now: Instant, fact: Fact) -> None:
        """Take the levels of the services that a fact concerns."""
        if isinstance(fact, StoryBegun):
            self._totals = _Totals(now)
        if self._totals is None:
            return
        if isinstance(fact, ConditionChanged | DemandChanged):
            if fact.service is not None:
                self._look(now, fact.service, self._totals)
        elif isinstance(fact, MachineHidden):
            machine = self._census.gone.get(fact.server)
            if machine is not None and machine.key is not None:
                self._look(now, machine.key[0], self._totals)
        else:
            for name in self._census.services:
                self._look(now, name, self._totals)

    def availability(self, now: Instant) -> dict[str, Availability]:
        """Give how each service fared."""
        return {name: service.found(now) for name, service in sorted(self._services.items())}

    def elasticity(self, now: Instant) -> Elasticity:
        """Give how the supply of all services together followed their demand."""
        return self._totals.found(now) if self._totals is not None else Elasticity()

    def _look(self, now: Instant, name: ServiceName, totals: _Totals) -> None:
        whole = self._census.service(name)
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = _Service(now)
        service.answers.set(now, int(whole.serving > 0 or not whole.desired))
        service.capacity.set(now, min(whole.serving, whole.desired))
        service.desired.set(now, whole.desired)
        totals.change(now, (service.demand, service.supply), (whole.wanted, whole.serving))
        service.demand, service.supply = whole.wanted, whole.serving


class _Totals:
    """All services together; what one has too many is no help to another that has too few."""

    def __init__(self, now: Instant) -> None:
        self._begun = now
        self._demand, self._under, self._over = Integral(now), Integral(now), Integral(now)
        self._is_under, self._is_over = Integral(now), Integral(now)
        self._supply = 0
        self._motion = _Motion(now)

    def change(self, now: Instant, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Replace one service's demand and supply."""
        if before == after:
            return
        self._demand.set(now, self._demand.level - before[0] + after[0])
        self._under.set(now, self._under.level - max(before[0] - before[1], 0) + max(after[0] - after[1], 0))
        self._over.set(now, self._over.level - max(before[1] - before[0], 0) + max(after[1] - after[0], 0))
        self._is_under.set(now, int(self._under.level > 0))
        self._is_over.set(now, int(self._over.level > 0))
        self._supply += after[1] - before[1]
        self._motion.move(now, self._demand.level, self._supply)

    def found(self, now: Instant) -> Elasticity:
        """Give the metrics."""
        span, demand = now - self._begun, self._demand.until(now)
        if not span or not demand:
            return Elasticity()
        return Elasticity(
            under_accuracy_ppm=ppm(self._under.until(now), demand),
            over_accuracy_ppm=ppm(self._over.until(now), demand),
            under_time_ppm=ppm(self._is_under.until(now), span),
            over_time_ppm=ppm(self._is_over.until(now), span),
            instability_ppm=ppm(self._motion.opposed * MINUTE, span),
            jitter_milli_per_hour=self._motion.jitter * 1000 * HOUR // span,
        )


class _Motion:
    """Which way demand and supply move, minute by minute."""

    def __init__(self, now: Instant) -> None:
        self.opposed = 0
        """Minutes in which the two moved against each other."""
        self.jitter = 0
        """Turns of the supply beyond those of the demand."""
        self._minute = now // MINUTE
        self._then = self._now = (0, 0)
        self._ways = (0, 0)
        """The last directions of demand and supply: -1, 0 or 1."""

    def move(self, now: Instant, demand: int, supply: int) -> None:
        """Take the levels from now on."""
        if now // MINUTE != self._minute:
            self._end_minute()
            self._minute = now // MINUTE
        self._now = (demand, supply)

    def _end_minute(self) -> None:
        demand, supply = (_sign(now - then) for now, then in zip(self._now, self._then, strict=True))
        if demand * supply < 0:
            self.opposed += 1
        self.jitter += int(supply * self._ways[1] < 0) - int(demand * self._ways[0] < 0)
        self._ways = (demand or self._ways[0], supply or self._ways[1])
        self._then = self._now


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)

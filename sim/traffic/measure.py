"""What became of the requests of a run: a fold over what the traffic tells."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import MILLISECOND, Instant
from sim.outcome import Requests, ServiceRequests
from sim.traffic.facts import TrafficFlowed

MICRO: Final = 1_000_000
NAMED: Final = 10
"""Services that are named one by one."""


class Measure:
    """Folds one run."""

    def __init__(self) -> None:
        self._asked: Counter[ServiceName] = Counter()
        self._lost: Counter[ServiceName] = Counter()
        self._latencies: dict[ServiceName, Counter[int]] = {}
        """How many requests came while the service's 95th percentile was so many ms."""

    def see(self, now: Instant, fact: TrafficFlowed) -> None:
        """Take what became of a service's requests in a while."""
        del now
        if fact.asked:
            self._asked[fact.service] += fact.asked
            self._lost[fact.service] += fact.lost
            latencies = self._latencies.setdefault(fact.service, Counter())
            latencies[fact.latency_p95 // MILLISECOND] += fact.asked

    def requests(self) -> Requests:
        """Give the sums, and the services that lost the greatest share by name."""
        asked, lost = self._asked.total(), self._lost.total()
        everywhere: Counter[int] = Counter()
        for latencies in self._latencies.values():
            everywhere.update(latencies)
        worst = sorted(self._asked, key=lambda name: (-self._lost[name] * MICRO // self._asked[name], name))[:NAMED]
        return Requests(
            asked=asked // MICRO,
            lost=lost // MICRO,
            lost_ppm=lost * MICRO // asked if asked else 0,
            latency_p95_ms=_percentile(everywhere, 95),
            services={name: self._of(name) for name in worst},
        )

    def _of(self, name: ServiceName) -> ServiceRequests:
        asked, lost = self._asked[name], self._lost[name]
        return ServiceRequests(
            asked=asked // MICRO,
            lost=lost // MICRO,
            lost_ppm=lost * MICRO // asked,
            latency_p95_ms=_percentile(self._latencies[name], 95),
        )


def _percentile(weights: Counter[int], percent: int) -> int:
    """Give the least value that so many percent of the weight do not exceed; 0 of nothing."""
    total, seen = weights.total(), 0
    for value in sorted(weights):
        seen += weights[value]
        if seen * 100 >= total * percent:
            return value
    return 0

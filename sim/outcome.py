"""The outcome of one run: what `hfs simulate --json` prints, and what the report is drawn from. Plain values only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A checker saw something that must not be."""

    checker: str
    instant: str
    """Virtual time since the beginning, as people read it."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How durations were distributed; percentiles by nearest rank. The unit is the field's that holds it."""

    count: int = 0
    p50: int = 0
    p99: int = 0
    max: int = 0

    @classmethod
    def of(cls, values: Sequence[int], *, unit: int = 1) -> Spread:
        """Fold integers, counted in units of `unit`, rounded up."""
        if not values:
            return cls()
        ordered = sorted(-(-value // unit) for value in values)
        ranks = {share: ordered[max(math.ceil(len(ordered) * share / 100), 1) - 1] for share in (50, 99)}
        return cls(count=len(ordered), p50=ranks[50], p99=ranks[99], max=ordered[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie in each bucket."""

    up_to: tuple[int, ...] = ()
    """Upper ends of the buckets, included; the last bucket holds what is greater than the last end."""
    counts: tuple[int, ...] = ()
    """One more than there are ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCalls:
    """Calls to the cloud."""

    total: int = 0
    rejected: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    """All calls, by what was asked: `list`, `get`, `create`, `delete`, …"""
    rejected_kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """How a service fared since it first had all that it should have; shares per million."""

    served_ppm: int = 1_000_000
    """Share of time with at least one instance that answers."""
    capacity_ppm: int = 1_000_000
    """Instances that answer, of those desired, over time; more than desired counts as desired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """How supply (instances that answer) followed demand; the metrics of the SPEC research group (Herbst et al. 2013).

    Accuracies are instances too few or too many, over time, in parts of the demand; all but `jitter` per million.
    """

    under_accuracy_ppm: int = 0
    over_accuracy_ppm: int = 0
    under_time_ppm: int = 0
    over_time_ppm: int = 0
    instability_ppm: int = 0
    """Share of minutes in which supply moved against demand."""
    jitter_milli_per_hour: int = 0
    """Changes of direction of the supply beyond those of the demand, in thousandths an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequests:
    """What became of the requests to one service, or to all."""

    asked: int = 0
    lost: int = 0
    """Without an answer in time, or with an error."""
    lost_ppm: int = 0
    latency_p95_ms: int = 0
    """95 percent of the requests came while the service's 95th percentile was no greater."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests(ServiceRequests):
    """What became of the requests to all services, of a scenario that has traffic."""

    services: Mapping[str, ServiceRequests] = field(default_factory=dict)
    """Those that lost the greatest share, ten at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A fault on the timeline."""

    number: int
    kind: str
    words: str
    begun_s: int
    ended_s: int | None = None
    """None: to the end of the run, or at once (`is_instant`)."""
    is_instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What the run looked like: columns of equal length, one value for each span of `step_s` seconds.

    At most about 2,000 points whatever the length of the run.
    """

    step_s: int = 1
    levels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """At the end of each span: `desired`, `demand`, `serving`, `warm`, and machines by condition (`machines/dark`, …);
    `serving_least` is the least within the span, so that a short dip is not lost."""
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Within each span: `destroyed/<cause>`, `created/<cause>`, `api_calls`, `api_rejected`."""
    faults: tuple[Mark, ...] = ()
    reconcile_ms: Histogram = Histogram()
    repair_s: Histogram = Histogram()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run showed."""

    scenario: str
    seed: int
    servers: int
    virtual_seconds: int
    cpu_seconds: float
    events: int
    digest: str
    violations: tuple[Violation, ...]
    """The first ones."""
    violations_total: int = 0
    strikes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By kind of fault, then by phase: how often a fault struck while its victims (or, if it has none, any server) were
    in that phase."""
    reconcile_ms: Spread = Spread()
    """From the instant at which the control plane saw a change to the end of the action with which it answered it."""
    reconcile_parts_ms: Mapping[str, Spread] = field(default_factory=dict)
    """`seen` (it happened → the control plane says so), `planned` (→ its action starts), `done` (→ the action ends),
    `converged` (the environment left its desired state → it is reached again)."""
    repair_s: Mapping[str, Spread] = field(default_factory=dict)
    """By kind of fault: from its beginning until the service of each victim had all its instances again, in truth."""
    detect_s: Mapping[str, Spread] = field(default_factory=dict)
    """By kind of fault: from its beginning until the control plane called each victim suspect or lost."""
    gaps_s: Spread = Spread()
    """How long, at a stretch, services had fewer instances that answered than they should have, in truth."""
    gap_bound_s: int | None = None
    """What the longest of them must keep (`bounds.repair`); None: the scenario demands nothing."""
    availability: Mapping[str, Availability] = field(default_factory=dict)
    """By service."""
    created: Mapping[str, int] = field(default_factory=dict)
    """Servers made at the product's wish, by cause."""
    destroyed: Mapping[str, int] = field(default_factory=dict)
    """Servers whose deletion began, by cause."""
    wasted_server_seconds: int = 0
    """Of machines that neither serve nor belong to the warm pool that is wanted."""
    api_calls: ApiCalls = ApiCalls()
    elasticity: Elasticity = Elasticity()
    requests: Requests = Requests()
    timeline: Timeline = Timeline()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Give an outcome as JSON's own types."""
    return asdict(outcome)

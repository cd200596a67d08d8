"""Load: what the proxies measured of the services' versions.

A Sample is one short span, raw enough to be added up; Figures are what people and gates compare over a longer one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Instant, seconds
from hfs_appliance.model.shares import WHOLE

MICROSECOND: Final = 1_000
MILLI: Final = 1_000
LONGEST_US: Final = 3_600_000_000


def _bounds() -> tuple[int, ...]:
    bounds = [100]
    while bounds[-1] < LONGEST_US:
        bounds.append(bounds[-1] * 21 // 20)
    return tuple(bounds)


BUCKETS_US: Final = _bounds()
"""Upper ends of the buckets of latencies, in microseconds: each 5 % above the one before."""


def bucket_of(latency_us: int) -> int:
    """Give the bucket of a latency."""
    return bisect_left(BUCKETS_US, min(latency_us, BUCKETS_US[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Requests to one version that ended within a span."""

    requests: int = 0
    errors: int = 0
    """Requests that got no answer or one of the 500s."""
    busy_us: int = 0
    """Sum of the times of all requests; over the span it is how many were under way at a time (Little's law)."""
    latencies: Mapping[int, int] = field(default_factory=dict)
    """Requests by bucket of their time."""

    def percentile_us(self, percent: int) -> int:
        """Give the time within which so many percent were answered; 0 when there was nothing to answer."""
        total, seen = sum(self.latencies.values()), 0
        for bucket in sorted(self.latencies):
            seen += self.latencies[bucket]
            if seen * 100 >= total * percent:
                return BUCKETS_US[bucket]
        return 0


class Rates(NamedTuple):
    """How much was asked at a time, and what that took."""

    requests: int
    """A second, in thousandths."""
    under_way: int
    """At a time, in thousandths."""
    failed: int = 0
    """Share of the requests (`Share`)."""
    p95_us: int = 0
    instances: int = 0
    """That served."""
    cpu: int | None = None
    """Mean share of its server's processors that an instance used, per mille; None: nobody knows."""
    load: int | None = None
    """Likewise how many would have run at a time, for each processor (load average)."""


NOBODY: Final = Rates(requests=0, under_way=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The instances of a service that serve, and what agents said of them: of some, when there are many."""

    instances: int
    cpu: int | None = None
    """Mean, per mille; None: too few have said."""
    load: int | None = None


NO_CREW: Final = Crew(instances=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All versions of one service within one span."""

    begin: Instant
    end: Instant
    versions: Mapping[Version, Measured]
    crew: Crew = NO_CREW
    least: Rates = NOBODY
    most: Rates = NOBODY
    """Lowest and highest rates within it, each of a steady time (`STEADY`); set where a Sample joins a Series."""


Series: TypeAlias = tuple[Sample, ...]
"""Samples of one service, the newest last. In a gap nothing was measured; a Sample of nothing says that nobody came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a proxy counted within one span, by service; a service that nobody asked is left out."""

    begin: Instant
    end: Instant
    services: Mapping[ServiceName, Mapping[Version, Measured]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadView:
    """What is known of the load of the services that somebody wants to know about."""

    services: Mapping[ServiceName, Series]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one version did within a window."""

    requests: int
    errors: int
    """Requests that got no answer or one of the 500s."""
    p95_us: int
    """95 of 100 requests were answered within this, in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLoad:
    """The versions of one service over the same minutes. A window never reaches back over a traffic epoch."""

    begin: Instant
    end: Instant
    versions: Mapping[Version, Figures]


def added(parts: Iterable[Measured]) -> Measured:
    """Add up what was measured."""
    requests = errors = busy_us = 0
    latencies: Counter[int] = Counter()
    for part in parts:
        requests += part.requests
        errors += part.errors
        busy_us += part.busy_us
        latencies.update(part.latencies)
    return Measured(requests=requests, errors=errors, busy_us=busy_us, latencies=dict(latencies))


def joined(samples: Iterable[Sample]) -> Sample:
    """Make one Sample of several that follow each other."""
    every = tuple(samples)
    versions = sorted({version for sample in every for version in sample.versions})
    return Sample(
        begin=every[0].begin,
        end=every[-1].end,
        versions={
            version: added(sample.versions[version] for sample in every if version in sample.versions)
            for version in versions
        },
        least=_each(min, [sample.least for sample in every]),
        most=_each(max, [sample.most for sample in every]),
    )


def _each(choose: Callable[[Iterable[int]], int], rates: Sequence[Rates]) -> Rates:
    """Choose figure by figure; what is not known all the time is not known."""
    chosen = [None if None in figures else choose(figures) for figures in zip(*rates, strict=True)]
    return Rates._make(chosen)


def _rates(samples: Sequence[Sample]) -> Rates:
    span = max(1, sum(sample.end - sample.begin for sample in samples))
    whole = added(measured for sample in samples for measured in sample.versions.values())
    crew = samples[-1].crew
    return Rates(
        requests=whole.requests * MILLI * SECOND // span,
        under_way=whole.busy_us * MICROSECOND * MILLI // span,
        failed=whole.errors * WHOLE // whole.requests if whole.requests else 0,
        p95_us=whole.percentile_us(95),
        instances=crew.instances,
        cpu=crew.cpu,
        load=crew.load,
    )


STEADY: Final = seconds(10)
"""Figures of less time are as much chance as load: 5 s of 100 requests a second are off by 5 % one time in three."""
FINE: Final = MINUTE
"""The last minute is kept sample by sample, what is older minute by minute."""
KEPT: Final = HOUR


def extended(series: Series, sample: Sample) -> Series:
    """Add a Sample to a Series; what has become old is joined to minutes, what is too old is left out."""
    rates = _rates([*_last(series, STEADY - (sample.end - sample.begin)), sample])
    sample = replace(sample, least=rates, most=rates)
    fine_since, kept_since = sample.end - FINE, sample.end - KEPT
    old: list[Sample] = []
    for each in series:
        if not kept_since < each.end <= fine_since:
            continue
        if old and _minute(old[-1]) == _minute(each):
            old[-1] = joined((old[-1], each))
        else:
            old.append(each)
    return (*old, *(each for each in series if each.end > fine_since), sample)


def _last(series: Series, span: int) -> Sequence[Sample]:
    """Give the last Samples that make up a span at least, if there are so many."""
    found: list[Sample] = []
    for sample in reversed(series):
        if span <= 0:
            break
        found.append(sample)
        span -= sample.end - sample.begin
    return found


def over(series: Series, since: Instant) -> ServiceLoad | None:
    """Sum up what began at an instant or later; None when nothing did."""
    found = [sample for sample in series if sample.begin >= since]
    if not found:
        return None
    whole = joined(found)
    return ServiceLoad(
        begin=whole.begin,
        end=whole.end,
        versions={
            version: Figures(requests=measured.requests, errors=measured.errors, p95_us=measured.percentile_us(95))
            for version, measured in whole.versions.items()
        },
    )


def _minute(sample: Sample) -> int:
    return (sample.end - 1) // MINUTE

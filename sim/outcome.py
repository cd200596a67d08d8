"""The outcome of one run: what `hfs simulate --json` prints, and what the report is drawn from. Plain values only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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
class ApiCalls:
    """Calls to the cloud."""

    total: int = 0
    rejected: int = 0


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
    reconcile_ms: Spread = Spread()
    repair_s: Mapping[str, Spread] = field(default_factory=dict)
    """By kind of fault."""
    destroyed: Mapping[str, int] = field(default_factory=dict)
    """Servers whose deletion began, by cause."""
    api_calls: ApiCalls = ApiCalls()

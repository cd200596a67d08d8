"""The gate: is the new version as good as the old one over the same minutes? Integers throughout.

Chance is allowed for: only a difference that chance does not explain fails a version, and only figures within the
limits pass it. What lies between waits for more requests, and so does a version that has had too few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isqrt
from typing import Final

from hfs_appliance.model.ids import Version
from hfs_appliance.model.load import Figures, ServiceLoad
from hfs_appliance.model.rollout import Gate

_MILLION: Final = 1_000_000
_ERRORS_APART: Final = 3
"""Standard deviations of the number of errors (Poisson: its root) by which it must exceed what is allowed."""
_P95_APART: Final = 1_500_000
"""Millionths, over the root of the requests: two deviations of a 95th percentile are about as much for the latencies
that services have (exponential: 1.45 / sqrt(n) of its value each)."""


class Judgement(StrEnum):
    """What the figures say."""

    PASSED = "passed"
    FAILED = "failed"
    TOO_FEW = "too-few"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement with the figures that it rests on."""

    judgement: Judgement
    words: str


def judge(gate: Gate, load: ServiceLoad | None, old: Iterable[Version], new: Iterable[Version]) -> Verdict:
    """Compare the new versions with the old ones."""
    was, now = _together(load, old), _together(load, new)
    words = f"new {_told(now)}; old {_told(was)}"
    if min(was.requests, now.requests) < gate.min_requests:
        return Verdict(judgement=Judgement.TOO_FEW, words=f"{words}; the gate needs {gate.min_requests} of each")
    allowed_ppm = was.errors * gate.error_factor * 1000 // was.requests + gate.error_plus
    allowed = now.requests * allowed_ppm  # errors, in millionths
    errors = now.errors * _MILLION
    p95_limit = max(1, was.p95_us * gate.p95_factor // 1000)
    p95_worst = p95_limit + p95_limit * _P95_APART // (isqrt(now.requests * _MILLION**2) or 1)
    if errors > allowed + _ERRORS_APART * isqrt(allowed * _MILLION) + _MILLION:
        return Verdict(judgement=Judgement.FAILED, words=f"too many errors: {words}")
    if now.p95_us > p95_worst:
        return Verdict(judgement=Judgement.FAILED, words=f"too slow: {words}")
    if errors > allowed or now.p95_us > p95_limit:
        return Verdict(judgement=Judgement.UNCLEAR, words=f"not certain yet: {words}")
    return Verdict(judgement=Judgement.PASSED, words=words)


def _together(load: ServiceLoad | None, versions: Iterable[Version]) -> Figures:
    """Add versions up; their 95th percentile is that of the slowest."""
    found = [load.versions[version] for version in sorted(versions) if version in load.versions] if load else []
    return Figures(
        requests=sum(figures.requests for figures in found),
        errors=sum(figures.errors for figures in found),
        p95_us=max((figures.p95_us for figures in found), default=0),
    )


def _told(figures: Figures) -> str:
    """Write figures: `12000 requests, 0.02 % errors, p95 41.2 ms`."""
    if not figures.requests:
        return "0 requests"
    hundredths = figures.errors * 10_000 // figures.requests
    tenths = figures.p95_us // 100
    share = f"{hundredths // 100}.{hundredths % 100:02d}"
    return f"{figures.requests} requests, {share} % errors, p95 {tenths // 10}.{tenths % 10} ms"

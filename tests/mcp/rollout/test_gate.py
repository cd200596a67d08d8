"""The gate: what passes, what fails, what waits; and how often chance deceives it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from hfs_appliance.mcp.rollout.gate import Judgement, judge
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.load import Figures, ServiceLoad
from hfs_appliance.model.rollout import Gate

OLD, NEW = Version("1"), Version("2")
GATE = Gate()
TRIALS = 400


def load(old: Figures, new: Figures) -> ServiceLoad:
    return ServiceLoad(begin=Instant(0), end=Instant(1), versions={OLD: old, NEW: new})


def figures(requests: int, errors: int = 0, p95_us: int = 40_000) -> Figures:
    return Figures(requests=requests, errors=errors, p95_us=p95_us)


@pytest.mark.parametrize(
    ("old", "new", "judgement"),
    [
        (figures(10_000), figures(1_000), Judgement.PASSED),
        (figures(10_000, 10), figures(1_000, 1), Judgement.PASSED),
        (figures(10_000), figures(499), Judgement.TOO_FEW),
        (figures(499), figures(10_000), Judgement.TOO_FEW),
        (figures(0), figures(0), Judgement.TOO_FEW),
        (figures(10_000, 10), figures(1_000, 3), Judgement.UNCLEAR),
        (figures(10_000, 10), figures(1_000, 50), Judgement.FAILED),
        (figures(10_000, 500), figures(1_000, 50), Judgement.PASSED),
        (figures(10_000, 500), figures(10_000, 1_000), Judgement.FAILED),
        (figures(10_000), figures(500, p95_us=48_000), Judgement.PASSED),
        (figures(10_000), figures(500, p95_us=49_000), Judgement.UNCLEAR),
        (figures(10_000), figures(500, p95_us=52_000), Judgement.FAILED),
        (figures(10_000), figures(1_000_000, p95_us=49_000), Judgement.FAILED),
        (figures(10_000, p95_us=0), figures(1_000, p95_us=0), Judgement.PASSED),
    ],
)
def test_judgements(old: Figures, new: Figures, judgement: Judgement) -> None:
    assert judge(GATE, load(old, new), [OLD], [NEW]).judgement is judgement


def test_no_figures_are_too_few() -> None:
    verdict = judge(GATE, None, [OLD], [NEW])
    assert verdict.judgement is Judgement.TOO_FEW
    assert verdict.words == "new 0 requests; old 0 requests; the gate needs 500 of each"


def test_the_words_have_the_figures() -> None:
    verdict = judge(GATE, load(figures(10_000, 12), figures(1_000, 50, 52_340)), [OLD], [NEW])
    assert verdict.words == (
        "too many errors: new 1000 requests, 5.00 % errors, p95 52.3 ms; old 10000 requests, 0.12 % errors, p95 40.0 ms"
    )


def test_several_versions_are_taken_together() -> None:
    both = ServiceLoad(
        begin=Instant(0),
        end=Instant(1),
        versions={OLD: figures(300), Version("1b"): figures(300, 6, 70_000), NEW: figures(600, 6, 70_000)},
    )
    assert judge(GATE, both, [OLD, Version("1b")], [NEW]).judgement is Judgement.PASSED


def measured(random: Random, requests: int, error_rate: float, mean_ms: float) -> Figures:
    """Measure what clients of a service with exponential latencies would see."""
    errors = sum(random.random() < error_rate for _ in range(requests))
    latencies = sorted(random.expovariate(1 / mean_ms) for _ in range(requests))
    return Figures(requests=requests, errors=errors, p95_us=round(1000 * latencies[requests * 95 // 100]))


def chances(error_rate: float, mean_ms: float, requests: int = 600) -> Counter[Judgement]:
    """Judge versions like this one beside an old one with 0.1 % errors and 10 ms, many times."""
    random = Random(7)
    old = measured(random, 20_000, 0.001, 10)
    return Counter(
        judge(GATE, load(old, measured(random, requests, error_rate, mean_ms)), [OLD], [NEW]).judgement
        for _ in range(TRIALS)
    )


def test_chance_fails_a_good_version_hardly_ever() -> None:
    found = chances(0.001, 10)
    assert found[Judgement.FAILED] <= TRIALS // 200, found
    assert found[Judgement.PASSED] > TRIALS * 8 // 10, found


def test_a_version_with_five_percent_of_errors_never_passes() -> None:
    found = chances(0.05, 10)
    assert found[Judgement.FAILED] > TRIALS * 99 // 100, found
    assert not found[Judgement.PASSED], found


def test_a_version_that_is_a_third_slower_fails_with_enough_requests() -> None:
    assert chances(0.001, 13, requests=4_000)[Judgement.PASSED] <= TRIALS // 100

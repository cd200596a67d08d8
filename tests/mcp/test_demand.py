"""Demand: how many instances a service gets for what is asked of it, and how soon."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.mcp.demand import STALE, demand
from hfs_appliance.model.autoscale import Autoscale, Demand, NoData, Size, Stride, WhenBlind
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, seconds
from hfs_appliance.model.load import NO_CREW, Crew, Measured, Sample, Series, bucket_of, extended
from hfs_appliance.model.shares import percent

V1 = Version("1.0.0")
NOW = Instant(1_000_000 * SECOND)
STEP = 5 * SECOND
SCALE = Autoscale(min=2, max=50, rps_per_instance=100, up=Stride(window=seconds(0), max=percent(900), per=seconds(30)))


def sample(end: int, rps: int, latency_ms: int = 20, *, errors: int = 0, crew: Crew = NO_CREW) -> Sample:
    requests = rps * STEP // SECOND
    latencies = {bucket_of(latency_ms * 1000): requests}
    busy_us = requests * latency_ms * 1000
    measured = Measured(requests=requests, errors=requests * errors // 100, busy_us=busy_us, latencies=latencies)
    return Sample(begin=Instant(end - STEP), end=Instant(end), versions={V1: measured}, crew=crew)


def steady(
    rps: int,
    span: Duration = Duration(MINUTE),
    until: int = NOW,
    latency_ms: int = 20,
    before: Series = (),
    *,
    errors: int = 0,
    crew: Crew = NO_CREW,
) -> Series:
    for at in reversed(range(0, span, STEP)):
        before = extended(before, sample(until - at, rps, latency_ms, errors=errors, crew=crew))
    return before


def size(total: int, base: int | None = None, since: int = 0) -> Size:
    return Size(total=total, base=base if base is not None else total, since=Instant(since))


def of(series: Series, total: int = 4, scale: Autoscale = SCALE, *, floor: int = 0, usual: int = 4) -> Demand:
    return demand(scale, usual, floor, size(total), series, NOW)


def test_it_begins_with_what_its_versions_say() -> None:
    assert demand(SCALE, 4, 0, None, (), NOW).size == Size(total=4, base=4, since=NOW)
    assert demand(SCALE, 1, 0, None, (), NOW).size.total == SCALE.min


def test_a_target_says_how_many_are_needed() -> None:
    found = of(steady(1_480))
    assert (found.size.total, found.needed) == (15, 15)
    assert found.words == "1,480 requests/s at 100 each need 15"


def test_a_little_more_or_less_changes_nothing() -> None:
    assert of(steady(440)).size.total == 4
    assert of(steady(441)).size.total == 5
    assert of(steady(360, Duration(20 * MINUTE))).size.total == 4
    assert of(steady(300, Duration(20 * MINUTE))).size.total == 3


def test_the_target_that_needs_most_wins() -> None:
    both = replace(SCALE, in_flight_per_instance=5)
    assert of(steady(500, latency_ms=20), scale=both).words == "500 requests/s at 100 each need 5"
    slow = of(steady(500, latency_ms=200), scale=both)
    assert (slow.size.total, slow.words) == (20, "100 requests under way at 5 each need 20")


BUSY = replace(SCALE, cpu=percent(60), load=percent(80))
LONG = Duration(20 * MINUTE)


def test_what_agents_say_counts_for_all_who_serve() -> None:
    found = of(steady(100, crew=Crew(instances=4, cpu=900, load=100)), scale=BUSY)
    assert (found.size.total, found.words) == (6, "90% cpu of 4 at 60% each need 6")
    assert found.signals == (
        "100 requests/s at 100 each need 1",
        "90% cpu of 4 at 60% each need 6",
        "10% load of 4 at 80% each need 1",
    )
    found = of(steady(100, crew=Crew(instances=4, cpu=10, load=2_000)), scale=BUSY)
    assert (found.size.total, found.words) == (10, "200% load of 4 at 80% each need 10")


def test_who_is_not_there_yet_keeps_no_processor_busy() -> None:
    assert of(steady(100, crew=Crew(instances=4, cpu=900, load=0)), total=6, scale=BUSY).size.total == 6


def test_what_nobody_has_measured_lets_a_service_grow_and_not_shrink() -> None:
    half, whole = Crew(instances=4, cpu=None, load=0), Crew(instances=4, cpu=100, load=0)
    assert of(steady(1_480, crew=half), scale=BUSY).size.total == 15
    found = of(steady(100, LONG, crew=half), scale=BUSY)
    assert (found.size.total, found.is_waiting) == (4, True)
    words = "100 requests/s at 100 each need 1, and nothing was known of its cpu within the last 10m"
    assert found.words == words
    assert found.signals[-1] == "nothing is known of its cpu"
    assert of(steady(100, LONG, crew=whole), scale=BUSY).size.total == 3
    early = steady(100, LONG, NOW - 6 * MINUTE, crew=whole)
    broken = steady(100, Duration(MINUTE), NOW - 5 * MINUTE, before=early, crew=half)
    found = of(steady(100, Duration(5 * MINUTE), before=broken, crew=whole), scale=BUSY)
    assert (found.size.total, found.words) == (4, words)


def test_a_service_whose_only_figures_are_missing_is_blind() -> None:
    alone = replace(SCALE, rps_per_instance=None, cpu=percent(60), no_data=NoData(up=WhenBlind.USUAL))
    assert of(steady(100), total=4, scale=alone).words == "nothing is known of its load"
    assert of(steady(100), total=4, usual=9, scale=alone).size.total == 9


@pytest.mark.parametrize(("latency_ms", "total"), [(50, 4), (219, 4), (340, 6), (1_000, 17)])
def test_answers_that_take_too_long_make_a_service_grow(latency_ms: int, total: int) -> None:
    quick = replace(SCALE, latency_p95=seconds(0.25))
    assert of(steady(300, latency_ms=latency_ms, crew=Crew(instances=4)), scale=quick).size.total == total


def test_quick_answers_say_nothing_of_how_many_would_do() -> None:
    quick, crew = replace(SCALE, latency_p95=seconds(0.25)), Crew(instances=4)
    assert of(steady(100, LONG, latency_ms=1, crew=crew), scale=quick).needed == 1
    near = of(steady(100, LONG, latency_ms=240, crew=crew), scale=quick)
    assert (near.size.total, near.needed) == (4, 4)


@pytest.mark.parametrize(("errors", "total"), [(4, 3), (5, 4), (80, 4)])
def test_a_service_whose_requests_fail_is_not_made_smaller(errors: int, total: int) -> None:
    found = of(steady(100, LONG, errors=errors))
    assert found.size.total == total
    if total == 4:
        assert found.words.endswith(f"and {errors}% of its requests fail (within the last 10m)")
    assert of(steady(1_480, errors=errors)).size.total == 15, "it grows all the same"


def test_what_comes_already_is_not_asked_for_twice() -> None:
    assert of(steady(1_480), total=15).size.total == 15


@pytest.mark.parametrize(("rps", "total"), [(90_000, 50), (0, 2)])
def test_bounds_hold(rps: int, total: int) -> None:
    scale = replace(SCALE, down=replace(SCALE.down, max=percent(100)))
    found = of(steady(rps, Duration(20 * MINUTE)), total=8, scale=scale)
    assert found.size.total == total
    assert found.words.endswith(f"{'max' if rps else 'min'} = {total}")


def test_the_floor_is_a_bound() -> None:
    scale = replace(SCALE, down=replace(SCALE.down, max=percent(100)))
    assert of(steady(0, Duration(20 * MINUTE)), scale=scale, floor=3).size.total == 3


def test_bounds_that_the_operator_changes_are_kept_at_once() -> None:
    assert of((), total=80).size.total == 50
    assert of((), total=1).size.total == 2


def test_growing_keeps_its_pace() -> None:
    scale = replace(SCALE, up=Stride(window=seconds(0), max=percent(100), per=seconds(30)))
    first = demand(scale, 4, 0, size(4), steady(3_000), NOW)
    assert (first.size.total, first.until) == (8, NOW + 30 * SECOND)
    assert first.words == "3,000 requests/s at 100 each need 30; 100% in 30s is the pace"
    at = Instant(NOW + 29 * SECOND)
    assert demand(scale, 4, 0, first.size, steady(3_000, until=at), at).size == first.size
    at = Instant(NOW + 30 * SECOND)
    assert demand(scale, 4, 0, first.size, steady(3_000, until=at), at).size.total == 16


def test_one_more_is_always_possible() -> None:
    scale = replace(SCALE, up=Stride(window=seconds(0), max=percent(10), per=seconds(30)))
    assert of(steady(3_000), scale=scale).size.total == 5


def test_growing_may_have_to_be_needed_for_a_while() -> None:
    scale = replace(SCALE, up=replace(SCALE.up, window=seconds(60)))
    burst = steady(1_000, seconds(30), before=steady(300, Duration(5 * MINUTE), NOW - 30 * SECOND))
    assert of(burst, scale=scale).words == "1,000 requests/s at 100 each need 10, which must hold for 1m"
    assert of(burst, scale=scale).size.total == 4
    assert of(steady(1_000, seconds(30)), scale=scale).size.total == 4  # and it must be known
    assert of(steady(1_000, Duration(2 * MINUTE)), scale=scale).size.total == 10


def test_shrinking_waits_for_its_window() -> None:
    calm = steady(100, Duration(9 * MINUTE))
    assert of(calm).words == "100 requests/s at 100 each need 1, which must hold for 10m"
    assert of(calm).size.total == 4
    peak = steady(390, seconds(30), NOW - 9 * MINUTE, before=steady(100, Duration(9 * MINUTE), NOW - 10 * MINUTE))
    assert of(steady(100, Duration(9 * MINUTE), before=peak)).size.total == 4
    assert of(steady(100, Duration(9 * MINUTE), before=peak)).words.endswith("need 1, and 4 within the last 10m")
    assert of(steady(100, Duration(11 * MINUTE))).size.total == 3


def test_shrinking_keeps_its_pace() -> None:
    series = steady(1_000, Duration(20 * MINUTE))
    first = demand(SCALE, 4, 0, size(40), series, NOW)
    assert (first.size.total, first.until) == (36, NOW + MINUTE)
    assert demand(SCALE, 4, 0, first.size, series, NOW).size == first.size


def test_turning_round_begins_a_new_stride() -> None:
    grown = size(8, base=4, since=NOW - SECOND)
    assert demand(SCALE, 4, 0, grown, steady(100, Duration(20 * MINUTE)), NOW).size == size(7, base=8, since=NOW)


def test_a_gap_in_the_figures_is_no_calm() -> None:
    gap = steady(100, Duration(4 * MINUTE), before=steady(100, Duration(15 * MINUTE), NOW - 5 * MINUTE))
    assert of(gap).size.total == 4


def test_without_figures_nothing_changes() -> None:
    old = steady(5_000, until=NOW - STALE)
    for series in ((), old):
        assert of(series).size.total == 4
        assert of(series).needed is None
    assert of(steady(5_000, until=NOW - STALE + SECOND)).size.total > 4


def test_without_figures_it_may_go_back_to_what_is_usual() -> None:
    assert of((), total=8, scale=replace(SCALE, no_data=NoData(down=WhenBlind.USUAL))).size.total == 7
    assert of((), total=2, scale=replace(SCALE, no_data=NoData(up=WhenBlind.USUAL))).size.total == 4
    assert of((), total=8, scale=replace(SCALE, no_data=NoData(up=WhenBlind.USUAL))).size.total == 8
    assert of((), total=2, scale=replace(SCALE, no_data=NoData(down=WhenBlind.USUAL))).size.total == 2


loads = st.lists(st.integers(0, 5_000), min_size=1, max_size=25)
scales = st.builds(
    lambda least, more, up, down, window: Autoscale(
        min=least,
        max=least + more,
        rps_per_instance=100,
        up=Stride(window=seconds(0), max=percent(up), per=seconds(30)),
        down=Stride(window=Duration(window * MINUTE), max=percent(down), per=Duration(MINUTE)),
    ),
    st.integers(1, 10),
    st.integers(0, 60),
    st.integers(1, 900),
    st.integers(1, 100),
    st.integers(1, 10),
)


def followed(scale: Autoscale, minutes: list[int], floor: int = 0) -> list[tuple[Instant, int]]:
    """Follow loads that last a minute each; give the sizes with their instants."""
    series: Series = ()
    now, last = NOW, None
    sizes: list[tuple[Instant, int]] = []
    for rps in minutes:
        for _ in range(12):
            now = Instant(now + STEP)
            series = extended(series, sample(now, rps))
            found = demand(scale, scale.min, floor, last, series, now)
            last = found.size
            sizes.append((now, last.total))
    return sizes


@given(scales, loads, st.integers(0, 15))
def test_a_size_stays_within_its_bounds_and_its_pace(scale: Autoscale, minutes: list[int], floor: int) -> None:
    sizes = followed(scale, minutes, floor)
    least = min(max(scale.min, floor), scale.max)
    assert all(least <= total <= scale.max for _, total in sizes)
    for (_, before), (_, after) in pairwise(sizes):
        assert after <= before + max(1, before * scale.up.max // percent(100))
        assert after >= before - max(1, before * scale.down.max // percent(100))


@given(scales, loads)
def test_a_size_turns_round_at_most_twice_in_a_window(scale: Autoscale, minutes: list[int]) -> None:
    sizes = followed(scale, minutes)
    turns, last = [], 0
    for (_, before), (at, after) in pairwise(sizes):
        direction = (after > before) - (after < before)
        if direction and last and direction != last:
            turns.append(at)
        last = direction or last
    for place, at in enumerate(turns):
        assert sum(1 for turn in turns[place:] if turn < at + scale.down.window) <= 2


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(2, 50))
def test_more_load_never_means_fewer_instances(one: int, other: int, total: int) -> None:
    hasty = replace(SCALE, down=replace(SCALE.down, window=seconds(30)))
    low, high = (of(steady(rps), total=total, scale=hasty).size.total for rps in (min(one, other), max(one, other)))
    assert low <= high

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
from hfs_appliance.model.load import Measured, Sample, Series, extended
from hfs_appliance.model.shares import percent

V1 = Version("1.0.0")
NOW = Instant(1_000_000 * SECOND)
STEP = 5 * SECOND
SCALE = Autoscale(min=2, max=50, rps_per_instance=100, up=Stride(window=seconds(0), max=percent(900), per=seconds(30)))


def sample(end: int, rps: int, latency_ms: int = 20) -> Sample:
    requests = rps * STEP // SECOND
    measured = Measured(requests=requests, busy_us=requests * latency_ms * 1000)
    return Sample(begin=Instant(end - STEP), end=Instant(end), versions={V1: measured})


def steady(
    rps: int, span: Duration = Duration(MINUTE), until: int = NOW, latency_ms: int = 20, before: Series = ()
) -> Series:
    for at in reversed(range(0, span, STEP)):
        before = extended(before, sample(until - at, rps, latency_ms))
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

"""The traffic of the simulated world: curves, queues, and what a fleet and its traffic do to each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration
from sim.scenario import Shape, Traffic
from sim.traffic import curves
from sim.traffic.load import FULL, Group, coming_back, latency, needed, served, spread

TRAFFIC = Traffic(base=100, peak=500)
V1, V2 = Version("1.0.0"), Version("2.0.0")


def test_a_daily_curve_rises_from_night_to_noon_and_begins_again() -> None:
    curve = curves.of_service(replace(TRAFFIC, shape=Shape.DAILY), 0)
    rates = [curve.value(hour * HOUR) for hour in range(49)]
    assert (rates[0], rates[12], rates[24], rates[36]) == (100_000, 500_000, 100_000, 500_000)
    assert rates[:13] == sorted(rates[:13])
    assert rates[1:24] == rates[25:48]
    assert curve.value(HOUR // 2) == (rates[0] + rates[1]) // 2


def test_services_may_have_their_days_apart() -> None:
    traffic = replace(TRAFFIC, shape=Shape.DAILY, apart=HOUR)
    first, fourth = (curves.of_service(traffic, number) for number in (0, 3))
    assert fourth.value(5 * HOUR) == first.value(2 * HOUR)


@pytest.mark.parametrize("shape", list(Shape))
def test_a_curve_that_is_read_when_it_asks_for_it_is_never_far_off(shape: Shape) -> None:
    trace = tuple(6_000 + 600 * (minute % 7) for minute in range(100))
    traffic = replace(TRAFFIC, shape=shape, period=Duration(100 * MINUTE), trace=trace, peak=400)
    curve = curves.of_service(traffic, 1)
    look: int | None = 0
    read, worst = 0, 0
    for at in range(0, 4 * HOUR, SECOND):
        if look is not None and at >= look:
            read, look = curve.value(at), curve.next_look(at)
            assert look is None or look > at
        worst = max(worst, abs(curve.value(at) - read))
    assert worst <= 30_000


def test_a_crowd_comes_and_goes_within_a_minute() -> None:
    curve = curves.flash(10 * SECOND, 5_000)
    assert [curve.value(at * SECOND) for at in (0, 10, 40, 70, 1000)] == [1_000, 1_000, 3_000, 5_000, 5_000]
    assert curve.next_look(10 * SECOND) == 15 * SECOND
    assert curve.next_look(70 * SECOND) is None
    fading = curves.fading(100 * SECOND, 5_000)
    assert [fading.value(at * SECOND) for at in (100, 130, 160)] == [5_000, 3_000, 1_000]


def test_a_trace_is_scaled_so_that_its_greatest_minute_is_the_peak() -> None:
    traffic = Traffic(shape=Shape.TRACE, trace=(600, 1200, 300))
    assert [curves.of_service(traffic, 0).value(minute * MINUTE) for minute in range(4)] == [
        10_000, 20_000, 5_000, 10_000,
    ]  # fmt: skip
    assert curves.of_service(replace(traffic, peak=50), 0).value(MINUTE) == 50_000


def test_answers_take_longer_the_busier_an_instance_is() -> None:
    times = [latency(TRAFFIC, utilisation) for utilisation in range(0, 1100, 10)]
    assert times == sorted(times)
    assert times[0] == TRAFFIC.latency
    assert TRAFFIC.latency < latency(TRAFFIC, 800) < 5 * TRAFFIC.latency
    assert latency(TRAFFIC, FULL) == TRAFFIC.patience


@given(st.integers(0, 10**9), st.integers(1, 10**7))
def test_an_instance_serves_what_it_can_and_less_when_it_is_overrun(offered: int, capacity: int) -> None:
    good = served(offered, capacity)
    assert 0 <= good <= min(offered, capacity)
    assert good == offered or offered > capacity


groups = st.builds(
    Group,
    version=st.sampled_from([V1, V2]),
    members=st.integers(1, 50),
    slowness=st.integers(1000, 20_000),
    errors=st.integers(0, 1000),
    hangs=st.booleans(),
    extra=st.integers(0, 600),
)


weights = st.dictionaries(st.sampled_from([V1, V2]), st.integers(0, 1000))


@given(st.lists(groups, max_size=4), st.integers(0, 10**8), weights)
def test_every_request_is_served_or_lost(found: list[Group], offered: int, weights: dict[Version, int]) -> None:
    load = spread(TRAFFIC, offered, found, weights)
    assert 0 <= load.lost <= load.offered == offered
    if found:
        assert sum(share.offered for share in load.shares) == offered
        assert sum(share.lost for share in load.shares) == load.lost
    assert load.able == sum(group.members for group in found if not group.hangs)
    assert 0 <= load.latency_p95 <= TRAFFIC.patience


def test_an_even_load_within_the_capacity_loses_nothing() -> None:
    load = spread(TRAFFIC, 400_000, [Group(version=V1, members=5)])
    assert (load.lost, load.utilisation, load.able) == (0, 800, 5)


def test_nobody_behind_a_route_means_that_everything_is_lost() -> None:
    assert spread(TRAFFIC, 5_000, []).lost == 5_000


def test_whoever_hangs_loses_its_share_and_no_more() -> None:
    load = spread(TRAFFIC, 100_000, [Group(version=V1, members=9), Group(version=V1, members=1, hangs=True)])
    assert load.lost == 10_000


def test_one_slow_instance_of_ten_is_what_the_95th_percentile_sees() -> None:
    slow = Group(version=V1, members=1, slowness=10_000)
    usual = spread(TRAFFIC, 50_000, [Group(version=V1, members=10)])
    load = spread(TRAFFIC, 50_000, [Group(version=V1, members=9), slow])
    assert load.latency_p95 > 5 * usual.latency_p95
    assert load.lost == 0
    overrun = spread(TRAFFIC, 500_000, [Group(version=V1, members=9), slow])
    assert 0 < overrun.lost < 50_000


def test_a_hot_instance_is_overrun_while_the_others_rest() -> None:
    load = spread(TRAFFIC, 300_000, [Group(version=V1, members=9), Group(version=V1, members=1, extra=500)])
    cool, hot = load.shares
    assert cool.lost == 0
    assert hot.utilisation == 1_650
    assert hot.lost > 0


def test_weights_divide_requests_by_version_and_the_version_evenly() -> None:
    old, new = Group(version=V1, members=9), Group(version=V2, members=1)
    parts = [share.offered for share in spread(TRAFFIC, 100_000, [old, new], {V1: 950, V2: 50}).shares]
    assert parts == [95_000, 5_000]
    slow = Group(version=V1, members=3, slowness=2_000)
    parts = [share.offered for share in spread(TRAFFIC, 100_000, [old, slow, new], {V1: 800, V2: 200}).shares]
    assert parts == [60_000, 20_000, 20_000]


def test_a_version_without_members_leaves_its_part_to_the_others() -> None:
    load = spread(
        TRAFFIC, 100_000, [Group(version=V1, members=2), Group(version=V1, members=1, slowness=2_000)], {V2: 1000}
    )
    assert sum(share.offered for share in load.shares) == 100_000


def test_what_is_needed_is_the_fewest_that_are_quick_enough() -> None:
    assert [needed(TRAFFIC, offered) for offered in (0, 1, 80_000, 80_001, 800_000)] == [1, 1, 1, 2, 10]


def test_failed_requests_come_back_as_often_as_clients_try() -> None:
    half = replace(spread(TRAFFIC, 200_000, []), lost=100_000)
    assert coming_back(200_000, half, 0) == 200_000
    assert coming_back(200_000, half, 3) == 200_000 * (1000 + 500 + 250 + 125) // 1000

"""Load: buckets of latencies, samples that add up, and series that grow coarser with age."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Instant
from hfs_appliance.model.load import BUCKETS_US, Measured, Sample, Series, added, bucket_of, extended, over

V1, V2 = Version("1.0.0"), Version("2.0.0")
STEP = 5 * SECOND


def measured(requests: int, latency_us: int = 20_000, errors: int = 0) -> Measured:
    latencies = {bucket_of(latency_us): requests} if requests else {}
    return Measured(requests=requests, errors=errors, busy_us=requests * latency_us, latencies=latencies)


def sample(end: int, requests: int = 10, span: int = STEP) -> Sample:
    return Sample(begin=Instant(end - span), end=Instant(end), versions={V1: measured(requests)})


@given(st.integers(1, BUCKETS_US[-1]))
def test_a_bucket_is_five_percent_wide(latency_us: int) -> None:
    bucket = bucket_of(latency_us)
    assert latency_us <= BUCKETS_US[bucket]
    assert bucket == 0 or BUCKETS_US[bucket - 1] < latency_us
    assert bucket == 0 or BUCKETS_US[bucket] * 20 <= BUCKETS_US[bucket - 1] * 21


def test_what_takes_longer_than_anything_is_in_the_last_bucket() -> None:
    assert bucket_of(10 * BUCKETS_US[-1]) == len(BUCKETS_US) - 1


def test_percentiles_are_of_all_that_was_added_up() -> None:
    whole = added([measured(90, 10_000), measured(10, 500_000, errors=3)])
    assert (whole.requests, whole.errors, whole.busy_us) == (100, 3, 90 * 10_000 + 10 * 500_000)
    assert 10_000 <= whole.percentile_us(90) <= 10_500
    assert 500_000 <= whole.percentile_us(95) <= 525_000
    assert Measured().percentile_us(95) == 0


@given(st.lists(st.integers(0, 100), min_size=1, max_size=100))
def test_a_series_loses_no_request_of_the_last_hour(counts: list[int]) -> None:
    series: Series = ()
    for number, requests in enumerate(counts, 1):
        series = extended(series, sample(number * STEP, requests))
    assert sum(each.versions[V1].requests for each in series) == sum(counts)
    assert [before.end for before in series[:-1]] == [after.begin for after in series[1:]]


def test_a_series_is_fine_for_a_minute_and_ends_after_an_hour() -> None:
    series: Series = ()
    for number in range(1, 2 * HOUR // STEP + 1):
        series = extended(series, sample(number * STEP))
    now = 2 * HOUR
    assert series[-1].end == now
    fine = [each for each in series if each.end > now - MINUTE]
    assert {each.end - each.begin for each in fine} == {STEP}
    assert {each.end - each.begin for each in series[1 : -len(fine)]} == {MINUTE}
    assert now - HOUR < series[0].end <= now - HOUR + MINUTE
    assert len(series) <= 72


def test_figures_are_of_what_began_after_an_instant() -> None:
    series = (sample(STEP, 7), sample(2 * STEP, 5), Sample(begin=Instant(2 * STEP), end=Instant(3 * STEP), versions={}))
    load = over(series, Instant(STEP))
    assert load is not None
    assert (load.begin, load.end) == (STEP, 3 * STEP)
    assert load.versions[V1].requests == 5
    assert V2 not in load.versions
    assert over(series, Instant(3 * STEP)) is None


def test_a_short_peak_is_still_known_when_its_minute_is_old() -> None:
    series: Series = ()
    for number in range(1, 61):
        series = extended(series, sample(number * STEP, 1_000 if number in (14, 15) else 10))
    highest = max(each.most.requests for each in series)
    assert highest == 200_000  # ten seconds of two hundred a second
    assert min(each.least.requests for each in series) == 2_000


def test_rates_are_of_ten_seconds() -> None:
    series = extended(extended((), sample(STEP, 10)), sample(2 * STEP, 30))
    assert [each.most.requests for each in series] == [2_000, 4_000]
    assert series[-1].most.under_way == 80

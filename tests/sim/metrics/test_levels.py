"""Sums, spreads and buckets: small numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from hfs_appliance.model.instants import MILLISECOND, Instant
from sim.metrics.histogram import histogram
from sim.metrics.levels import Integral, ppm
from sim.outcome import Histogram


def test_an_integral_is_level_times_time() -> None:
    integral = Integral(Instant(10), 2)
    integral.set(Instant(15), 3)
    assert integral.until(Instant(20)) == 2 * 5 + 3 * 5


def test_all_of_nothing_is_all() -> None:
    assert (ppm(1, 4), ppm(0, 0)) == (250_000, 1_000_000)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], Histogram()),
        ([3], Histogram(up_to=(5,), counts=(1, 0))),
        ([1, 2, 2, 9], Histogram(up_to=(1, 2, 5, 10), counts=(1, 2, 0, 1, 0))),
        ([10**9], Histogram(up_to=(5_000_000,), counts=(0, 1))),
    ],
)
def test_buckets_hold_what_is_up_to_their_end(values: list[int], found: Histogram) -> None:
    assert histogram([value * MILLISECOND for value in values], MILLISECOND) == found

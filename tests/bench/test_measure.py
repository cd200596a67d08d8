"""Figures."""

from __future__ import annotations

import pytest

from bench.measure import Spread, percentile, repeat, repeat_async


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1, 4)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_a_spread_tells_milliseconds() -> None:
    assert Spread.of([3_000_000, 1_000_000, 2_000_000]) == Spread(count=3, ms_min=1, ms_p50=2, ms_p99=3, ms_max=3)


async def test_repeating_counts_each_call() -> None:
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)

    assert repeat(3, lambda: calls.append(1)).count == 3
    assert (await repeat_async(2, call)).count == 2
    assert len(calls) == 5

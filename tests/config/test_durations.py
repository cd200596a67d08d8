"""Durations as operators write them: read, refused, and written back exactly."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfs_appliance.config.durations import read, write
from hfs_appliance.model.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", 0),
        ("500ms", 500 * MILLISECOND),
        ("30s", 30 * SECOND),
        ("90s", 90 * SECOND),
        ("1m30s", 90 * SECOND),
        ("2d12h", 2 * DAY + 12 * HOUR),
        ("1m1ms", MINUTE + MILLISECOND),
    ],
)
def test_reads_what_operators_write(text: str, span: int) -> None:
    assert read(text) == span


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "30 s", "-1s", "30s1m", "1s1s", "1S", "٣s", "1s\n"])
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        read(text)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=10**12))
def test_writing_is_the_inverse_of_reading(milliseconds: int) -> None:
    span = Duration(milliseconds * MILLISECOND)
    assert read(write(span)) == span

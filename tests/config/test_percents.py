"""Percentages: exact both ways, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.config.percents import read, write
from hfs_appliance.model.shares import WHOLE, Share, exceeds, format_share, part_of, percent


@given(st.integers(0, 999 * WHOLE // 100).map(Share))
def test_reading_is_the_inverse_of_writing(share: Share) -> None:
    assert read(write(share)) == share


def test_a_share_is_written_without_idle_zeros() -> None:
    written = [write(Share(parts)) for parts in (0, 1, 5_000, 10_100, 100_000, WHOLE)]
    assert written == ["0%", "0.0001%", "0.5%", "1.01%", "10%", "100%"]


@pytest.mark.parametrize("text", ["", "%", "10", "1 %", "-1%", "1.%", ".5%", "0.00001%", "1000%", "1,5%", "\u0661%"])
def test_other_texts_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a percentage"):
        read(text)


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.integers(0, 100))
def test_a_part_exceeds_a_share_when_it_is_more_than_the_part_of_it(part: int, total: int, whole: int) -> None:
    share = percent(whole)
    assert exceeds(part, total, share) == (part * 100 > total * whole)
    assert part_of(total, share) == total * whole // 100


def test_parts_are_shown_in_whole_percents() -> None:
    assert [format_share(1, 3), format_share(3, 3), format_share(0, 0)] == ["33%", "100%", "0%"]

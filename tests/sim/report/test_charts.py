"""Scales, thinning and drawings: round numbers at the axes, no dip that gets lost, shapes where they belong."""

from __future__ import annotations

import pytest

from sim.outcome import Histogram, Timeline
from sim.report import barcharts, svg
from sim.report.scales import Scale, clock, count_ticks, time_ticks
from sim.report.series import COLUMNS, grid, within


@pytest.mark.parametrize(
    ("until_s", "labels"),
    [
        (
            45,
            ["0:00", "0:00:05", "0:00:10", "0:00:15", "0:00:20", "0:00:25", "0:00:30", "0:00:35", "0:00:40", "0:00:45"],
        ),
        (4_260, ["0:00", "0:10", "0:20", "0:30", "0:40", "0:50", "1:00", "1:10"]),
        (86_400, ["0:00", "3:00", "6:00", "9:00", "12:00", "15:00", "18:00", "21:00", "1d 00:00"]),
    ],
)
def test_times_at_the_axis_are_round(until_s: int, labels: list[str]) -> None:
    assert [clock(at_s) for at_s in time_ticks(until_s)] == labels


def test_a_year_still_has_few_times_at_its_axis() -> None:
    assert len(time_ticks(365 * 86_400)) == 13


@pytest.mark.parametrize(
    ("high", "ticks"), [(0, [0, 1]), (3, [0, 1, 2, 3]), (9, [0, 2, 4, 6, 8, 10]), (90, [0, 20, 40, 60, 80, 100])]
)
def test_numbers_at_the_axis_are_round_and_reach_over_everything(high: int, ticks: list[int]) -> None:
    assert list(count_ticks(high)) == ticks


@pytest.mark.parametrize("high", [1, 7, 19, 55_123, 9_999_999])
def test_there_are_few_of_them_whatever_the_height(high: int) -> None:
    ticks = count_ticks(high)
    assert ticks[-1] >= high
    assert len(ticks) <= 6


def test_thinning_keeps_dips_ends_and_sums() -> None:
    points = 4 * COLUMNS
    least = [9] * points
    least[1_001] = 2
    timeline = Timeline(
        step_s=10,
        levels={"serving": tuple(range(points)), "serving_least": tuple(least)},
        counts={"api_calls": (1,) * points},
    )
    thin = grid(timeline)
    assert (thin.step_s, thin.columns, thin.until_s) == (40, COLUMNS, points * 10)
    assert min(thin.level("serving_least")) == 2
    assert thin.level("serving")[:2] == [3, 7]
    assert sum(thin.counts["api_calls"]) == points
    assert list(thin.level("warm")) == [0] * COLUMNS


def test_what_is_spent_within_a_window_comes_back_when_it_has_passed() -> None:
    counts = {"destroyed/a": (1, 0, 2, 0, 0, 0), "destroyed/b": (0, 1, 0, 0, 0, 0), "created/a": (9,) * 6}
    assert within(grid(Timeline(step_s=60, counts=counts)), "destroyed/", 180) == [1, 2, 4, 3, 2, 0]
    assert within(grid(Timeline(step_s=60, levels={"serving": (1, 1)})), "destroyed/", 180) == [0, 0]


def test_a_fleet_that_stands_did_not_dip_at_the_beginning() -> None:
    timeline = Timeline(levels={"serving": (9, 9, 9), "serving_least": (1, 9, 7)})
    assert list(grid(timeline).level("serving_least")) == [9, 9, 7]


def test_an_odd_rest_is_a_column_too() -> None:
    thin = grid(Timeline(levels={"serving": (5,) * (COLUMNS + 1)}))
    assert thin.columns == len(thin.level("serving")) == COLUMNS // 2 + 1


def test_steps_keep_each_value_until_the_next() -> None:
    points = [(0, 5), (10, 5), (20, 8)]
    assert svg.steps(points) == "M0 5H10H20V8"
    assert svg.steps_back(points) == "L20 8V5H10H0"


def test_scales_turn_upside_down() -> None:
    scale = Scale(0, 100, 230, 30)
    assert [scale(value) for value in (0, 50, 100)] == [230, 130, 30]


def test_attributes_and_text_are_escaped() -> None:
    assert svg.text(1.25, 2.0, "<&>", class_='"') == (
        '<text x="1.2" y="2" text-anchor="start" class="&#34;">&lt;&amp;&gt;</text>'
    )


def test_buckets_that_nobody_is_in_are_left_out_at_both_ends() -> None:
    found = Histogram(up_to=(1, 2, 5), counts=(0, 3, 0, 1))
    assert list(barcharts.buckets(found, lambda value: f"{value}s")) == [
        ("1s to 2s", 3),
        ("2s to 5s", 0),
        ("over 5s", 1),
    ]
    assert list(barcharts.buckets(Histogram(), str)) == []

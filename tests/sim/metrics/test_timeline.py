"""The timeline: bounded however long a run is, and no dip and no count is lost when spans are joined."""

from __future__ import annotations

from hfs_appliance.model.instants import HOUR, SECOND, Duration, Instant, after, seconds
from sim.clock import EPOCH
from sim.metrics.timeline import LEAST, POINTS, Columns


class Levels:
    def __init__(self) -> None:
        self.serving = 10
        self.columns = Columns(lambda: {"serving": self.serving, LEAST: self.serving})

    def have(self, at: Instant, serving: int) -> None:
        self.columns.advance(at)
        self.serving = serving
        self.columns.dip(serving)


def at(second: float) -> Instant:
    return after(EPOCH, seconds(second))


def test_a_level_is_that_of_the_end_of_its_span_and_the_least_is_kept() -> None:
    levels = Levels()
    levels.have(at(2.1), 4)
    levels.have(at(2.9), 9)
    levels.columns.advance(at(5))
    assert levels.columns.levels() == {"serving": (10, 10, 9, 9, 9), LEAST: (10, 10, 4, 9, 9)}


def test_counts_fall_into_their_spans() -> None:
    columns = Levels().columns
    columns.advance(at(1.5))
    columns.count("calls")
    columns.count("calls")
    columns.advance(at(3.5))
    columns.count("calls")
    columns.advance(at(5))
    assert columns.counts() == {"calls": (0, 2, 0, 1, 0)}


def test_a_long_run_has_few_points_and_loses_nothing() -> None:
    levels = Levels()
    for second in range(0, 100_000, 7):
        levels.columns.advance(at(second))
        levels.columns.count("calls")
    levels.have(at(50_000 * 2), 3)
    levels.have(at(50_000 * 2 + 1), 10)
    levels.columns.advance(after(EPOCH, Duration(HOUR * 1000)))
    levels.columns.advance(Instant(EPOCH + HOUR * 1000 + levels.columns.step))
    column = levels.columns.levels()[LEAST]
    assert POINTS // 2 <= len(column) <= POINTS + 1
    assert min(column) == 3
    assert sum(levels.columns.counts()["calls"]) == len(range(0, 100_000, 7))
    assert len(column) * levels.columns.step >= HOUR * 1000
    assert levels.columns.step % SECOND == 0


def test_what_comes_after_the_end_is_of_no_span() -> None:
    levels = Levels()
    levels.columns.advance(at(3))
    levels.columns.advance(at(4))  # the last span is closed before it is over
    levels.have(at(3.5), 1)
    levels.columns.advance(at(5))
    assert levels.columns.levels() == {"serving": (10, 10, 10, 10, 1), LEAST: (10, 10, 10, 10, 1)}

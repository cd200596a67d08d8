"""The trace of the World Cup day is whole, and a piece of it can be played."""

from __future__ import annotations

from dataclasses import replace

from bench.worldcup import TRACE, day, figures, read
from hfs_appliance.model.instants import MINUTE, Duration
from sim.play import play


def test_the_day_has_all_its_minutes_and_its_match() -> None:
    requests = read(TRACE)
    assert (len(requests), sum(requests), max(requests)) == (1440, 75_207_657, 215_241)


def test_a_piece_of_it_is_followed() -> None:
    story = day(read(TRACE), pool=4)
    found = figures(play(replace(story, lasts=Duration(20 * MINUTE)), 1))
    assert (found["violations"], found["requests lost (ppm)"]) == (0, 0)

"""Every scenario that comes with hfs is kept to what it demands, here with a fleet and a time of test size."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from sim.play import play
from sim.scenarios import load, scaled
from sim.shelf import names, text

SERVERS: Final = 20
SHORTER: Final = {"fleet-day": 1.0, "quiet-day": 1.0, "mcp-killed-at-every-step": 0.15, "leader-loss-every-30s": 0.4}
"""Hours, of those that would take too long here."""


@pytest.mark.parametrize("name", names())
def test_what_a_scenario_demands_is_kept(name: str) -> None:
    scenario = load(name)
    servers = min(SERVERS, scenario.layout.servers)
    small = scaled(scenario, servers=servers, hours=SHORTER.get(name))
    if name == "ten-thousand-from-nothing":
        small = replace(small, layout=replace(small.layout, servers=200))
    outcome = play(small, 1)
    assert outcome.violations == ()
    assert outcome.strikes or not scenario.faults, "no fault has struck"


@pytest.mark.parametrize("name", names())
def test_a_scenario_says_what_it_is_about_in_one_line(name: str) -> None:
    assert 20 <= len(load(name).words) <= 120


@pytest.mark.parametrize("name", names())
def test_a_scenario_bounds_the_time_to_repair_and_says_why_so(name: str) -> None:
    lines = text(name).splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("repair = "))
    assert lines[place - 1].startswith("# ")
    assert load(name).bounds.repair is not None

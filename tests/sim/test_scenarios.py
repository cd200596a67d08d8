"""Scenario files: read with every mistake at once, scaled, and written out fault by fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfs_appliance.config import ConfigError
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, seconds
from hfs_appliance.ports.errors import UnknownName
from sim.scenario import Beginning, Fault, Scenario, Shape
from sim.scenario_text import write
from sim.scenarios import load, read, scaled
from sim.shelf import names
from sim.unroll import unrolled

FOLDER = Path(__file__).parents[2] / "configs" / "scenarios"


def mistakes(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(source, "x", file="x.toml")
    return str(caught.value).splitlines()


def test_a_file_is_a_scenario() -> None:
    scenario = read(
        """
        words = "something happens"
        lasts = "2h"
        begins = "nothing"
        layout = { servers = 20, poll = "1s" }
        bounds = { repair = "90s", healthy_destroyed = 3 }
        [[fault]]
        kind = "registry-away"
        at = "10m"
        lasts = "30s"
        [[fault]]
        kind = "server-dies"
        at = "5m"
        target = 7
        """,
        "something",
        file="x.toml",
    )
    assert (scenario.name, scenario.words, scenario.begins) == ("something", "something happens", Beginning.NOTHING)
    assert (scenario.layout.servers, scenario.layout.poll, scenario.lasts) == (20, SECOND, 2 * HOUR)
    assert (scenario.bounds.repair, scenario.bounds.healthy_destroyed) == (90 * SECOND, 3)
    assert scenario.faults == (
        Fault(kind="server-dies", at=Duration(5 * MINUTE), target=7),
        Fault(kind="registry-away", at=Duration(10 * MINUTE), lasts=seconds(30)),
    )


def test_traffic_is_read_and_written() -> None:
    source = """words = "a minute counted, and a crowd"
lasts = "1h"

[traffic]
shape = "trace"
peak = 400
trace = [60, 120, 30]
capacity = 50
patience = "3s"

[[fault]]
kind = "flash-crowd"
at = "1m"
lasts = "5m"
amount = 10
"""
    scenario = read(source, "x", file="x.toml")
    assert (scenario.traffic.shape, scenario.traffic.trace) == (Shape.TRACE, (60, 120, 30))
    assert write(scenario) == source


def test_traffic_that_contradicts_itself_is_told() -> None:
    assert mistakes('words = "x"\n[traffic]\nshape = "daily"\nbase = 5\ntrace = [1]') == [
        "x.toml:2:2: traffic.peak: must not be less than `base`",
        'x.toml:5:1: traffic.trace: goes with shape = "trace", and needs requests in some minute',
    ]


def test_what_is_not_written_is_as_everywhere() -> None:
    assert read('words = "quiet"', "quiet", file="x.toml") == Scenario(name="quiet", words="quiet")


def test_all_mistakes_are_told_at_once_with_their_places() -> None:
    source = """words = "x"
lasst = "3h"
[layout]
servers = "many"
[[fault]]
kind = "server-die"
at = "5"
[[fault]]
kind = "registry-away"
"""
    assert mistakes(source) == [
        'x.toml:2:1: lasst: unknown key; did you mean "lasts"?',
        "x.toml:4:1: layout.servers: must be an integer, not a string",
        'x.toml:6:1: fault[0].kind: no fault is called "server-die"; did you mean "server-dies"?',
        'x.toml:7:1: fault[0].at: "5" is not a duration; write it like "500ms", "30s" or "1m30s"',
        'x.toml:8:3: fault[1].at: is missing; for example at = "5m"',
    ]


def test_what_contradicts_itself_is_told() -> None:
    source = """words = "x"
[[fault]]
kind = "registry-away"
at = "2h"
times = 3
[[fault]]
kind = "server-dies"
at = "2m"
lasts = "2m"
[[chance]]
kind = "server-dies"
per_day = 3
lasts = ["5m", "4m"]
amount = [2]
"""
    assert mistakes(source) == [
        'x.toml:2:3: fault[0]: registry-away lasts: for how long?; write lasts = "5m"',
        "x.toml:4:1: fault[0].at: the story is over by then; it ends after `lasts`",
        "x.toml:5:1: fault[0].times: says nothing without `every`",
        "x.toml:9:1: fault[1].lasts: server-dies is over at once",
        "x.toml:13:1: chance[0].lasts: must be two values; the smaller one, then the greater",
        "x.toml:13:1: chance[0].lasts: server-dies is over at once",
        "x.toml:14:1: chance[0].amount: must be two values; the smaller one, then the greater",
    ]


def test_no_toml_is_told_as_such() -> None:
    assert mistakes("words = ") == ["x.toml:1:9: not TOML: invalid value"]


def test_scenarios_are_found_by_name_and_by_path() -> None:
    assert list(names()) == sorted(path.stem for path in FOLDER.glob("*.toml"))
    assert load("zone-loss") == load(str(FOLDER / "zone-loss.toml"))


def test_a_name_that_is_none_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'zone-loss'\?"):
        load("zone-los")


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load("./nowhere.toml")


def test_a_repeated_fault_becomes_single_ones_until_the_story_ends() -> None:
    fault = '[[fault]]\nkind = "server-dies"\nat = "5m"\nevery = "10m"\ntarget = 3'
    story = read(f'words = "x"\nlasts = "30m"\n{fault}\nstep = 2', "x", file="x.toml")
    faults = unrolled(story, 1).faults
    assert [(fault.at // MINUTE, fault.target) for fault in faults] == [(5, 3), (15, 5), (25, 7)]
    twice = read(f'words = "x"\n{fault}\ntimes = 2', "x", file="x.toml")
    assert len(unrolled(twice, 1).faults) == 2


def test_chances_are_drawn_by_seed_and_follow_size_and_length() -> None:
    chance = '[[chance]]\nkind = "registry-away"\nper_day = 240\nlasts = ["2s", "9s"]\namount = [4, 6]'
    story = read(f'words = "x"\nlasts = "12h"\n{chance}', "x", file="x.toml")
    faults = unrolled(story, 1).faults
    assert len(faults) == 120
    assert list(faults) == sorted(faults, key=lambda fault: fault.at)
    assert {fault.amount for fault in faults} == {4, 5, 6}
    assert all(2 * SECOND <= fault.lasts <= 9 * SECOND for fault in faults)
    assert faults == unrolled(story, 1).faults != unrolled(story, 2).faults
    by_size = read(f'words = "x"\nlasts = "12h"\n{chance}\nper_servers = 30', "x", file="x.toml")
    assert len(unrolled(scaled(by_size, servers=90), 1).faults) == 360
    assert len(unrolled(scaled(story, hours=1), 1).faults) == 10


def test_a_rare_chance_is_rounded_by_chance() -> None:
    story = read('words = "x"\n[[chance]]\nkind = "server-dies"\nper_day = 12', "x", file="x.toml")
    assert {len(unrolled(story, seed).faults) for seed in range(20)} == {0, 1}


def test_scaling_keeps_the_pools_share_and_drops_what_comes_too_late() -> None:
    story = load("zone-loss")
    small = scaled(story, servers=10, hours=0.05)
    assert (small.layout.servers, small.layout.pool, small.lasts, small.faults) == (10, 1, 3 * MINUTE, ())
    assert scaled(story) == story


def test_of_more_servers_more_may_be_taken_away_if_the_story_says_so() -> None:
    day = load("fleet-day")
    assert [scaled(day, servers=servers).layout.destroys for servers in (500, 1000, 10_000)] == [20, 20, 200]
    assert scaled(load("zone-loss"), servers=10_000).layout.destroys is None


def test_fewer_servers_than_a_service_has_get_so_much_less_traffic() -> None:
    day = load("fleet-day")
    assert scaled(day, servers=500).traffic == day.traffic
    assert scaled(day, servers=day.layout.per_service // 5).traffic.peak == day.traffic.peak // 5

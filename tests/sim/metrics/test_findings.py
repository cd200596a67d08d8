"""What a played scenario is measured by: figures that follow from what was done to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hfs_appliance.model.instants import MINUTE, Duration
from sim.metrics.levels import MILLION
from sim.outcome import Outcome, as_json
from sim.play import play
from sim.scenario import Fault, Layout, Scenario

STORY = Scenario(
    name="two-die",
    words="two servers die, half an hour apart",
    lasts=Duration(60 * MINUTE),
    layout=Layout(servers=12, per_service=4, pool=2),
    faults=(
        Fault(kind="server-dies", at=Duration(10 * MINUTE), target=2),
        Fault(kind="server-dies", at=Duration(40 * MINUTE), target=5),
    ),
)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return play(STORY, 3)


def test_repair_and_detection_are_counted_for_each_victim(outcome: Outcome) -> None:
    assert (outcome.repair_s["server-dies"].count, outcome.detect_s["server-dies"].count) == (2, 2)
    assert 0 < outcome.detect_s["server-dies"].max <= outcome.repair_s["server-dies"].max < 60


def test_servers_are_counted_by_cause(outcome: Outcome) -> None:
    assert outcome.destroyed == {"remediation": 2}
    assert outcome.created == {"fill-pool": 2}


def test_calls_are_counted_by_kind(outcome: Outcome) -> None:
    calls = outcome.api_calls
    assert (calls.kinds["create"], calls.kinds["delete"]) == (2, 2)
    assert (calls.total, calls.rejected) == (sum(calls.kinds.values()), 0)


def test_availability_is_less_for_those_that_were_hurt(outcome: Outcome) -> None:
    assert sorted(outcome.availability) == ["service-0000", "service-0001", "service-0002"]
    capacities = [found.capacity_ppm for found in outcome.availability.values()]
    assert all(found.served_ppm == MILLION for found in outcome.availability.values())
    assert sorted(capacity < MILLION for capacity in capacities) == [False, True, True]


def test_supply_fell_short_of_demand_for_as_long_as_the_repairs_took(outcome: Outcome) -> None:
    story_s = outcome.virtual_seconds
    under_s = outcome.elasticity.under_time_ppm * story_s // MILLION
    assert under_s <= 2 * outcome.repair_s["server-dies"].max + 2
    assert outcome.elasticity.over_time_ppm == 0


def test_the_timeline_shows_the_dips_and_the_faults(outcome: Outcome) -> None:
    timeline = outcome.timeline
    columns = [*timeline.levels.values(), *timeline.counts.values()]
    assert len({len(column) for column in columns}) == 1
    assert abs(len(columns[0]) * timeline.step_s - outcome.virtual_seconds) < 60
    assert min(timeline.levels["serving_least"][100:]) == 11
    assert timeline.levels["desired"][-1] == timeline.levels["serving"][-1] == 12
    assert sum(timeline.counts["destroyed/remediation"]) == 2
    assert [(mark.kind, mark.is_instant) for mark in timeline.faults] == [("server-dies", True)] * 2


def test_latencies_have_parts(outcome: Outcome) -> None:
    assert outcome.reconcile_ms.count > 0
    assert sorted(outcome.reconcile_parts_ms) == ["converged", "done", "planned", "seen"]
    assert all(part.count for part in outcome.reconcile_parts_ms.values())


def test_an_outcome_is_json(outcome: Outcome) -> None:
    told = json.loads(json.dumps(as_json(outcome)))
    assert told["repair_s"]["server-dies"]["count"] == 2
    assert told["timeline"]["step_s"] == outcome.timeline.step_s


def test_measuring_is_a_function_of_the_seed(outcome: Outcome) -> None:
    assert replace(play(STORY, 3), cpu_seconds=0) == replace(outcome, cpu_seconds=0)

"""What the cloud has answered and does not show is asked for again ever more seldom, not as fast as it answers."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.again import LONGEST, again_at
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import HOUR, SECOND, Duration, Instant, after, seconds
from hfs_appliance.model.plan import Create, Delete, Plan
from sim.worlds import Fleet, desired


def of(plan: Plan, kind: type) -> list[ServerId]:
    return [action.server for action in plan.actions if isinstance(action, kind)]


def test_the_time_that_has_passed_doubles_up_to_a_bound() -> None:
    begun, first = Instant(0), seconds(5)
    assert again_at(begun, None, first) == 5 * SECOND
    instants = []
    at = Instant(SECOND)
    for _ in range(9):
        at = again_at(begun, at, first)
        instants.append(at // SECOND)
    assert instants == [6, 12, 24, 48, 96, 192, 384, 684, 984]
    assert instants[-1] - instants[-2] == LONGEST // SECOND


def test_a_creation_that_was_answered_waits_for_a_list_that_shows_it() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    server = of(fleet.step(Duration(0)), Create)[0]
    del fleet.cloud[server]
    fleet.pool.clear()
    fleet.now = after(fleet.now, seconds(6))
    world = fleet.world()
    plan = decide(replace(world, answered={server: fleet.now}))
    assert of(plan, Create) == []
    assert plan.requeue_at is not None
    assert plan.requeue_at <= after(fleet.now, seconds(6))
    assert of(decide(replace(world, answered={server: after(fleet.now, Duration(-6 * SECOND))})), Create) == [server]


def test_a_deletion_that_was_answered_waits_for_a_list_that_shows_it() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    victim = fleet.serving("dns", "1")[0]
    listed = fleet.cloud[victim]
    fleet.kill(victim)
    fleet.step(Duration(0))
    fleet.cloud[victim] = listed
    fleet.now = after(fleet.now, seconds(30))
    world = fleet.world()
    assert of(decide(replace(world, answered={victim: fleet.now})), Delete) == []
    due = replace(world, answered={victim: after(fleet.now, Duration(-30 * SECOND))})
    (deletion,) = (action for action in decide(due).actions if isinstance(action, Delete))
    assert deletion.server == victim
    assert of(decide(replace(due, in_flight={victim: deletion})), Delete) == []


def test_a_creation_that_is_being_asked_for_again_is_not_asked_for_twice() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    (creation,) = fleet.step(Duration(0)).actions
    fleet.cloud.clear()
    fleet.pool.clear()
    fleet.now = after(fleet.now, seconds(6))
    assert of(decide(fleet.world()), Create) == [creation.server]
    assert of(decide(replace(fleet.world(), in_flight={creation.server: creation})), Create) == []

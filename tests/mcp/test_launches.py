"""The launch breaker and the quota: failures hold up what they have in common, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.setbacks import FIRST_PAUSE, LONGEST_PAUSE, Failed, carried_on, pause
from hfs_appliance.model.desired import Pool, Reserve
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Failure, Setback
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Condemn, Create, Delete, Plan
from hfs_appliance.model.shares import percent
from sim.worlds import SMALL, ZONES, Fleet, desired

LARGE = PoolName("large")
DEAD = ZONES[0]


def creates(plan: Plan) -> list[Create]:
    return [action for action in plan.actions if isinstance(action, Create)]


def zones_of(plan: Plan, pool: PoolName = SMALL) -> list[AvailabilityZone]:
    return sorted(action.az for action in creates(plan) if action.pool == pool)


def setback(now: Instant, *, failures: int = 2, rounds: int = 1, words: str = "no valid host") -> Setback:
    not_before = after(now, pause(failures, rounds))
    return Setback(failures=failures, not_before=not_before, words=words, rounds=rounds, counted_at=now)


def fleet_with(*pools: tuple[PoolName, int], spots: dict[tuple[PoolName, AvailabilityZone], Setback]) -> Fleet:
    fleet = Fleet(desired=desired({}, pool_size=0))
    fleet.desired = replace(fleet.desired, pools={name: Pool(name=name, size=size) for name, size in pools})
    fleet.ledger = replace(fleet.ledger, launch_setbacks=spots)
    return fleet


def test_a_dead_zone_holds_up_nothing_in_the_others() -> None:
    fleet = fleet_with((SMALL, 6), spots={})
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, DEAD): setback(fleet.now, failures=14, rounds=9)})
    plan = decide(fleet.world())
    assert zones_of(plan) == [ZONES[1]] * 3 + [ZONES[2]] * 3
    assert plan.holds == (), "nothing is withheld: it is built elsewhere"


def test_what_fails_in_every_zone_holds_up_its_pool_and_no_other() -> None:
    fleet = fleet_with((SMALL, 3), (LARGE, 3), spots={})
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, az): setback(fleet.now, failures=1) for az in ZONES})
    plan = decide(fleet.world())
    assert (zones_of(plan), zones_of(plan, LARGE)) == ([], sorted(ZONES))
    (hold,) = plan.holds
    assert (hold.scope, hold.rule, hold.until) == ("pool/small", "launch-breaker", after(fleet.now, FIRST_PAUSE))
    assert "1 in az1, 1 in az2, 1 in az3" in hold.words


def test_after_the_pause_one_server_is_tried_for_the_whole_pool() -> None:
    fleet = fleet_with((SMALL, 6), spots={})
    spots = {(SMALL, az): setback(fleet.now) for az in ZONES}
    fleet.ledger = replace(fleet.ledger, launch_setbacks=spots)
    fleet.now = after(fleet.now, FIRST_PAUSE)
    plan = fleet.step(Duration(0))
    assert len(creates(plan)) == 1
    assert "wait for the one that is tried" in plan.holds[0].words
    fleet.pool.clear()
    assert creates(decide(fleet.world())) == [], "it is still being built"
    fleet.now = after(fleet.now, SECOND)
    fleet.step()  # it announces itself
    assert len(creates(decide(fleet.world()))) > 0


def test_a_trial_that_fails_doubles_the_pause() -> None:
    fleet = fleet_with((SMALL, 1), spots={})
    fleet.desired = replace(fleet.desired, cloud=replace(fleet.desired.cloud, azs=(DEAD,)))
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, DEAD): setback(fleet.now)})
    fleet.now = after(fleet.now, FIRST_PAUSE)
    (trial,) = creates(fleet.step(Duration(0)))
    fleet.pool.clear()
    fleet.cloud[trial.server] = replace(fleet.cloud[trial.server], status=CloudStatus.ERROR)
    plan = decide(fleet.world())
    found = plan.launch_setbacks[SMALL, DEAD]
    assert (found.failures, found.rounds, found.not_before) == (3, 2, after(fleet.now, Duration(2 * FIRST_PAUSE)))
    assert [action.server for action in plan.actions if isinstance(action, Condemn)] == [trial.server]


def test_instances_that_wait_are_not_built_where_it_would_be_a_trial() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 4}}, pool_size=2))
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, DEAD): setback(Instant(fleet.now - HOUR))})
    assert zones_of(decide(fleet.world())) == [DEAD, ZONES[1], ZONES[1], ZONES[1], ZONES[2], ZONES[2]]


def test_two_pools_that_fail_in_a_zone_keep_a_third_one_away_from_it() -> None:
    third = PoolName("third")
    fleet = fleet_with((third, 2), spots={})
    fleet.desired = replace(
        fleet.desired, pools={**fleet.desired.pools, **{n: Pool(name=n, size=0) for n in (SMALL, LARGE)}}
    )
    spots = {(SMALL, DEAD): setback(fleet.now), (LARGE, DEAD): setback(fleet.now)}
    fleet.ledger = replace(fleet.ledger, launch_setbacks=spots)
    assert DEAD not in zones_of(decide(fleet.world()), third)
    fleet.ledger = replace(fleet.ledger, launch_setbacks=dict([*spots.items()][:1]))
    assert DEAD in zones_of(decide(fleet.world()), third)


def test_what_was_begun_together_is_one_round() -> None:
    now = Instant(HOUR)
    begun = Instant(now - MINUTE)
    batch = carried_on({}, [Failed("x", "no", begun)] * 10, now)["x"]
    assert (batch.failures, batch.rounds, batch.not_before) == (10, 1, after(now, FIRST_PAUSE))
    later = carried_on({"x": batch}, [Failed("x", "no", begun)], after(now, SECOND))["x"]
    assert (later.failures, later.rounds, later.not_before) == (11, 1, batch.not_before)
    tried = carried_on({"x": later}, [Failed("x", "no", batch.not_before)], batch.not_before)["x"]
    assert (tried.failures, tried.rounds) == (12, 2)


def test_the_outside_may_ask_for_a_longer_pause_and_none_is_endless() -> None:
    now = Instant(HOUR)
    found = carried_on({}, [Failed("x", "429", now, after(now, MINUTE))], now)["x"]
    assert found.not_before == after(now, MINUTE)
    assert pause(100, 100) == LONGEST_PAUSE
    assert pause(1, 1) == 0


def exhausted(fleet: Fleet, times: int = 2) -> tuple[Failure, ...]:
    return (
        Failure(server=ServerId("small-0001"), pool=SMALL, az=DEAD, words="403", begun_at=fleet.now, is_exhausted=True),
    ) * times


def test_a_refusal_for_quota_is_nobodys_failure_and_tells_who_waits() -> None:
    fleet = fleet_with((SMALL, 3), (LARGE, 2), spots={})
    plan = decide(replace(fleet.world(), failures=exhausted(fleet)))
    assert (creates(plan), plan.launch_setbacks) == ([], {})
    (hold,) = plan.holds
    assert (hold.scope, hold.rule) == ("environment", "quota-exhausted")
    assert "2 of pool large, 3 of pool small wait" in hold.words
    fleet.ledger = replace(fleet.ledger, quota_setback=plan.quota_setback)
    assert hold.until is not None
    fleet.now = hold.until
    tried = fleet.step(Duration(0))
    assert len(creates(tried)) == 1, "one at a time while it is not known whether there is room again"
    fleet.now = after(fleet.now, SECOND)
    fleet.pool.clear()
    again = decide(fleet.world())
    assert again.quota_setback is None
    assert len(creates(again)) == 4


def test_a_server_that_was_refused_for_quota_is_asked_for_again_alone_and_counts_for_no_zone() -> None:
    fleet = fleet_with((SMALL, 3), spots={})
    fleet.step(Duration(0))
    fleet.pool.clear()
    fleet.cloud.clear()
    plan = decide(replace(fleet.world(), failures=exhausted(fleet)))
    assert creates(plan) == []
    fleet.ledger = replace(fleet.ledger, quota_setback=plan.quota_setback)
    fleet.now = after(fleet.now, Duration(10 * SECOND))
    assert [action.is_retry for action in creates(decide(fleet.world()))] == [True]
    fleet.now = after(fleet.now, Duration(2 * MINUTE))
    given_up = decide(fleet.world())
    assert len([action for action in given_up.actions if isinstance(action, Condemn)]) == 3
    assert given_up.launch_setbacks == {}
    fleet.now = after(fleet.now, Duration(2 * LONGEST_PAUSE))
    assert decide(fleet.world()).quota_setback is None


def test_who_was_let_in_together_and_is_too_many_is_nobodys_failure_either() -> None:
    fleet = fleet_with((SMALL, 3), spots={})
    made = creates(fleet.step(Duration(0)))
    fleet.pool.clear()
    fault = "Quota exceeded for instances"
    for action in made[1:]:
        found = fleet.cloud[action.server]
        fleet.cloud[action.server] = replace(found, status=CloudStatus.ERROR, fault=fault, is_exhausted=True)
    fleet.now = after(fleet.now, SECOND)
    plan = fleet.step(Duration(0))
    refused = {action.server for action in made[1:]}
    assert {action.server for action in plan.actions if isinstance(action, Condemn)} == refused
    assert (creates(plan), plan.launch_setbacks) == ([], {})
    assert plan.quota_setback is not None
    assert (plan.quota_setback.failures, plan.quota_setback.rounds) == (2, 1)
    (hold,) = plan.holds
    assert (hold.scope, hold.rule) == ("environment", "quota-exhausted")
    assert "the cloud had no quota left for it: Quota exceeded for instances" in hold.words
    gone = fleet.step(Duration(0))
    assert {action.server for action in gone.actions if isinstance(action, Delete)} == refused, "they take its place"
    assert gone.quota_setback == plan.quota_setback, "counted once"
    fleet.now = plan.quota_setback.not_before
    assert len(creates(decide(fleet.world()))) == 1


def test_what_is_reserved_goes_to_what_died_then_to_more_instances_and_last_to_pools() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 10}}, pool_size=0, max_servers=20))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    limits = replace(fleet.desired.limits, reserve=Reserve(remediation=percent(20), rollout=percent(20)))
    wanted = desired({"dns": {"1": 10}}, pool_size=10, max_servers=20)
    fleet.desired = replace(wanted, limits=limits)
    plan = decide(fleet.world())
    assert len(creates(plan)) == 2
    assert "10 for the pool" in plan.holds[0].words
    more = desired({"dns": {"1": 20}}, pool_size=0, max_servers=20)
    fleet.desired = replace(more, limits=limits)
    assert len(creates(decide(fleet.world()))) == 6
    fleet.desired = replace(
        desired({"dns": {"1": 10}}, pool_size=0, max_servers=13), limits=replace(limits, max_servers=13)
    )
    for server in fleet.serving("dns", "1")[:3]:
        fleet.kill(server)
    assert len(creates(decide(fleet.world()))) == 3


def test_a_creation_in_flight_is_the_trial() -> None:
    fleet = fleet_with((SMALL, 6), spots={})
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, az): setback(fleet.now) for az in ZONES})
    fleet.now = after(fleet.now, FIRST_PAUSE)
    (trial,) = creates(decide(fleet.world()))
    assert creates(decide(replace(fleet.world(), in_flight={trial.server: trial}))) == []


def test_what_is_recorded_and_not_listed_is_asked_for_again_when_its_zone_is_tried() -> None:
    fleet = fleet_with((SMALL, 1), spots={})
    fleet.step(Duration(0))
    fleet.pool.clear()
    fleet.cloud.clear()
    fleet.now = after(fleet.now, Duration(10 * SECOND))
    spot = setback(fleet.now)
    fleet.ledger = replace(fleet.ledger, launch_setbacks={(SMALL, az): spot for az in ZONES})
    plan = decide(fleet.world())
    assert (creates(plan), plan.requeue_at) == ([], spot.not_before)
    fleet.now = spot.not_before
    assert [action.is_retry for action in creates(decide(fleet.world()))] == [True]

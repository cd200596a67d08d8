"""Whoever loses its registration is destroyed on a second witness only: the cloud, or the instance itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import Decider, decide
from hfs_appliance.mcp.witnesses import RECENT, TIMES
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import DAY, HOUR, MINUTE, SECOND, Duration, after
from hfs_appliance.model.observed import CloudView
from hfs_appliance.model.plan import Claim, Condemn, Create, Delete, Phase, Plan
from hfs_appliance.model.probes import Answer, Probe, Pulse, Target
from hfs_appliance.model.world import World
from sim.worlds import Fleet, desired

DNS, V1 = ServiceName("dns"), Version("1")
FOREVER = Duration(30 * DAY)


def settled() -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": 10}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def of(plan: Plan, kind: type) -> list[ServerId]:
    return [action.server for action in plan.actions if isinstance(action, kind)]


def judged(plan: Plan, server: ServerId) -> tuple[Phase, str]:
    return plan.verdicts[server].phase, plan.verdicts[server].rule


def answered(fleet: Fleet, server: ServerId, pulse: Pulse, times: int = TIMES, age: int = 0) -> World:
    """Show the fleet with what a server has answered, `times` in a row, the last time `age` ago."""
    failures = 0 if pulse is Pulse.ALIVE else times
    at = after(fleet.now, Duration(-age))
    probe = Probe(answer=Answer(pulse=pulse, words="asked"), at=at, failures=failures, darks=failures)
    return replace(fleet.world(), probes={server: probe})


def unregistered(fleet: Fleet, for_how_long: Duration) -> ServerId:
    victim = fleet.serving("dns", "1")[0]
    fleet.unregister(victim)
    fleet.now = after(fleet.now, for_how_long)
    return victim


def test_without_a_word_from_anybody_it_stays_suspect_for_ever() -> None:
    fleet = settled()
    victim = unregistered(fleet, FOREVER)
    plan = decide(fleet.world())
    assert judged(plan, victim) == (Phase.SUSPECT, "missing")
    assert of(plan, Delete) == []
    assert len(of(plan, Claim)) == 1


def test_the_plan_names_whom_to_ask_and_where() -> None:
    fleet = settled()
    victim = unregistered(fleet, Duration(MINUTE))
    plan = decide(fleet.world())
    assert plan.to_probe == {victim: Target(address=fleet.cloud[victim].address, port=8000, path="/health")}
    assert decide(settled().world()).to_probe == {}


@pytest.mark.parametrize("pulse", [Pulse.SICK, Pulse.DARK])
def test_bad_answers_in_a_row_are_the_second_witness_when_its_time_is_over(pulse: Pulse) -> None:
    fleet = settled()
    victim = unregistered(fleet, Duration(4 * MINUTE))
    assert judged(decide(answered(fleet, victim, pulse)), victim) == (Phase.SUSPECT, "missing")
    fleet.now = after(fleet.now, MINUTE)
    plan = decide(answered(fleet, victim, pulse))
    assert judged(plan, victim) == (Phase.LOST, "unrecovered")
    assert of(plan, Delete) == [victim]
    assert victim in plan.to_probe, "its answers must not be forgotten while its deletion waits"


@pytest.mark.parametrize(("times", "age"), [(TIMES - 1, 0), (TIMES, RECENT + 1)])
def test_too_few_and_too_old_answers_prove_nothing(times: int, age: int) -> None:
    fleet = settled()
    victim = unregistered(fleet, FOREVER)
    plan = decide(answered(fleet, victim, Pulse.DARK, times, age))
    assert judged(plan, victim) == (Phase.SUSPECT, "missing")
    assert of(plan, Delete) == []


def test_an_answer_grows_old_by_time_alone() -> None:
    fleet = settled()
    victim = unregistered(fleet, FOREVER)
    decider, world = Decider(), answered(fleet, victim, Pulse.DARK)
    plan = decider.decide(world)
    assert judged(plan, victim) == (Phase.LOST, "unrecovered")
    assert plan.requeue_at == after(fleet.now, Duration(RECENT + 1))
    later = replace(world, now=plan.requeue_at)
    assert judged(decider.decide(later), victim) == judged(decide(later), victim) == (Phase.SUSPECT, "missing")


def test_what_answers_well_is_replaced_and_kept() -> None:
    fleet = settled()
    victim = unregistered(fleet, FOREVER)
    plan = decide(answered(fleet, victim, Pulse.ALIVE))
    assert judged(plan, victim) == (Phase.SUSPECT, "unregistered-alive")
    assert of(plan, Delete) == []
    assert len(of(plan, Claim)) == 1


def starting(fleet: Fleet, for_how_long: Duration) -> ServerId:
    """Have an instance that never registered."""
    fleet.desired = desired({"dns": {"1": 11}})
    (server,) = of(fleet.step(Duration(0)), Claim)
    fleet.unregister(server)
    fleet.now = after(fleet.now, for_how_long)
    return server


def test_an_instance_that_did_not_come_up_is_asked_before_it_is_given_up() -> None:
    fleet = settled()
    server = starting(fleet, Duration(6 * MINUTE))
    plan = decide(fleet.world())
    assert judged(plan, server) == (Phase.SUSPECT, "unready")
    assert plan.to_probe.keys() == {server}
    assert not of(plan, Claim) + of(plan, Delete), "it is neither replaced nor destroyed while nobody knows"
    given_up = decide(answered(fleet, server, Pulse.DARK))
    assert judged(given_up, server) == (Phase.LOST, "never-ready")
    assert of(given_up, Condemn) == [server]
    assert given_up.version_setbacks[DNS, V1].failures == 1


def test_an_instance_that_came_up_and_cannot_say_so_is_replaced_and_kept() -> None:
    fleet = settled()
    server = starting(fleet, FOREVER)
    plan = decide(answered(fleet, server, Pulse.ALIVE))
    assert judged(plan, server) == (Phase.SUSPECT, "unregistered-alive")
    assert of(plan, Delete) == []
    assert len(of(plan, Claim)) == 1


def test_an_instance_in_its_time_is_not_judged_by_what_it_answers() -> None:
    fleet = settled()
    server = starting(fleet, Duration(MINUTE))
    for pulse in Pulse:
        assert judged(decide(answered(fleet, server, pulse)), server) == (Phase.WARMING, "warming")


def test_a_warm_server_that_fell_silent_is_replaced_and_kept() -> None:
    fleet = settled()
    silent = min(fleet.pool)
    fleet.unregister(silent)
    early = decide(fleet.world())
    assert judged(early, silent) == (Phase.CONFIGURING, "configuring"), "its agent may just have been restarted"
    assert early.actions == ()
    fleet.now = after(fleet.now, FOREVER)
    late = decide(fleet.world())
    assert judged(late, silent) == (Phase.SUSPECT, "astray")
    assert of(late, Delete) == []
    assert len(of(late, Create)) == 1


def test_a_server_that_never_came_into_the_pool_is_a_failed_build() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    (server,) = of(fleet.step(Duration(0)), Create)
    fleet.unregister(server)
    fleet.now = after(fleet.now, Duration(11 * MINUTE))
    plan = decide(fleet.world())
    assert judged(plan, server) == (Phase.LOST, "build-failed")
    assert of(plan, Condemn) == [server]


def test_a_role_that_the_cloud_lists_no_server_for_is_given_up_even_if_it_never_registered() -> None:
    fleet = settled()
    server = starting(fleet, Duration(6 * MINUTE))
    del fleet.cloud[server]
    assert judged(decide(fleet.world()), server) == (Phase.LOST, "vanished")
    world = fleet.world()
    assert world.cloud is not None
    partial = replace(world.cloud, value=CloudView(servers=dict(fleet.cloud), is_complete=False))
    unsure = decide(replace(world, cloud=partial))
    assert judged(unsure, server) == (Phase.SUSPECT, "unready")
    assert of(unsure, Delete) == []


def test_a_claimed_server_that_is_still_in_the_pool_is_no_vanished_one() -> None:
    fleet = settled()
    server = starting(fleet, Duration(2 * SECOND))
    record = fleet.records[server]
    fleet._live()
    fleet.registrations[DNS].pop(server, None)
    fleet.pool[server] = replace(next(iter(fleet.pool.values())), server=server, nonce=record.nonce)
    del fleet.cloud[server]
    assert judged(decide(fleet.world()), server) == (Phase.ASSIGNED, "claimed")

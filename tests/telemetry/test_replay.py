"""Replay: recorded inputs give the recorded plans, and tell what another configuration would have decided."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.instants import SECOND, Duration, Instant, after
from hfs_appliance.model.plan import Hold, Plan
from hfs_appliance.telemetry.decisions import Decided, DecisionLog, Torn, read
from hfs_appliance.telemetry.replay import Replayed, replay
from sim.fleet import Simulation
from sim.worlds import Fleet, desired
from tests.support.fleets import SOON, play, settled

FOREVER = Instant(1 << 62)


def decided(fleet: Fleet, decider: Decider) -> Decided:
    world = fleet.world()
    return Decided(world=world, plan=decider.decide(world), version="1")


def story(*, wanted: DesiredState | None = None, dies_at: int = 8, ticks: int = 14) -> list[Replayed]:
    """Replay how a fleet is built, and how a server dies."""
    fleet, decider, told = Fleet(desired=desired({"dns": {"1": 3}})), Decider(), []
    for number in range(ticks):
        if number == dies_at:
            fleet.kill(fleet.serving("dns", "1")[0])
        told.append(decided(fleet, decider))
        fleet.step()
    return list(replay(told, Instant(0), wanted))


@given(st.lists(st.sampled_from(["kill", "lose", "more", "fewer", "upgrade", "wait"]), max_size=12))
@settings(max_examples=12, deadline=None)
def test_recorded_inputs_give_the_recorded_plans(happens: list[str]) -> None:
    fleet, decider, told = Fleet(desired=desired({"dns": {"1": 3}})), Decider(), []
    for what in happens:
        serving = fleet.serving("dns", "1")
        match what:
            case "kill" if serving:
                fleet.kill(serving[0])
            case "lose" if serving:
                fleet.unregister(serving[0])
            case "more":
                fleet.desired = desired({"dns": {"1": 5}})
            case "fewer":
                fleet.desired = desired({"dns": {"1": 1}})
            case "upgrade":
                fleet.desired = desired({"dns": {"2": 3}})
            case _:
                fleet.step(Duration(100 * SECOND))
        for _ in range(3):
            told.append(decided(fleet, decider))
            fleet.step()
    assert all(one.is_same for one in replay(told, Instant(0), None))


def test_the_control_plane_records_what_gives_the_same_plans(tmp_path: Path) -> None:
    async def bad_minutes(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        log = DecisionLog(tmp_path)
        sim.now.plane.reconciler._record = lambda world, plan: log.write([(world, plan)])
        sim.datacentre.faults.refused_creates = 300
        for _ in range(4):
            sim.datacentre.kill(sim.serving("dns")[0])
            await sim.pass_time(Duration(20 * SECOND))
            sim.ensemble.expire(sim.now.registry.link.session_id)
            await sim.pass_time(Duration(20 * SECOND))
        sim.datacentre.faults.refused_creates = 0
        await sim.converged(SOON)

    play(bad_minutes)
    found = list(read(tmp_path, Instant(0), FOREVER))
    told = [each for each in found if not isinstance(each, Torn)]
    assert len(told) == len(found) > 150
    replayed = list(replay(told, Instant(0), None))
    assert all(one.is_same for one in replayed)
    assert sum(len(one.actions) for one in replayed) > 15


def test_it_tells_what_was_seen_believed_and_done() -> None:
    one = story()[8]
    assert one.saw == (
        "cloud.servers.small-0001.status: active → stopped",
        "registry.registrations.dns.small-0001 has gone",
        "registry.departed.small-0001 has come",
    )
    assert [(verdict.server, verdict.rule) for verdict in one.verdicts] == [("small-0001", "dead")]
    assert [action.verb for action in one.actions] == ["delete", "claim", "create"]
    assert (one.begun, one.ended, one.other) == ((), (), None)
    assert one.is_news(story()[7])


def test_instants_are_told_as_such() -> None:
    told = [line for one in story() for line in one.saw if "built_at" in line]
    assert told[0] == "registry.records.small-0001.built_at: - → 2023-11-14T22:13:21.000Z"


def test_what_is_like_the_decision_before_is_no_news() -> None:
    told = story(dies_at=99)
    assert [one.is_news(before) for before, one in pairwise(told)][-3:] == [False] * 3
    assert told[-1].is_converged
    assert replace(told[-1], is_converged=False).is_news(told[-1])
    assert not told[-1].is_news(None)


def test_a_version_that_decides_otherwise_is_told() -> None:
    fleet, decider = Fleet(desired=desired({"dns": {"1": 3}})), Decider()
    first = decided(fleet, decider)
    hold = Hold(scope="environment", rule="old-rule", words="so it was")
    found = list(replay([first, replace(first, plan=Plan(holds=(hold,)))], Instant(0), None))
    assert [one.is_same for one in found] == [True, False]
    assert found[1].begun == (hold,)
    assert found[1].is_news(found[0])
    again = list(replay([replace(first, plan=Plan(holds=(hold,))), first], first.world.now, None))
    assert again[1].ended == (hold,)


def test_another_configuration_would_have_decided_otherwise() -> None:
    told = story(wanted=desired({"dns": {"1": 4}}, max_servers=5), dies_at=99)
    assert [action.verb for action in told[0].actions] == ["create"] * 5
    first = told[0].other
    assert first is not None
    assert [len(part) for part in (first.more, first.less, first.held, first.free)] == [0, 0, 1, 0]
    assert first.held[0].rule == "max-servers"
    later = told[-1].other
    assert later is not None
    assert [action.verb for action in later.more] == ["claim"]
    assert later.less == ()
    assert not told[-1].is_news(told[-2]), "it would still do the same"
    same = story(wanted=desired({"dns": {"1": 3}}), dies_at=99)[-1].other
    assert same is not None
    assert same.is_alike
    fewer = story(wanted=desired({"dns": {"1": 2}}, pool_size=0))[0].other
    assert fewer is not None
    assert [action.verb for action in fewer.less] == ["create"] * 3


def test_what_is_before_the_span_is_only_read() -> None:
    fleet, decider, told = Fleet(desired=desired({"dns": {"1": 3}})), Decider(), []
    for _ in range(6):
        told.append(decided(fleet, decider))
        fleet.step()
    since = told[3].world.now
    found = list(replay(told, since, None))
    assert [one.at for one in found] == [since, after(since, SECOND), after(since, Duration(2 * SECOND))]
    assert all(one.is_same for one in found)

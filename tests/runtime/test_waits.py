"""What a server or a service waits for, in words and with an end."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import after, format_instant, seconds
from hfs_appliance.model.ledger import Ledger, Setback
from hfs_appliance.model.rollout import RolloutSettings, Strategy
from hfs_appliance.runtime.waits import concerning, server_waits, service_waits
from sim.worlds import EPOCH, Fleet, desired

DNS = ServiceName("dns")


def test_instances_without_a_server_wait_for_the_pool() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}, pool_size=0))
    world = fleet.world()
    waits = service_waits(world, decide(world), DNS, ())
    assert [each.what for each in waits] == ["3 more of 1"]
    assert waits[0].words == "a server of pool small: it has 0 warm and 0 in building"
    fleet.step()
    fleet.step()  # noted as built, which takes their lanes
    world = fleet.world()
    plan = decide(world)
    waits = service_waits(world, plan, DNS, ())
    assert [each.words.startswith("planned, for ") for each in waits if each.what.startswith("claim")] == [True] * 3
    in_flight = {action.server: action for action in plan.actions}
    under_way = service_waits(replace(world, in_flight=in_flight), plan, DNS, ())
    assert all(each.words.startswith("under way, for ") for each in under_way if each.what.startswith("claim"))


def test_a_starting_and_a_draining_instance_have_their_deadline() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.settle()
    (server,) = fleet.serving("dns", "1")
    draining = fleet.records[server]
    fleet.records[server] = replace(draining, drain_at=fleet.now)
    world = fleet.world()
    (waiting,) = [each for each in server_waits(world, decide(world), server) if "draining" in each.what]
    assert waiting.until == format_instant(after(fleet.now, seconds(5 + 15)))
    fleet.records[server] = replace(draining, ready_at=None)
    fleet.registrations.clear()
    world = fleet.world()
    (waiting,) = server_waits(world, decide(world), server)
    assert waiting.what == f"{server} is warming"
    assert waiting.until == format_instant(after(draining.assigned_at or EPOCH, seconds(300)))


def test_a_server_in_building_has_its_deadline_and_suspects_are_waited_for() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.step()
    (server,) = fleet.cloud
    fleet.pool.clear()
    world = fleet.world()
    (waiting,) = [each for each in server_waits(world, decide(world), server) if "configuring" in each.what]
    assert waiting.until == format_instant(after(fleet.records[server].created_at, seconds(600)))
    fleet.settle()
    fleet.unregister(server)
    fleet.departed[server] = fleet.now
    world = fleet.world()
    told = service_waits(world, decide(world), DNS, ())
    assert [each.words for each in told if each.what == "1 more of 1"] == [
        "1 may come back any moment, or are given up"
    ]


def test_a_setback_and_a_blind_cloud_are_the_reason() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    until = after(fleet.now, seconds(60))
    setback = Setback(failures=3, not_before=until, words="exit 1")
    world = replace(fleet.world(), ledger=Ledger(version_setbacks={(DNS, Version("1")): setback}))
    plan = decide(world)
    (waiting,) = service_waits(world, plan, DNS, ())
    assert waiting.words.endswith("(version-setback)")
    assert waiting.until == format_instant(until)
    blind = replace(fleet.world(), cloud=None)
    plan = decide(blind)
    (waiting,) = service_waits(blind, plan, DNS, ())
    assert waiting.words.endswith("(cloud-stale)")
    assert [hold.rule for hold in concerning(plan.holds, "service/other")] == ["cloud-stale"]


def test_a_rollout_says_what_it_waits_for_and_until_when() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=2))
    fleet.settle()
    wanted = desired({"dns": {"2": 2}}, pool_size=2)
    canary = replace(wanted.services[DNS], rollout=RolloutSettings(strategy=Strategy.CANARY))
    fleet.desired = replace(wanted, services={DNS: canary})
    told = []
    for _ in range(12):
        world = fleet.world()
        told += [each for each in service_waits(world, decide(world), DNS, ()) if each.what.startswith("rollout")]
        fleet.step()
    assert {each.what for each in told} >= {"rollout, expand", "rollout, canary 1 of 2"}
    assert all(each.since is not None and each.words for each in told)
    assert any(each.until is not None for each in told)
    assert service_waits(fleet.world(), decide(fleet.world()), ServiceName("x"), ()) == ()

"""What all rollouts together ask for, and when nothing of it is to be trusted."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.rollout.overview import MOVES_AT_ONCE, Outlook
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, Instant, after
from hfs_appliance.model.plan import Drain
from hfs_appliance.model.rollout import Move, Rollout, RolloutPhase
from sim.worlds import Fleet, desired

DNS = ServiceName("dns")


def settled() -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": 2}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def test_of_very_many_moves_only_some_are_made_at_once() -> None:
    outlook = Outlook(services={})
    for number in range(MOVES_AT_ONCE + 3):
        outlook.note(Move(service=ServiceName(f"service-{number}"), rollout=None, traffic=None))
    assert [move.service for move in outlook.moves] == [f"service-{number}" for number in range(MOVES_AT_ONCE)]


def test_what_is_written_of_a_service_that_nobody_wants_goes_once_the_registry_is_seen() -> None:
    fleet = settled()
    fleet.rollouts[DNS] = Rollout(service=DNS, phase=RolloutPhase.DONE, target={Version("1"): 2}, since=fleet.now)
    fleet.desired = desired({})
    world = fleet.world()
    assert world.registry is not None
    stale = replace(world, registry=replace(world.registry, observed_at=Instant(world.now - MINUTE)))
    assert decide(stale).moves == ()
    assert [(move.service, move.rollout) for move in decide(world).moves] == [(DNS, None)]


def test_an_upgrade_gets_no_further_while_no_proxy_is_known() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"2": 2}})
    for _ in range(100):
        fleet.step()
        if fleet.rollouts[DNS].phase is RolloutPhase.CUTOVER:
            break
    world = fleet.world()
    assert world.registry is not None
    unheard = replace(world, registry=replace(world.registry, value=replace(world.registry.value, proxies={})))
    assert decide(unheard).moves == ()
    assert "no proxy" in decide(unheard).waiting[DNS].words
    assert [move.service for move in decide(world).moves] == [DNS]


def test_while_a_rollout_turns_round_nobody_of_its_service_leaves() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"2": 2}})
    for _ in range(200):
        if drained(fleet):
            break
        fleet.step(MINUTE)
    assert {fleet.records[server].version for server in drained(fleet)} == {"1"}
    fleet.desired = desired({"dns": {"1": 2}})  # by what is written the old ones leave still
    assert [move.service for move in decide(fleet.world()).moves] == [DNS]
    assert drained(fleet) == []


def drained(fleet: Fleet) -> list[ServerId]:
    """Name whom the next plan drains."""
    return [action.server for action in decide(fleet.world()).actions if isinstance(action, Drain)]

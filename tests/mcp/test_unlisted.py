"""Servers that the cloud's list leaves out, or calls dead: what that changes for those that are being taken away."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import HOUR, Duration, after
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Claim, Delete, Drain, Phase
from sim.worlds import Fleet, desired


def settled(count: int) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": count}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def test_a_drain_costs_a_token_though_the_list_leaves_its_server_out() -> None:
    fleet = settled(4)
    fleet.desired = desired({"dns": {"1": 1}})
    for server in fleet.serving("dns", "1"):
        del fleet.cloud[server]
    plan = decide(fleet.world())
    drained = {action.server for action in plan.actions if isinstance(action, Drain)}
    assert drained
    assert drained == plan.tokens.keys()


def test_what_no_source_knows_costs_no_token_and_goes_only_if_the_cloud_does_not_know_its_id() -> None:
    fleet = settled(4)
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    fleet.cloud.pop(victim, None)
    plan = decide(fleet.world())
    (deletion,) = (action for action in plan.actions if isinstance(action, Delete))
    assert (deletion.server, deletion.is_unlisted) == (victim, True)
    assert victim not in plan.tokens


def test_an_instance_that_dies_while_it_drains_is_not_drained_again() -> None:
    fleet = settled(2)
    fleet.desired = desired({})
    registered = dict(fleet.registrations[ServiceName("dns")])
    plan = fleet.step(Duration(0))
    victim = next(action.server for action in plan.actions if isinstance(action, Drain))
    fleet.registrations[ServiceName("dns")] = registered
    fleet.cloud[victim] = replace(fleet.cloud[victim], status=CloudStatus.STOPPED)
    plan = decide(fleet.world())
    assert plan.verdicts[victim].phase is Phase.DRAINING
    assert victim not in {action.server for action in plan.actions}


def test_a_warm_server_that_the_list_leaves_out_is_not_claimed() -> None:
    fleet = settled(2)
    fleet.desired = desired({"dns": {"1": 3}})
    hidden, *_ = sorted(fleet.pool)
    del fleet.cloud[hidden]
    claims = {action.server for action in decide(fleet.world()).actions if isinstance(action, Claim)}
    assert claims
    assert hidden not in claims

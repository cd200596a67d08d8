"""Quarantine: the newest failures stay to be looked at, a few of each kind, for a while."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.guard import Guard, Quarantine
from hfs_appliance.model.ids import ServerId, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, after
from hfs_appliance.model.ledger import Token
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.orders import Approval, Orders
from hfs_appliance.model.plan import Delete, Plan
from sim.worlds import Fleet, desired

KEEP = Duration(2 * HOUR)


def fleet_with_failures(failures: int, *, most: int, pool_size: int = 1) -> Fleet:
    """Settle a fleet beside which so many builds have failed, one a second."""
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=pool_size))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    fleet.desired = replace(fleet.desired, guard=Guard(quarantine=Quarantine(keep=KEEP, max=most)))
    for _ in range(failures):
        fleet.desired = replace(desired({"dns": {"1": 2}}, pool_size=pool_size + 1), guard=fleet.desired.guard)
        before = set(fleet.cloud)
        fleet.step(Duration(0))
        (made,) = set(fleet.cloud) - before
        fleet.pool.pop(made)
        fleet.cloud[made] = replace(fleet.cloud[made], status=CloudStatus.ERROR)
        fleet.desired = replace(desired({"dns": {"1": 2}}, pool_size=pool_size), guard=fleet.desired.guard)
        fleet.step(SECOND)
        fleet.ledger = replace(fleet.ledger, launch_setbacks={})
    return fleet


def deleted(plan: Plan) -> list[ServerId]:
    return sorted(action.server for action in plan.actions if isinstance(action, Delete))


def kept(plan: Plan) -> list[str]:
    return [hold.scope for hold in plan.holds if hold.rule == "quarantine"]


def test_a_failed_build_stays_with_its_evidence_and_is_no_reason_not_to_be_converged() -> None:
    fleet = fleet_with_failures(1, most=2)
    plan = decide(fleet.world())
    (hold,) = plan.holds
    assert (deleted(plan), plan.is_converged) == ([], True)
    assert (hold.scope, hold.rule, hold.amount) == ("server/small-0004", "quarantine", 1)
    assert "the cloud could not build it; kept out of service until" in hold.words
    assert plan.requeue_at == hold.until
    assert hold.until is not None
    fleet.now = hold.until
    assert deleted(decide(fleet.world())) == ["small-0004"]


def test_what_had_no_quota_is_not_kept() -> None:
    fleet = fleet_with_failures(1, most=2)
    (server,) = (server for server, record in fleet.records.items() if record.failed_at is not None)
    fleet.cloud[server] = replace(fleet.cloud[server], is_exhausted=True)
    fleet.records[server] = replace(fleet.records[server], leave_cause="over-quota")
    plan = decide(fleet.world())
    assert (deleted(plan), kept(plan)) == ([server], [])


def test_of_many_the_newest_stay() -> None:
    fleet = fleet_with_failures(3, most=2)
    plan = decide(fleet.world())
    assert kept(plan) == ["server/small-0005", "server/small-0006"]
    assert deleted(plan) == ["small-0004"], "it leaves for a newer one"


def test_nothing_is_kept_where_nobody_asked_for_it() -> None:
    fleet = fleet_with_failures(1, most=0)
    assert deleted(decide(fleet.world())) == ["small-0004"]
    assert Guard().quarantine.max == 0


def test_what_had_been_well_is_not_kept() -> None:
    fleet = fleet_with_failures(0, most=2)
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    plan = decide(fleet.world())
    assert (deleted(plan), kept(plan)) == ([victim], [])


def test_an_instance_that_never_came_up_is_kept_and_replaced() -> None:
    fleet = fleet_with_failures(0, most=1)
    fleet.broken_versions = frozenset({Version("2")})
    fleet.desired = replace(desired({"dns": {"2": 1}}, pool_size=1), guard=fleet.desired.guard)
    for _ in range(12):
        fleet.step(MINUTE)
    plan = decide(fleet.world())
    assert len(kept(plan)) == 1
    (server,) = (ServerId(scope.partition("/")[2]) for scope in kept(plan))
    assert fleet.records[server].version == "2"
    assert server in fleet.cloud


def test_an_operator_lets_it_go() -> None:
    fleet = fleet_with_failures(1, most=2)
    approval = Approval(rule="quarantine", author="eva", at=fleet.now)
    world = replace(fleet.world(), orders=Orders(approvals={"server/small-0004": (approval,)}))
    assert deleted(decide(world)) == ["small-0004"]


def test_what_is_in_quarantine_waits_for_no_token() -> None:
    fleet = fleet_with_failures(1, most=1)
    budget = replace(Guard().destroy_budget, min=1, max=1)
    fleet.desired = replace(fleet.desired, guard=replace(fleet.desired.guard, destroy_budget=budget))
    token = Token(at=fleet.now, scope="service/dns", cause="scale-in")
    fleet.ledger = replace(fleet.ledger, tokens={ServerId("small-0001"): token})
    assert [hold.rule for hold in decide(fleet.world()).holds] == ["quarantine"]
    fleet.desired = replace(fleet.desired, guard=Guard(destroy_budget=budget))
    assert [hold.rule for hold in decide(fleet.world()).holds] == ["destroy-budget"]

"""Operators' holds and approvals: what they stop, what they let through, and when they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.mcp.reins import Reins, card
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, after
from hfs_appliance.model.orders import Approval, Orders, Restraint
from hfs_appliance.model.plan import Claim, Delete, Drain, Plan
from hfs_appliance.model.world import World
from sim.worlds import EPOCH, Fleet, desired
from tests.mcp.test_storm import silence


def settled(instances: int = 30) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": instances}, "domains": {"1": 60}}, pool_size=3))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def held(fleet: Fleet, scope: str, *, lasts: Duration | None = None) -> World:
    until = after(fleet.now, lasts) if lasts is not None else None
    restraint = Restraint(reason="we look at it", author="eva", at=fleet.now, until=until)
    return replace(fleet.world(), orders=Orders(restraints={scope: restraint}))


def approved(fleet: Fleet, scope: str, rule: str, amount: int) -> World:
    approval = Approval(rule=rule, author="eva", at=fleet.now, amount=amount)
    return replace(fleet.world(), orders=Orders(approvals={scope: (approval,)}))


def destroyed(plan: Plan) -> list[ServerId]:
    return sorted(action.server for action in plan.actions if isinstance(action, Delete | Drain))


@pytest.mark.parametrize("kind", ["environment", "service", "server"])
def test_nothing_of_what_is_held_is_taken_away_and_what_is_missing_is_added(kind: str) -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    scope = {"environment": kind, "service": "service/dns", "server": f"server/{victim}"}[kind]
    plan = decide(held(fleet, scope))
    assert destroyed(plan) == []
    assert [action for action in plan.actions if isinstance(action, Claim)]
    (hold,) = plan.holds
    assert (hold.scope, hold.rule, hold.amount) == (scope, "operator-hold", 1)
    assert "held by eva since" in hold.words
    assert "we look at it; 1 that should go is kept" in hold.words


def test_what_is_held_by_name_is_servers_alone() -> None:
    restraint = Restraint(reason="we look at it", author="eva", at=EPOCH, until=None)
    reins = Reins(Orders(restraints=dict.fromkeys(("environment", "service/dns", "server/small-0001"), restraint)))
    assert list(reins.named()) == ["small-0001"]


def test_others_than_what_is_held_leave() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 58}}, pool_size=3)
    for scope in ("service/dns", "pool/small", "server/small-9999"):
        assert len(destroyed(decide(held(fleet, scope)))) == 2
    assert destroyed(decide(held(fleet, "service/domains"))) == []
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 60}}, pool_size=1)
    assert len(destroyed(decide(held(fleet, "service/domains")))) == 2
    plan = decide(held(fleet, "pool/small"))
    assert (destroyed(plan), plan.holds[0].words.endswith("2 that should go are kept")) == ([], True)


def test_a_hold_that_holds_nothing_back_is_no_reason_not_to_be_converged() -> None:
    assert decide(held(settled(), "environment")).is_converged


def test_a_hold_ends_by_itself_and_is_looked_at_then() -> None:
    fleet = settled()
    fleet.kill(fleet.serving("dns", "1")[0])
    world = held(fleet, "service/dns", lasts=MINUTE)
    plan = decide(world)
    assert plan.requeue_at == after(fleet.now, MINUTE)
    fleet.now = plan.requeue_at
    assert world.orders.in_force(fleet.now).restraints == {}
    assert world.orders.in_force(after(fleet.now, Duration(-1))) == world.orders


def test_an_approved_storm_is_believed_in_its_scope() -> None:
    fleet = settled()
    silence(fleet, fleet.serving("dns", "1")[:12])
    plan = decide(approved(fleet, "service/dns", "storm", 12))
    assert len(destroyed(plan)) == 3, "within the budget of the service"
    assert [hold.rule for hold in plan.holds] == ["destroy-budget"]
    assert plan.storms, "it rages all the same, for whoever decides when the approval has expired"
    assert destroyed(decide(approved(fleet, "service/domains", "storm", 12))) == []


def test_an_approved_budget_grants_what_it_was_about_until_it_expires() -> None:
    fleet = settled()
    for server in fleet.serving("dns", "1")[:12]:
        fleet.kill(server)
    refused = decide(fleet.world())
    (card,) = refused.holds
    assert (card.scope, card.amount, len(destroyed(refused))) == ("service/dns", 9, 3)
    world = approved(fleet, "service/dns", "destroy-budget", card.amount)
    granted = decide(world)
    assert len(destroyed(granted)) == 9, "all that the environment's own budget has tokens for"
    fleet.ledger = ledger_after(fleet.ledger, granted)
    fleet.now = after(fleet.now, HOUR)
    assert world.orders.next_end() == fleet.now
    assert world.orders.in_force(fleet.now).approvals == {}


def test_the_card_of_a_hold_that_holds_nothing_back_names_who_and_why_alone() -> None:
    restraint = Restraint(reason="we look at it", author="eva", at=EPOCH, until=None)
    assert card("environment", restraint, 0).words.endswith(": we look at it")

"""The destruction budget: tokens and their end, over all causes; and what a plan does with the last ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hfs_appliance.mcp.budget import Budget, Purse, in_turns
from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.model.guard import DestroyBudget, Guard, ServiceBudget, ServiceGuard
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Ledger, Token
from hfs_appliance.model.plan import Cause, Delete, Drain, Plan
from hfs_appliance.registry.formats import read_ledger, write_ledger
from sim.worlds import EPOCH, Fleet, desired

WINDOW = Duration(10 * MINUTE)
DNS = ServiceName("dns")
LIMITS = {"environment": 4, "service/dns": 2, "service/domains": 3}


def server(number: int) -> ServerId:
    return ServerId(f"small-{number:04d}")


def purse(scope: str) -> Purse:
    limit = LIMITS[scope]
    return Purse(limit=DestroyBudget(min=limit, max=limit, window=WINDOW), servers=100)


def budget(
    before: dict[ServerId, Token] | None = None,
    now: Instant = EPOCH,
    is_leaving: Callable[[ServerId], bool] = lambda _: False,
    granted: dict[str, int] | None = None,
) -> Budget:
    return Budget(now=now, before=before or {}, is_leaving=is_leaving, purse=purse, granted=granted or {})


def take(tokens: Budget, scope: str, *numbers: int) -> list[bool]:
    return [tokens.take(server(number), scope, Cause.SCALE_IN) for number in numbers]


def test_each_scope_has_its_own_tokens_and_all_share_the_environments() -> None:
    tokens = budget()
    assert take(tokens, "service/dns", 1, 2, 3) == [True, True, False]
    assert take(tokens, "service/domains", 4, 5, 6) == [True, True, False]
    assert {scope: causes.total() for scope, causes in tokens.refused.items()} == {"service/dns": 1, "environment": 1}


def test_a_server_is_paid_for_once() -> None:
    tokens = budget()
    assert take(tokens, "service/dns", 1, 1, 1, 2) == [True] * 4
    later = budget(tokens.tokens(), after(EPOCH, Duration(MINUTE)))
    assert take(later, "service/dns", 1, 2, 3) == [True, True, False]


def test_a_token_of_which_nothing_has_come_counts_anew_from_the_deed() -> None:
    first = budget()
    take(first, "service/dns", 1, 2)
    restarted = budget(first.tokens(), after(EPOCH, Duration(WINDOW - 1)))
    assert take(restarted, "service/dns", 1) == [True], "killed between the token and the deed"
    later = budget(restarted.tokens(), after(EPOCH, WINDOW))
    assert take(later, "service/dns", 3, 4) == [True, False], "2 came back by time, 1 went a moment ago"


def test_the_deletion_after_a_drain_does_not_begin_the_window_again() -> None:
    first = budget()
    take(first, "service/dns", 1)
    drained = budget(first.tokens(), after(EPOCH, Duration(MINUTE)), lambda _: True)
    assert take(drained, "service/dns", 1) == [True]
    assert drained.tokens() == first.tokens()


def test_a_token_that_one_scope_has_back_is_paid_there_again() -> None:
    hour = Purse(limit=DestroyBudget(min=2, max=2, window=HOUR), servers=100)

    def strict(scope: str) -> Purse:
        return hour if scope == "service/dns" else purse(scope)

    first = Budget(now=EPOCH, before={}, is_leaving=lambda _: False, purse=strict)
    take(first, "service/dns", 1)
    restarted = Budget(now=after(EPOCH, WINDOW), before=first.tokens(), is_leaving=lambda _: False, purse=strict)
    assert take(restarted, "service/domains", 2, 3, 4) == [True] * 3
    assert take(restarted, "service/dns", 1, 5) == [True, False], "the environment's fourth is the last one"
    assert take(restarted, "service/domains", 6) == [False]
    idle = Budget(now=after(EPOCH, WINDOW), before=first.tokens(), is_leaving=lambda _: False, purse=strict)
    assert idle.tokens() == first.tokens(), "the environment has it back, the service has not"


@pytest.mark.parametrize(("age", "is_leaving", "is_free"), [(0, False, False), (1, False, True), (1, True, False)])
def test_a_token_is_held_for_its_window_and_until_the_server_is_gone(age: int, is_leaving: bool, is_free: bool) -> None:  # noqa: FBT001
    first = budget()
    take(first, "service/dns", 1, 2)
    now = after(EPOCH, Duration(WINDOW - 1 + age))
    later = budget(first.tokens(), now, lambda _: is_leaving)
    assert take(later, "service/dns", 3) == [is_free]
    assert (server(1) in later.tokens()) is not is_free
    assert later.next_free("service/dns") == (None if is_free or is_leaving else after(EPOCH, WINDOW))


def test_the_next_token_comes_back_when_the_oldest_is_a_window_old() -> None:
    first = budget()
    take(first, "service/dns", 1)
    second = budget(first.tokens(), after(EPOCH, Duration(MINUTE)))
    take(second, "service/dns", 2)
    assert budget(second.tokens(), second.now).next_free("service/dns") == after(EPOCH, WINDOW)


def test_a_deletion_asked_for_again_after_its_window_needs_a_token_of_its_own() -> None:
    first = budget()
    take(first, "service/dns", 1)
    later = budget(first.tokens(), after(EPOCH, WINDOW))
    assert take(later, "service/domains", 2, 3) == [True, True]
    assert take(later, "service/dns", 4, 5) == [True, True]
    assert not later.renew(server(1), "service/dns", Cause.SCALE_IN), "the environment has none left"
    soon = budget(first.tokens(), after(EPOCH, Duration(WINDOW - 1)))
    assert soon.renew(server(1), "service/dns", Cause.SCALE_IN)
    assert soon.tokens()[server(1)].at == soon.now


def test_what_is_held_back_together_is_counted_once_the_environment_has_no_token_left() -> None:
    tokens = budget()
    take(tokens, "service/domains", 1, 2, 3)
    assert not tokens.forbids(Cause.SCALE_IN, 9)
    assert tokens.refused == {}
    take(tokens, "service/dns", 4)
    assert tokens.forbids(Cause.SCALE_IN, 2)
    assert tokens.forbids(Cause.SCALE_IN, 3)
    assert tokens.refused == {"environment": {Cause.SCALE_IN: 5}}


def test_a_token_of_another_scope_counts_for_the_environment_alone() -> None:
    """A server that was to leave its pool, stayed, and got a role."""
    tokens = budget({server(1): Token(at=EPOCH, scope="service/dns", cause="remediation")})
    for number in (1, 2, 3):
        assert tokens.take(server(number), "service/domains", Cause.REMEDIATION)
    assert not tokens.affords(server(4), "service/domains", Cause.REMEDIATION), "three are spent there"
    assert tokens.take(server(4), "service/dns", Cause.REMEDIATION), "and three of the environment's four"
    assert not tokens.affords(server(5), "service/dns", Cause.REMEDIATION)


def test_what_an_operator_has_approved_comes_on_top() -> None:
    tokens = budget(granted={"service/dns": 1})
    assert take(tokens, "service/dns", 1, 2, 3, 4) == [True, True, True, False]


def test_a_card_says_how_many_wait_why_and_for_how_long() -> None:
    first = budget()
    take(first, "service/dns", 1, 2)
    later = budget(first.tokens(), after(EPOCH, Duration(4 * MINUTE)))
    take(later, "service/dns", 3, 4)
    later.take(server(5), "service/dns", Cause.REMEDIATION)
    (card,) = later.holds()
    assert (card.scope, card.rule, card.amount) == ("service/dns", "destroy-budget", 3)
    assert card.until == after(EPOCH, WINDOW)
    assert card.words == (
        "3 more are to be taken away (remediation 1, scale-in 2), and all 2 tokens of 10m are spent; "
        "the next comes back in 6m"
    )


def test_a_card_says_when_only_a_confirmation_is_waited_for() -> None:
    first = budget()
    take(first, "service/dns", 1, 2)
    later = budget(first.tokens(), after(EPOCH, HOUR), lambda _: True)
    take(later, "service/dns", 3)
    (card,) = later.holds()
    assert card.until is None
    assert card.words.startswith("1 more is to be taken away")
    assert card.words.endswith("the next comes back when the cloud has confirmed a deletion")


def test_causes_take_turns() -> None:
    assert list(in_turns([1, 2, 3], [], [4], [5, 6])) == [1, 4, 5, 2, 6, 3]


def test_tokens_survive_in_the_ledger() -> None:
    ledger = Ledger(next_serial=7, tokens={server(1): Token(at=EPOCH, scope="pool/small", cause="pool-surplus")})
    assert read_ledger(write_ledger(ledger)) == ledger
    assert read_ledger(b'{"next_serial":7,"pools":{},"versions":{}}') == Ledger(next_serial=7), "of an earlier hfs"


# What a plan does with it


def of(plan: Plan, kind: type) -> list[ServerId]:
    return [action.server for action in plan.actions if isinstance(action, kind)]


def settled(instances: int = 40, *, pool_size: int = 2) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": instances}}, pool_size=pool_size))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def rescaled(fleet: Fleet, instances: int) -> None:
    fleet.desired = desired({"dns": {"1": instances}})


def test_a_drain_and_its_deletion_cost_one_token() -> None:
    fleet = settled()
    rescaled(fleet, 10)
    gone: set[ServerId] = set()
    for _ in range(60):
        plan = fleet.step(Duration(SECOND))
        gone |= set(of(plan, Delete))
    assert len(gone) == len(fleet.ledger.tokens) == 4
    assert len(fleet.serving("dns", "1")) == 36


def test_scaling_in_goes_on_window_by_window_and_comes_to_its_end() -> None:
    fleet = settled()
    rescaled(fleet, 10)
    steps = fleet.settle(limit=400, span=Duration(MINUTE))
    assert 60 <= steps <= 120  # ten windows of three or four


def test_neither_corpses_nor_scale_in_starve_each_other() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"1": 40}, "domains": {"1": 10}})
    fleet.settle()
    for victim in fleet.serving("dns", "1")[:10]:
        fleet.kill(victim)
    fleet.desired = desired({"dns": {"1": 40}, "domains": {"1": 2}})
    plan = decide(fleet.world())
    causes = [action.reason.cause for action in plan.actions if isinstance(action, Delete | Drain)]
    assert (causes.count(Cause.REMEDIATION), causes.count(Cause.SCALE_IN)) == (2, 3)


def test_a_corpse_that_the_cloud_does_not_know_costs_nothing() -> None:
    fleet = settled()
    for victim in fleet.serving("dns", "1")[:10]:
        fleet.unregister(victim)
        del fleet.cloud[victim]
    plan = decide(fleet.world())
    assert len(of(plan, Delete)) == 10
    assert plan.tokens == {}


def test_the_ledger_holds_the_tokens_before_anything_is_taken_away() -> None:
    fleet = settled()
    rescaled(fleet, 10)
    plan = decide(fleet.world())
    assert set(of(plan, Drain)) == ledger_after(fleet.ledger, plan).tokens.keys() == plan.tokens.keys()
    again = decide(replace(fleet.world(), ledger=ledger_after(fleet.ledger, plan)))
    assert of(again, Drain) == of(plan, Drain), "killed before the first drain: the same servers, for the same tokens"


def test_what_a_killed_hfs_has_paid_for_and_not_begun_counts_from_when_it_is_begun() -> None:
    fleet = settled()
    rescaled(fleet, 10)
    fleet.ledger = ledger_after(fleet.ledger, decide(fleet.world()))
    fleet.now = after(fleet.now, Duration(WINDOW - SECOND))
    plan = decide(fleet.world())
    assert set(of(plan, Drain)) == plan.tokens.keys()
    assert {token.at for token in plan.tokens.values()} == {fleet.now}


def test_a_service_may_have_less() -> None:
    fleet = settled()
    rescaled(fleet, 10)
    service = replace(
        fleet.desired.services[DNS], guard=ServiceGuard(destroy_budget=ServiceBudget(min=1, max=1, window=HOUR))
    )
    fleet.desired = replace(fleet.desired, services={DNS: service})
    plan = decide(fleet.world())
    assert len(of(plan, Drain)) == 1
    assert [(hold.scope, hold.rule) for hold in plan.holds] == [("service/dns", "destroy-budget")]


def test_a_service_that_is_not_desired_any_more_leaves_within_the_environments_terms() -> None:
    fleet = settled()
    fleet.desired = replace(desired({}), guard=Guard(destroy_budget=DestroyBudget(min=5, max=5)))
    plan = decide(fleet.world())
    assert len(of(plan, Drain)) == 5
    assert {token.scope for token in plan.tokens.values()} == {"service/dns"}


def test_a_pool_that_is_too_large_shrinks_within_the_budget() -> None:
    fleet = settled(4, pool_size=12)
    fleet.desired = desired({"dns": {"1": 4}}, pool_size=2)
    plan = decide(fleet.world())
    assert len(of(plan, Delete)) == 3
    assert {token.scope for token in plan.tokens.values()} == {"pool/small"}


def test_a_floor_is_kept_whatever_is_desired() -> None:
    fleet = settled(6)
    rescaled(fleet, 3)
    service = replace(fleet.desired.services[DNS], floor=5)
    fleet.desired = replace(fleet.desired, services={DNS: service})
    assert len(of(decide(fleet.world()), Drain)) == 1

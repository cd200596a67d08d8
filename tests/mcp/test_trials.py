"""A new recipe is what a pool is built by once some servers of it came up; the one before stays proved."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.factory.freshness import digest
from hfs_appliance.factory.trials import begun, is_refused, judged
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.ledger import Trial
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Cause, Create
from hfs_appliance.model.recipe import PLAIN, Recipe
from sim.worlds import SMALL, Fleet, desired

NEW, OTHER = Recipe(image="debian-13"), Recipe(image="debian-14")
RECIPES = st.sampled_from([PLAIN, NEW, OTHER])
Turn: TypeAlias = tuple[Recipe, list[ServerId], list[ServerId]]
ONES = st.lists(st.sampled_from([ServerId(f"s-{n}") for n in range(6)]), max_size=3)


def _fleet(needed: int = 2, size: int = 2) -> Fleet:
    """Settle a fleet, then want another recipe."""
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=size))
    _want(fleet, PLAIN, needed)
    fleet.settle()
    _want(fleet, NEW, needed)
    return fleet


def _want(fleet: Fleet, recipe: Recipe, needed: int = 2) -> None:
    pool = replace(fleet.desired.pools[SMALL], recipe=recipe, image_canary=needed)
    fleet.desired = replace(fleet.desired, pools={SMALL: pool})


def _created(fleet: Fleet) -> list[Recipe]:
    return [action.recipe for action in decide(fleet.world()).actions if isinstance(action, Create)]


def _recipes(fleet: Fleet) -> set[str]:
    return {fleet.records[server].recipe for server in fleet.pool}


def _fail(fleet: Fleet, recipe: Recipe, *, is_exhausted: bool = False) -> None:
    """Let what is being built by a recipe end in ERROR."""
    for server, record in fleet.records.items():
        if record.recipe == digest(recipe) and record.built_at is None and server in fleet.cloud:
            fleet.pool.pop(server, None)
            found = replace(fleet.cloud[server], status=CloudStatus.ERROR, is_exhausted=is_exhausted)
            fleet.cloud[server] = found


def test_one_server_after_the_other_comes_up_by_a_new_recipe_then_the_pool_is_built_by_it() -> None:
    fleet = _fleet(needed=2)
    assert _created(fleet) == [NEW]
    for _ in range(40):
        plan = fleet.step(Duration(MINUTE))
        assert len([action for action in plan.actions if isinstance(action, Create)]) <= 1
        assert len(fleet.pool) >= 2
    assert _recipes(fleet) == {digest(NEW)}
    assert fleet.ledger.trials[SMALL] == Trial(recipe=NEW, former=PLAIN)
    assert decide(fleet.world()).is_converged


def test_a_trial_that_cannot_begin_yet_keeps_the_fleet_unconverged() -> None:
    fleet = _fleet(needed=2)
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_creating=0))
    plan = decide(fleet.world())
    assert (plan.actions, plan.is_converged) == ((), False)


def test_while_it_is_on_trial_what_is_needed_is_built_by_the_proved_one() -> None:
    fleet = _fleet(needed=3)
    fleet.step(SECOND)
    for server in fleet.serving("dns", "1"):
        fleet.kill(server)
    fleet.step(SECOND)
    needed = [action for action in decide(fleet.world()).actions if isinstance(action, Create)]
    assert {action.recipe for action in needed if action.reason.cause is not Cause.RECYCLE} <= {PLAIN}


def test_a_recipe_that_fails_is_refused_and_the_pool_goes_on_with_the_one_before() -> None:
    fleet = _fleet()
    for _ in range(60):
        fleet.step(Duration(MINUTE))
        _fail(fleet, NEW)
        assert len(fleet.pool) == 2
    assert len(fleet.ledger.trials[SMALL].failed) == 2
    plan = decide(fleet.world())
    assert (_created(fleet), plan.is_converged) == ([], False)
    (hold,) = [hold for hold in plan.holds if hold.rule == "recipe-refused"]
    assert hold.scope == "pool/small"
    assert "2 servers built by it failed" in hold.words
    assert not fleet.ledger.launch_setbacks, "nothing is wrong with the pool or its zones"
    fleet.kill(fleet.serving("dns", "1")[0])
    fleet.step(SECOND)
    assert _created(fleet) in ([], [PLAIN])
    for _ in range(10):
        fleet.step(Duration(MINUTE))
        _fail(fleet, NEW)
    assert _recipes(fleet) == {""}


def test_that_there_is_no_quota_says_nothing_of_a_recipe() -> None:
    fleet = _fleet()
    for _ in range(60):
        fleet.step(Duration(MINUTE))
        _fail(fleet, NEW, is_exhausted=True)
    assert fleet.ledger.trials[SMALL].failed == ()
    assert fleet.ledger.quota_setback is not None


def test_the_former_one_is_there_at_once() -> None:
    fleet = _fleet(needed=1)
    for _ in range(40):
        fleet.step(Duration(MINUTE))
    assert _recipes(fleet) == {digest(NEW)}
    _want(fleet, PLAIN)
    fleet.step(SECOND)
    assert fleet.ledger.trials[SMALL] == Trial(recipe=PLAIN, former=NEW)
    for _ in range(40):
        fleet.step(Duration(MINUTE))
    assert _recipes(fleet) == {""}


def test_another_wish_begins_anew() -> None:
    trial = Trial(recipe=PLAIN, candidate=NEW, passed=(ServerId("s-1"),), failed=(ServerId("s-2"), ServerId("s-3")))
    assert is_refused(trial)
    assert begun(trial, OTHER) == Trial(recipe=PLAIN, candidate=OTHER)
    assert begun(trial, PLAIN) == Trial(recipe=PLAIN)
    assert begun(None, NEW) == Trial(recipe=NEW), "there is nothing to go on with"


@given(st.lists(st.tuples(RECIPES, ONES, ONES), max_size=12), st.integers(1, 3))
def test_nothing_is_in_force_that_was_not_proved(
    course: list[tuple[Recipe, list[ServerId], list[ServerId]]], needed: int
) -> None:
    trial = begun(None, PLAIN)
    proved = {PLAIN}
    for wanted, passed, failed in course:
        trial = begun(trial, wanted)
        if trial.candidate is not None and len({*trial.passed, *passed}) >= needed:
            proved.add(trial.candidate)
        trial = judged(trial, needed, passed, failed)
        assert trial.recipe in proved
        assert trial.candidate in (None, wanted)
        assert (trial.candidate is None) == (trial.recipe == wanted)

"""Freshness: what waits too long is claimed last and built anew, one after the other and never at a service's cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.factory.freshness import Grade, Terms, Ware, digest, renewals
from hfs_appliance.factory.policy import Stock
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.desired import Limits, Reserve
from hfs_appliance.model.guard import DestroyBudget, Guard
from hfs_appliance.model.ids import AvailabilityZone, ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Action, Cause, Claim, Create, Delete
from hfs_appliance.model.recipe import PLAIN, Recipe
from hfs_appliance.model.shares import percent
from sim.worlds import SMALL, Fleet, desired

AZ = AvailabilityZone("az1")
NOW = Instant(1_000 * HOUR)
FRESH, RECYCLE = Duration(24 * HOUR), Duration(48 * HOUR)
OTHER = Recipe(image="debian-13")


def _fleet(pool_size: int = 2, *, instances: int = 2, **pool: object) -> Fleet:
    """Settle a fleet whose pool demands something of its servers."""
    fleet = Fleet(desired=desired({"dns": {"1": instances}}, pool_size=pool_size))
    _demand(fleet, **{"fresh": FRESH, "recycle": RECYCLE, **pool})
    fleet.settle()
    return fleet


def _demand(fleet: Fleet, **pool: object) -> None:
    pools = {SMALL: replace(fleet.desired.pools[SMALL], **pool)}  # type: ignore[arg-type]
    fleet.desired = replace(fleet.desired, pools=pools)


def _of(fleet: Fleet, kind: type[Action]) -> list[Action]:
    return [action for action in decide(fleet.world()).actions if isinstance(action, kind)]


def _warm(fleet: Fleet) -> list[ServerId]:
    return sorted(fleet.pool)


def ware(serial: int, *, age: int = 0, recipe: str | None = "", unfit: str = "") -> Ware:
    return Ware(ServerId(f"small-{serial:04}"), AZ, Instant(NOW - age), recipe, unfit)


def terms(*, fresh: Duration | None = FRESH, recycle: Duration | None = RECYCLE) -> Terms:
    return Terms(now=NOW, fresh=fresh, recycle=recycle, recipes=frozenset({""}))


@pytest.mark.parametrize(
    ("one", "grade", "overdue"),
    [
        (ware(1), Grade.FRESH, ""),
        (ware(1, age=FRESH - 1), Grade.FRESH, ""),
        (ware(1, age=FRESH), Grade.STALE, ""),
        (ware(1, age=RECYCLE), Grade.STALE, "it was built 2d ago"),
        (ware(1, recipe="abc"), Grade.STALE, "it was built by another recipe than its pool has now"),
        (ware(1, recipe=None), Grade.FRESH, ""),
        (ware(1, unfit="its disk is full"), Grade.FRESH, "its agent finds it unfit: its disk is full"),
    ],
)
def test_what_a_warm_server_is_worth(one: Ware, grade: Grade, overdue: str) -> None:
    assert (terms().grade(one), terms().overdue(one)) == (grade, overdue)
    assert not one.unfit or terms(fresh=None, recycle=None).overdue(one)


def test_the_unfit_are_built_anew_first_then_the_oldest() -> None:
    wares = [ware(1, age=RECYCLE), ware(2, age=RECYCLE + 1), ware(3, unfit="x"), ware(4, age=1)]
    assert [one.server for one in terms().worst(wares)] == ["small-0003", "small-0002", "small-0001"]
    assert terms().next_overdue(wares) == after(NOW, Duration(RECYCLE - 1))


@given(st.lists(st.sampled_from(Grade), min_size=1, max_size=12), st.data())
def test_the_better_is_claimed_before_the_worse(grades: list[Grade], data: st.DataObject) -> None:
    zones = [data.draw(st.sampled_from(["a", "b"])) for _ in grades]
    stock = Stock((grade, ServerId(f"s-{n}"), AvailabilityZone(zones[n])) for n, grade in enumerate(grades))
    taken: list[Grade] = []
    while found := stock.take({}):
        taken.append(grades[int(found[0].partition("-")[2])])
    assert taken == sorted(grades)


def test_recipes_are_told_apart_by_their_content() -> None:
    assert digest(PLAIN) == ""
    assert digest(OTHER) == digest(Recipe(image="debian-13")) != digest(Recipe(flavor="debian-13"))
    assert [renewals(size, 7) for size in (1, 10, 40, 400)] == [1, 1, 4, 7]


def test_what_is_stale_is_claimed_only_when_nothing_better_is_there() -> None:
    fleet = _fleet(2)
    old, young = _warm(fleet)
    fleet.records[old] = replace(fleet.records[old], built_at=Instant(fleet.now - FRESH))
    fleet.kill(fleet.serving("dns", "1")[0])
    (claim,) = _of(fleet, Claim)
    assert claim.server == young
    fleet.kill(fleet.serving("dns", "1")[0])
    assert sorted(action.server for action in _of(fleet, Claim)) == [old, young]


def test_an_overdue_server_leaves_when_another_one_is_there_in_its_place() -> None:
    fleet = _fleet(2)
    first, second = _warm(fleet)
    fleet.records[first] = replace(fleet.records[first], built_at=Instant(fleet.now - RECYCLE))
    (made,) = decide(fleet.world()).actions
    assert isinstance(made, Create)
    assert made.reason.words == f"in the place of {first}: it was built 2d ago"
    fleet.step(SECOND)
    assert first in fleet.pool, "nothing leaves before its successor is there"
    fleet.settle()
    assert _warm(fleet) == sorted([second, made.server])


def test_they_are_built_anew_one_after_the_other() -> None:
    fleet = _fleet(3)
    for server in _warm(fleet):
        fleet.records[server] = replace(fleet.records[server], built_at=Instant(fleet.now - RECYCLE))
    before, least = set(fleet.pool), len(fleet.pool)
    for _ in range(60):
        assert len(_of(fleet, Create)) <= 1
        fleet.step(Duration(10 * MINUTE))
        least = min(least, len(fleet.pool))
    assert not before & set(fleet.pool)
    assert least == 3, "the pool is full all the while"


def test_what_cannot_leave_afterwards_is_given_no_successor() -> None:
    fleet = _fleet(2)
    fleet.desired = replace(fleet.desired, guard=Guard(destroy_budget=DestroyBudget(min=0, max=0)))
    old = _warm(fleet)[0]
    fleet.records[old] = replace(fleet.records[old], built_at=Instant(fleet.now - RECYCLE))
    assert decide(fleet.world()).actions == ()


def test_a_warm_server_without_a_record_is_no_ware() -> None:
    fleet = _fleet(2)
    (stray, _) = _warm(fleet)
    del fleet.records[stray]
    assert all(action.reason.cause is not Cause.RECYCLE for action in decide(fleet.world()).actions)


def test_a_pool_that_is_desired_no_more_is_emptied() -> None:
    fleet = _fleet(2, instances=0)
    fleet.desired = replace(fleet.desired, pools={})
    assert sorted(action.server for action in _of(fleet, Delete)) == _warm(fleet)


def test_a_pool_whose_recipe_changes_is_built_anew() -> None:
    fleet = _fleet(2, fresh=None, recycle=None)
    before = set(fleet.pool)
    _demand(fleet, recipe=OTHER)
    for _ in range(20):
        fleet.step(Duration(10 * MINUTE))
    assert not before & set(fleet.pool)
    assert {fleet.records[server].recipe for server in fleet.pool} == {digest(OTHER)}
    assert decide(fleet.world()).is_converged


def test_what_its_agent_finds_unfit_is_not_claimed_and_built_anew() -> None:
    fleet = _fleet(2, fresh=None, recycle=None)
    unfit, well = _warm(fleet)
    fleet.pool[unfit] = replace(fleet.pool[unfit], unfit="its disk cannot be written: No space left on device")
    (made,) = decide(fleet.world()).actions
    assert made.reason.cause is Cause.RECYCLE
    fleet.kill(fleet.serving("dns", "1")[0])
    (claim,) = _of(fleet, Claim)
    assert claim.server == well
    fleet.kill(fleet.serving("dns", "1")[0])
    waiting = decide(fleet.world())
    assert [action.server for action in waiting.actions if isinstance(action, Claim)] == [well]
    assert any(action.reason.cause is Cause.MEET_DEMAND for action in waiting.actions if isinstance(action, Create))


@pytest.mark.parametrize("why", ["a build goes on", "builds fail", "an instance waits"])
def test_nothing_is_less_urgent(why: str) -> None:
    fleet = _fleet(1)
    (old,) = _warm(fleet)
    fleet.records[old] = replace(fleet.records[old], built_at=Instant(fleet.now - RECYCLE))
    if why == "a build goes on":
        _demand(fleet, size=2)
    elif why == "an instance waits":
        for server in fleet.serving("dns", "1"):
            fleet.kill(server)
    else:
        fleet.step(Duration(0))
        (made,) = set(fleet.cloud) - {old, *fleet.serving("dns", "1")}
        fleet.pool.pop(made)
        fleet.cloud[made] = replace(fleet.cloud[made], status=CloudStatus.ERROR)
        fleet.step(SECOND)
    assert all(action.reason.cause is not Cause.RECYCLE for action in decide(fleet.world()).actions)


def test_where_there_is_no_room_it_is_told_and_nothing_is_done() -> None:
    fleet = _fleet(1, instances=2)
    fleet.desired = replace(
        fleet.desired, limits=Limits(max_servers=3, reserve=Reserve(remediation=percent(0), rollout=percent(0)))
    )
    (old,) = _warm(fleet)
    fleet.records[old] = replace(fleet.records[old], built_at=Instant(fleet.now - RECYCLE))
    plan = decide(fleet.world())
    assert (plan.actions, plan.is_converged) == ((), True)
    assert [(hold.scope, hold.rule) for hold in plan.holds] == [("pool/small", "no-room-to-recycle")]


def test_it_is_looked_at_again_when_the_next_one_is_overdue() -> None:
    fleet = _fleet(1)
    (only,) = _warm(fleet)
    built_at = fleet.records[only].built_at
    assert built_at is not None
    assert decide(fleet.world()).requeue_at == after(built_at, RECYCLE)


def test_a_surplus_is_taken_from_the_overdue_first() -> None:
    fleet = _fleet(3)
    old = _warm(fleet)[0]
    fleet.records[old] = replace(fleet.records[old], built_at=Instant(fleet.now - RECYCLE))
    _demand(fleet, size=2)
    (deletion,) = _of(fleet, Delete)
    assert (deletion.server, deletion.reason.cause) == (old, Cause.RECYCLE)

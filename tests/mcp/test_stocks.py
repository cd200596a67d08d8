"""A pool follows what is claimed from it: the greatest rush within one build, for as long as it is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.factory.forecast import UNMEASURED, noted, size
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.autoscale import Autoscale, Size
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import DAY, HOUR, MINUTE, Duration, Instant, after, seconds
from hfs_appliance.model.ledger import Rush
from hfs_appliance.model.plan import Claim, Create
from sim.worlds import SMALL, Fleet, desired

DNS = ServiceName("dns")
NOON = Instant(1_000 * DAY + 12 * HOUR)
BUILD = Duration(5 * MINUTE)


def claimed(*claims: tuple[int, int], build: Duration = BUILD) -> Rush:
    """Claim so many at so many seconds after noon."""
    rush = Rush(rebuild=build)
    for second, count in claims:
        rush = noted(rush, after(NOON, seconds(second)), count, (), DAY)
    return rush


def of(rush: Rush, *, at: int = 0, least: int = 2, most: int = 20) -> int:
    return size(rush, least, most, after(NOON, Duration(at)), DAY)[0]


def test_a_pool_of_which_nothing_was_claimed_has_its_least() -> None:
    assert size(Rush(), 2, 20, NOON, DAY) == (2, None)


def test_what_is_claimed_while_one_is_built_counts_together() -> None:
    assert of(claimed((0, 3), (600, 4))) == 7, "these four may have found the pool empty 300 s ago"
    assert of(claimed((0, 3), (610, 4))) == 4
    assert of(claimed((0, 3), (299, 4), build=seconds(30))) == 4


@pytest.mark.parametrize(("count", "found"), [(1, 2), (7, 7), (70, 20)])
def test_bounds_hold(count: int, found: int) -> None:
    assert of(claimed((0, count))) == found


def test_the_greatest_rush_counts_until_it_is_forgotten() -> None:
    rush = claimed((0, 9), (7_200, 5))
    found, until = size(rush, 2, 20, NOON, DAY)
    assert (found, until) == (9, NOON + DAY + HOUR)
    assert of(rush, at=DAY + HOUR - 1) == 9
    assert of(rush, at=DAY + HOUR) == 5
    assert of(rush, at=DAY + 3 * HOUR) == 2


def test_a_slower_build_counts_at_once_and_a_quicker_one_little_by_little() -> None:
    rush = noted(Rush(), NOON, 0, (seconds(100),), DAY)
    assert rush.rebuild == seconds(100)
    rush = noted(rush, NOON, 0, (seconds(300), seconds(220)), DAY)
    assert rush.rebuild == seconds(290)


def test_until_a_build_was_seen_it_is_thought_to_take_long() -> None:
    rush = noted(noted(Rush(), NOON, 3, (), DAY), after(NOON, Duration(2 * UNMEASURED - 1)), 2, (), DAY)
    assert of(rush) == 5


def test_nothing_new_changes_nothing() -> None:
    rush = claimed((0, 3))
    assert noted(rush, after(NOON, HOUR), 0, (), DAY) is rush


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(1, 9)), max_size=60))
def test_what_is_remembered_stays_small_and_never_exceeds_what_was_claimed(steps: list[tuple[int, int]]) -> None:
    rush, now = Rush(rebuild=BUILD), NOON
    for pause, count in steps:
        now = after(now, seconds(pause))
        rush = noted(rush, now, count, (), DAY)
    assert len(rush.recent) <= 2 * BUILD // seconds(10) + 2
    assert len(rush.peaks) <= 26
    assert of(rush, least=0, most=10_000) <= sum(count for _, count in steps)


def fleet_of(count: int, **autoscale: int) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": count}}, pool_size=3))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    pool = replace(fleet.desired.pools[SMALL], max=9)
    service = fleet.desired.services[DNS]
    if autoscale:
        service = replace(service, autoscale=Autoscale(**autoscale))  # type: ignore[arg-type]  # bounds and a target
    fleet.desired = replace(fleet.desired, pools={SMALL: pool}, services={DNS: service})
    return fleet


def kept(fleet: Fleet) -> int:
    return decide(fleet.world()).pools[SMALL].size


def test_what_dies_is_remembered_and_the_pool_grows() -> None:
    fleet = fleet_of(8)
    assert kept(fleet) == 3
    for server in list(fleet.serving("dns", "1"))[:5]:
        fleet.kill(server)
    for _ in range(90):
        fleet.step()
    assert kept(fleet) == 5
    assert len(fleet.pool) == 5
    fleet.now = after(fleet.now, Duration(26 * HOUR))
    assert kept(fleet) == 3


def test_a_new_service_is_no_rush() -> None:
    fleet = fleet_of(2)
    fleet.desired = replace(desired({"dns": {"1": 9}}, pool_size=3), pools=fleet.desired.pools)
    plan = fleet.step()
    assert sum(isinstance(action, Claim) for action in plan.actions) == 3
    assert sum(isinstance(action, Create) for action in plan.actions) == 7
    assert kept(fleet) == 3


def test_a_crowd_is_a_rush() -> None:
    fleet = fleet_of(2, min=2, max=9, rps_per_instance=100)
    fleet.ledger = replace(fleet.ledger, sizes={DNS: Size(total=9, base=2, since=fleet.now)})
    for _ in range(90):
        fleet.step()
    assert kept(fleet) == 7

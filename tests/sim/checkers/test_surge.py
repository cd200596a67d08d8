"""Checkers of building too much: a story that they must accuse, and one a step away that they must not."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.observed import CloudStatus
from sim.checkers.surge import Limits, Surge
from sim.entries import Author, RecordGone
from sim.truth import (
    ApiCalled,
    Condition,
    ControlPlaneStarted,
    DeletionBegun,
    FaultBegun,
    RegistryReached,
    StatusChanged,
)
from tests.sim.checkers.stage import DNS, Stage, active, record, role, unregistered

THREE = ("small-1", "small-2", "small-3")


def create(stage: Stage, name: str) -> None:
    stage.make(name)
    stage.tell(ApiCalled(call="create", asked_at=stage.now, server=ServerId(name)))


@pytest.mark.parametrize(("spares", "is_wrong"), [(1, False), (2, True)])
def test_a_full_pool_gets_no_more(spares: int, *, is_wrong: bool) -> None:
    stage = Stage(Surge, pool_size=2)
    stage.serve(*THREE)
    stage.warm(*(f"small-{10 + number}" for number in range(spares)))
    stage.wait(100)
    create(stage, "small-20")
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("before", "is_wrong"), [(60, True), (180, False)])
def test_what_was_recorded_long_before_was_needed_then(before: int, *, is_wrong: bool) -> None:
    stage = Stage(Surge, pool_size=2)
    stage.serve(*THREE)
    stage.warm("small-10", "small-11")
    stage.wait(100)
    stage.tell(record("small-20"))
    stage.wait(before)
    create(stage, "small-20")
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("silent", "is_wrong"), [(1, True), (10, False)])
def test_nobody_is_put_in_the_place_of_one_who_may_be_back(silent: int, *, is_wrong: bool) -> None:
    stage = Stage(Surge, pool_size=1)
    stage.serve(*THREE)
    stage.warm("small-10")
    stage.wait(100)
    stage.tell(unregistered("small-3"))
    stage.wait(silent)
    claim(stage, "small-10")
    assert bool(stage.accused) is is_wrong


def test_one_who_is_silent_and_whose_record_was_removed_is_not_waited_for() -> None:
    stage = Stage(Surge, pool_size=1)
    stage.serve(*THREE)
    stage.warm("small-10")
    stage.wait(100)
    stage.tell(unregistered("small-3"), RecordGone(author=Author.HAND, server=ServerId("small-3")))
    claim(stage, "small-10")
    assert not stage.accused


def test_nobody_is_claimed_for_a_service_that_is_complete() -> None:
    stage = Stage(Surge, pool_size=1)
    stage.serve(*THREE)
    stage.warm("small-10")
    stage.wait(100)
    claim(stage, "small-10")
    assert stage.accused


@pytest.mark.parametrize(("is_stuck", "is_wrong"), [(False, True), (True, False)])
def test_what_is_too_many_leaves_unless_as_many_as_may_are_being_deleted(*, is_stuck: bool, is_wrong: bool) -> None:
    stage = Stage(Surge, pool_size=1, at_once=1)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    stage.serve(*THREE)
    stage.warm("small-10", "small-11")
    if is_stuck:
        stage.tell(
            StatusChanged(server=ServerId("small-3"), before=CloudStatus.ACTIVE, after=CloudStatus.DELETING),
        )
    for _ in range(50):
        stage.wait(10)
        stage.tell(ApiCalled(call="list", asked_at=stage.now))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("claims", "is_wrong"), [(1, False), (2, True)])
def test_one_comes_in_the_place_of_one_who_shares_its_slot(claims: int, *, is_wrong: bool) -> None:
    stage = Stage(Surge, pool_size=2)
    stage.serve(*THREE)
    stage.tell(record("small-3", service=DNS, slot=0, is_built=True, is_ready=True))
    stage.warm("small-10", "small-20")
    stage.wait(100)
    create(stage, "small-30")
    assert not stage.accused, "another one for the pool, whose server will be claimed"
    for number in range(claims):
        claim(stage, f"small-{10 * (number + 1)}", slot=2 + number)
    assert bool(stage.accused) is is_wrong


def claim(stage: Stage, name: str, *, slot: int = 3) -> None:
    stage.tell(record(name, service=DNS, slot=slot, is_built=True), role(name, slot=slot))


@pytest.mark.parametrize(("number", "is_wrong"), [(2, False), (3, True)])
def test_so_many_are_created_at_one_time(number: int, *, is_wrong: bool) -> None:
    stage = Stage(Limits, pool_size=5, at_once=2)
    for name in THREE[:number]:
        create(stage, name)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("since", "is_listed", "is_wrong"), [(55, True, True), (55, False, False), (10, False, True)])
def test_what_no_list_has_named_for_long_is_no_longer_being_created(
    since: int, *, is_listed: bool, is_wrong: bool
) -> None:
    stage = Stage(Limits, pool_size=5, at_once=2)
    stage.wait(100)
    if not is_listed:
        stage.tell(FaultBegun(number=0, kind="list-omits-zone", words="", victims=None))
    for name in THREE[:2]:
        create(stage, name)
    stage.wait(since)
    create(stage, THREE[2])
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("number", "is_wrong"), [(2, False), (3, True)])
def test_so_many_are_deleted_at_one_time(number: int, *, is_wrong: bool) -> None:
    stage = Stage(Limits, at_once=2)
    stage.serve(*THREE)
    for name in THREE[:number]:
        stage.tell(DeletionBegun(server=ServerId(name), condition=Condition.SERVING))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("number", "is_wrong"), [(3, False), (4, True)])
def test_so_many_servers_there_may_be(number: int, *, is_wrong: bool) -> None:
    stage = Stage(Limits, pool_size=0, max_servers=3)
    for name in (*THREE, "small-4")[:number]:
        create(stage, name)
        stage.tell(active(name))
    assert bool(stage.accused) is is_wrong

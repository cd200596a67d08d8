"""Each slot of a version has one owner, also after a registry that has forgotten who had it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, after
from hfs_appliance.model.plan import Adopt, Cause, Claim, Delete, Drain, Plan
from sim.worlds import Fleet, desired

DNS, V1 = ServiceName("dns"), Version("1")


def settled(count: int = 3, *, pool_size: int = 2) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": count}}, pool_size=pool_size))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def owner(fleet: Fleet, slot: int) -> ServerId:
    return next(server for server, record in fleet.records.items() if record.slot == slot)


def want(fleet: Fleet, count: int, *, pool_size: int = 2) -> None:
    fleet.desired = desired({"dns": {"1": count}}, pool_size=pool_size)


def twin(fleet: Fleet, slot: int, *, of: int, age: str = "older") -> ServerId:
    """Have the owner of a slot share that of another one, as a registry that was rolled back leaves it."""
    server = owner(fleet, slot)
    fleet.records[server] = replace(fleet.records[server], slot=of)
    adopted = server if age == "younger" else owner(fleet, of)
    fleet.records[adopted] = replace(fleet.records[adopted], cause=Cause.ADOPTION.value)
    return server


def slots(fleet: Fleet) -> list[int]:
    staying = (record for record in fleet.records.values() if record.service == DNS and record.drain_at is None)
    return sorted(record.slot for record in staying if record.slot is not None)


def drained(plan: Plan) -> list[ServerId]:
    return [action.server for action in plan.actions if isinstance(action, Drain)]


@pytest.mark.parametrize("slot", [0, 2])
def test_the_slot_of_an_instance_that_has_lost_its_record_is_not_given_away(slot: int) -> None:
    fleet = settled()
    del fleet.records[owner(fleet, slot)]
    want(fleet, 5)
    given = [action.slot for action in decide(fleet.world()).actions if isinstance(action, Claim)]
    assert given == [3, 4]


@pytest.mark.parametrize(("is_listed", "slot"), [(True, 1), (False, 3)])
def test_who_is_lost_for_a_list_alone_keeps_the_slot_while_the_cloud_is_asked_for_it(
    slot: int, *, is_listed: bool
) -> None:
    fleet = settled()
    lost = owner(fleet, 1)
    fleet.kill(lost)
    if not is_listed:
        del fleet.cloud[lost]
    fleet.now = after(fleet.now, Duration(2 * MINUTE))
    plan = decide(fleet.world())
    assert [action.server for action in plan.actions if isinstance(action, Delete)] == [lost]
    assert [action.slot for action in plan.actions if isinstance(action, Claim)] == [slot]


def test_an_adopted_instance_keeps_the_slot_that_it_has() -> None:
    fleet = settled()
    server = owner(fleet, 1)
    del fleet.records[server]
    assert [type(action) for action in fleet.step().actions] == [Adopt]
    assert fleet.records[server].slot == 1
    assert decide(fleet.world()).actions == ()


def test_of_what_is_too_many_who_shares_its_slot_leaves_first_and_the_older_one_stays() -> None:
    fleet = settled(4)
    shares = twin(fleet, 3, of=0)
    want(fleet, 3)
    fleet.records = dict(reversed(fleet.records.items()))
    assert drained(decide(fleet.world())) == [shares]


def test_who_shares_a_slot_is_replaced_and_serves_until_then() -> None:
    fleet = settled()
    shares = twin(fleet, 2, of=0, age="younger")
    assert not decide(fleet.world()).is_converged
    least, is_converged = 3, False
    for _ in range(60):
        is_converged = fleet.step().is_converged
        least = min(least, len(fleet.serving(DNS, V1)))
    assert is_converged
    assert (least, slots(fleet), shares in fleet.records) == (3, [0, 1, 2], False)


def test_what_starts_in_a_slot_that_is_taken_leaves_at_once() -> None:
    fleet = settled()
    want(fleet, 4)
    fleet.step(span=Duration(0))
    shares = owner(fleet, 3)
    fleet.unregister(shares)
    fleet.records[shares] = replace(fleet.records[shares], slot=1, cause=Cause.ADOPTION.value, ready_at=None)
    plan = decide(fleet.world())
    assert [action.slot for action in plan.actions if isinstance(action, Claim)] == [3]
    want(fleet, 3)
    assert drained(decide(fleet.world())) == [shares]


def test_the_other_one_stays_while_a_twin_is_doubtful() -> None:
    fleet = settled()
    twin(fleet, 2, of=0)
    fleet.unregister(owner(fleet, 0))
    fleet.now = after(fleet.now, Duration(MINUTE // 60))
    assert drained(decide(fleet.world())) == []


def test_instances_of_which_nobody_knows_a_slot_share_none() -> None:
    fleet = settled(4)
    for server in (owner(fleet, 0), owner(fleet, 1)):
        fleet.records[server] = replace(fleet.records[server], slot=None)
        entry = fleet.registrations[DNS][server]
        fleet.registrations[DNS][server] = replace(entry, slot=None)
    want(fleet, 3)
    assert drained(decide(fleet.world())) == [owner(fleet, 3)]

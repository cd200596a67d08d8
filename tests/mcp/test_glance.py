"""A glance: what it tells of servers is what the rule table tells; of which anything is odd it leaves to the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hfs_appliance.mcp.classify import classify
from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.facts import Circumstances, circumstances, join
from hfs_appliance.mcp.glance import glance
from hfs_appliance.mcp.placing import place
from hfs_appliance.mcp.tally import Group, Tally
from hfs_appliance.model.ids import EnvironmentUuid, Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.observed import CloudStatus, InstanceStatus, Registration
from hfs_appliance.model.plan import Cause, Phase
from hfs_appliance.model.world import World
from sim.worlds import EPOCH, SMALL, Fleet, converged_fleet

SERVERS = 8
ODD = ServerId("small-0003")
OWN = ServiceName("service-0000")
OTHER = ServiceName("service-0001")


def fleet_of_two() -> Fleet:
    return converged_fleet(SERVERS, per_service=SERVERS // 2)


def look(world: World, tally: Tally, busy: frozenset[ServerId] = frozenset()) -> tuple[Group, Circumstances]:
    assert world.registry is not None
    assert world.cloud is not None
    assert world.desired is not None
    c = circumstances(world, world.desired)
    seen, _ = glance(tally, world.registry.value, world.cloud.value.servers, c, world.ledger.next_serial, busy)
    return seen, c


def record(fleet: Fleet, **fields: object) -> None:
    fleet.records[ODD] = replace(fleet.records[ODD], **fields)  # type: ignore[arg-type]


def cloud(fleet: Fleet, **fields: object) -> None:
    fleet.cloud[ODD] = replace(fleet.cloud[ODD], **fields)  # type: ignore[arg-type]


def entry(fleet: Fleet, **fields: object) -> None:
    fleet.registrations[OWN][ODD] = replace(fleet.registrations[OWN][ODD], **fields)  # type: ignore[arg-type]


def rename(fleet: Fleet, name: ServerId) -> None:
    """Give a server a name that says something else of its serial."""
    fleet.records[name] = replace(fleet.records.pop(ODD), server=name)
    fleet.cloud[name] = replace(fleet.cloud.pop(ODD), server=name)
    fleet.registrations[OWN][name] = replace(fleet.registrations[OWN].pop(ODD), instance=name, server=name)


def move(fleet: Fleet) -> None:
    """Have a server registered as one of another service."""
    fleet.registrations[OTHER][ODD] = fleet.registrations[OWN].pop(ODD)


ODDITIES: dict[str, Callable[[Fleet], object]] = {
    "no record": lambda fleet: fleet.records.pop(ODD),
    "not listed": lambda fleet: fleet.cloud.pop(ODD),
    "not registered": lambda fleet: fleet.registrations[OWN].pop(ODD),
    "not known to be ready": lambda fleet: record(fleet, ready_at=None),
    "to be drained": lambda fleet: record(fleet, drain_at=EPOCH),
    "to be deleted": lambda fleet: record(fleet, delete_at=EPOCH),
    "of another service": move,
    "of another version": lambda fleet: entry(fleet, version=Version("2")),
    "leaving": lambda fleet: entry(fleet, status=InstanceStatus.DRAINING),
    "entry of another server": lambda fleet: entry(fleet, nonce=Nonce("another")),
    "stopped": lambda fleet: cloud(fleet, status=CloudStatus.STOPPED),
    "of another fleet": lambda fleet: cloud(fleet, uuid=EnvironmentUuid("another")),
    "the next serial": lambda fleet: rename(fleet, ServerId(f"small-{fleet.ledger.next_serial}")),
    "no serial": lambda fleet: rename(fleet, ServerId("small-one")),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_what_is_odd_is_left_to_the_table_and_nothing_else(oddity: str) -> None:
    fleet = fleet_of_two()
    ODDITIES[oddity](fleet)
    seen, _ = look(fleet.world(), Tally())
    assert len(seen) == SERVERS - 1
    assert ODD not in seen


def test_with_a_fleet_that_serves_nothing_is_to_be_done() -> None:
    assert decide(fleet_of_two().world()).is_converged


def test_who_is_busy_is_left_to_the_table() -> None:
    seen, _ = look(fleet_of_two().world(), Tally(), busy=frozenset({ODD}))
    assert len(seen) == SERVERS - 1


def test_an_entry_that_names_no_nonce_is_believed() -> None:
    fleet = fleet_of_two()
    entry(fleet, nonce=None)
    seen, _ = look(fleet.world(), Tally())
    assert isinstance(seen[ODD].facts.registration, Registration)


def test_a_glance_says_what_the_table_says_and_counts_where_it_counts() -> None:
    fleet = fleet_of_two()
    record(fleet, cause=Cause.ADOPTION.value)
    world, tally = fleet.world(), Tally()
    seen, c = look(world, tally)
    assert world.registry is not None
    assert world.cloud is not None
    for facts in join(world.registry.value, world.cloud.value.servers):
        if facts.server in seen:
            standing = seen[facts.server]
            verdict, until = classify(facts, c)
            found = place(tally, facts, verdict, None, world.ledger.next_serial)
            assert standing == (facts, verdict, until, None, found)
            assert all(group[facts.server] is standing for group in found.groups)
    assert len(seen) == SERVERS
    assert tally.phases[Phase.SERVING] == SERVERS
    assert tally.instance(OWN, Version("1.0.0")).adopted == {ODD: seen[ODD]}
    assert tally.pool(SMALL).zones.total() == SERVERS


def test_what_has_been_seen_is_not_joined_again() -> None:
    world = fleet_of_two().world()
    seen, _ = look(world, Tally())
    assert world.registry is not None
    assert world.cloud is not None
    left = [facts.server for facts in join(world.registry.value, world.cloud.value.servers, without=seen)]
    assert sorted(left) == ["small-0009", "small-0010"]

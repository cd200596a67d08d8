"""Where registry, servers and cloud do not tell of one fleet, policy only observes; what adoption makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import Decider, decide
from hfs_appliance.mcp.identity import adoption, strays
from hfs_appliance.model.ids import NO_UUID, EnvironmentUuid, Nonce, ServerId
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, after
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.observed import CloudStatus, CloudView
from hfs_appliance.model.plan import OBSERVING, Adopt, Create, Delete, Phase, Plan
from hfs_appliance.model.world import World
from sim.worlds import ANCHOR, SMALL, Fleet, desired

OTHER = EnvironmentUuid("f" * 32)


def settled() -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": 6}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def rules(plan: Plan) -> list[str]:
    return [hold.rule for hold in plan.holds]


def listed(world: World) -> CloudView:
    assert world.cloud is not None
    return world.cloud.value


def wiped() -> Fleet:
    fleet = settled()
    fleet.records.clear()
    fleet.anchor, fleet.ledger = None, Ledger()
    return fleet


def rolled_back() -> Fleet:
    """Two servers were made since the snapshot, and one of those that it knows has gone."""
    fleet = settled()
    before, ledger = dict(fleet.records), fleet.ledger
    fleet.kill(fleet.serving("dns", "1")[0])
    fleet.settle()
    fleet.records, fleet.ledger = before, ledger
    return fleet


def of_another_project() -> Fleet:
    fleet = settled()
    assert fleet.anchor is not None
    fleet.anchor = replace(fleet.anchor, project="the right one")
    return fleet


def beside_a_namesake() -> Fleet:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    namesake = ServerId("small-0900")
    fleet.cloud[namesake] = replace(fleet.cloud[victim], server=namesake, nonce=Nonce("not ours"), uuid=OTHER)
    fleet.ledger = replace(fleet.ledger, next_serial=1000)
    return fleet


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        (wiped, "registry-wiped"),
        (rolled_back, "registry-older"),
        (of_another_project, "project-mismatch"),
        (beside_a_namesake, "uuid-mismatch"),
    ],
)
def test_what_does_not_fit_together_is_observed_only(story: Callable[[], Fleet], rule: str) -> None:
    fleet = story()
    for _ in range(5):
        plan = decide(fleet.world())
        assert plan.actions == ()
        assert rules(plan) == [rule]
        assert rule in OBSERVING
        assert not plan.to_anchor
        assert not plan.is_converged
        fleet.now = after(fleet.now, Duration(20 * MINUTE))
    assert decide(replace(fleet.world(), is_closing=True)).actions == ()


def test_a_wiped_registry_says_how_many_servers_it_does_not_know() -> None:
    (hold,) = decide(wiped().world()).holds
    assert hold.amount == 8
    assert "lists 8 servers of this environment, 8 of which have no record (small-0001, small-0002, small-0003, …)" in (
        hold.words
    )


def test_a_registry_that_only_lost_its_anchor_is_not_taken_for_a_new_one() -> None:
    fleet = settled()
    fleet.anchor = None
    assert rules(decide(fleet.world())) == ["registry-wiped"]


def test_an_environment_that_never_was_is_anchored_first() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 2}}), anchor=None)
    plan = decide(fleet.world())
    assert plan.to_anchor
    assert (plan.actions, plan.holds) == ((), ())
    assert not plan.is_converged
    fleet.anchor = ANCHOR
    assert len(decide(fleet.world()).actions) == 4


def test_servers_of_an_hfs_without_anchors_are_anchored_as_they_are() -> None:
    fleet = settled()
    fleet.anchor = None
    fleet.cloud = {server: replace(found, uuid=NO_UUID) for server, found in fleet.cloud.items()}
    assert decide(fleet.world()).to_anchor
    fleet.anchor = ANCHOR
    assert decide(fleet.world()).is_converged


def test_nobody_is_anchored_before_the_cloud_has_said_what_there_is() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 2}}), anchor=None)
    world = fleet.world()
    for cloud in (None, replace(world.cloud, value=CloudView(servers={}, is_complete=False)) if world.cloud else None):
        plan = decide(replace(world, cloud=cloud))
        assert rules(plan) == ["unanchored"]
        assert not plan.to_anchor


def test_a_cloud_that_does_not_say_its_project_is_believed() -> None:
    world = settled().world()
    assert world.cloud is not None
    silent = replace(world.cloud, value=replace(world.cloud.value, project=""))
    assert decide(replace(world, cloud=silent)).is_converged


def test_known_strangers_are_neither_counted_nor_touched() -> None:
    fleet = beside_a_namesake()
    fleet.anchor = replace(ANCHOR, foreign=(OTHER,))
    plan = decide(fleet.world())
    assert plan.is_converged
    assert (plan.verdicts[ServerId("small-0900")].phase, plan.verdicts[ServerId("small-0900")].rule) == (
        Phase.AMBIGUOUS,
        "foreign",
    )


def test_a_doubt_ends_with_its_reason_without_a_look_at_everything() -> None:
    fleet = rolled_back()
    decider = Decider()
    assert rules(decider.decide(fleet.world())) == ["registry-older"]
    fleet.ledger = replace(fleet.ledger, next_serial=1000)
    world = fleet.world()
    plan = decider.decide(world)
    assert plan == decide(world)
    assert [action.server for action in plan.actions if isinstance(action, Adopt)]


def test_servers_that_we_are_asking_for_are_not_ahead_of_the_ledger() -> None:
    fleet = Fleet(desired=desired({}, pool_size=3))
    creations = {action.server: action for action in decide(fleet.world()).actions if isinstance(action, Create)}
    assert "registry-older" not in rules(decide(replace(fleet.world(), in_flight=creations)))


# Adoption


def test_adopting_gives_the_fleets_uuid_to_the_registry_and_its_last_number_to_the_ledger() -> None:
    fleet = wiped()
    found = adoption(None, listed(fleet.world()), fleet.ledger)
    assert (found.uuid, found.foreign, found.next_serial) == (ANCHOR.uuid, (), 9)
    assert len(strays(fleet.world().registry.value, listed(fleet.world()), found.uuid)) == 8  # type: ignore[union-attr]


def test_adopting_never_lowers_a_serial() -> None:
    fleet = wiped()
    assert adoption(None, listed(fleet.world()), Ledger(next_serial=70)).next_serial == 70


def test_of_two_fleets_the_anchors_own_is_adopted_else_the_larger_one() -> None:
    fleet = beside_a_namesake()
    assert adoption(ANCHOR, listed(fleet.world()), fleet.ledger).foreign == (OTHER,)
    found = adoption(None, listed(fleet.world()), Ledger())
    assert (found.uuid, found.foreign, found.next_serial) == (ANCHOR.uuid, (OTHER,), 9)
    moved = replace(ANCHOR, uuid=EnvironmentUuid("e" * 32))
    assert adoption(moved, listed(fleet.world()), Ledger()).uuid == ANCHOR.uuid


def test_adopting_nothing_leaves_a_uuid_to_be_made() -> None:
    found = adoption(None, CloudView(servers={}), Ledger())
    assert (found.uuid, found.foreign, found.next_serial) == (None, (), 1)


def test_what_is_being_deleted_is_not_recorded_anew() -> None:
    fleet = wiped()
    victim = min(fleet.cloud)
    fleet.cloud[victim] = replace(fleet.cloud[victim], status=CloudStatus.DELETING)
    world = fleet.world()
    assert world.registry is not None
    assert victim not in strays(world.registry.value, listed(world), ANCHOR.uuid)


def test_a_deletion_that_hangs_and_of_which_nobody_knows_any_more_is_followed_to_its_end() -> None:
    fleet = settled()
    victim = min(fleet.pool)
    listed = fleet.cloud[victim]
    fleet.unregister(victim)
    del fleet.records[victim]
    fleet.cloud[victim] = replace(listed, status=CloudStatus.DELETING)
    assert Adopt in map(type, fleet.step().actions)
    assert fleet.records[victim].delete_at is not None
    hanging = decide(fleet.world())
    assert (hanging.verdicts[victim].phase, hanging.is_converged) == (Phase.DELETING, False)
    fleet.cloud[victim] = replace(listed, status=CloudStatus.ACTIVE)
    fleet.now = after(fleet.now, Duration(MINUTE))
    again = decide(fleet.world())
    assert [action.server for action in again.actions if isinstance(action, Delete)] == [victim]
    assert victim in again.tokens
    del fleet.cloud[victim]
    fleet.settle()
    assert victim not in fleet.records


def test_an_adopted_fleet_is_whole_again_and_loses_nobody() -> None:
    fleet = wiped()
    there = set(fleet.cloud)
    world = fleet.world()
    assert world.registry is not None
    found = adoption(fleet.anchor, listed(world), fleet.ledger)
    fleet.anchor = replace(ANCHOR, uuid=found.uuid or ANCHOR.uuid)
    fleet.ledger = replace(fleet.ledger, next_serial=found.next_serial)
    fleet.settle(span=MINUTE)
    assert there <= set(fleet.cloud)
    assert len(fleet.serving("dns", "1")) == 6
    assert len(fleet.pool) == fleet.desired.pools[SMALL].size


def test_a_registry_that_holds_less_than_we_wrote_there_ourselves_was_rolled_back() -> None:
    fleet = settled()
    fleet.kill(fleet.serving("dns", "1")[0])
    plan = decide(replace(fleet.world(), is_registry_behind=True))
    assert (plan.actions, rules(plan)) == ((), ["registry-older"])

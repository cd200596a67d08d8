"""Examples: a world in, a plan out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import Decider, decide
from hfs_appliance.model.ids import AvailabilityZone, Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Failure
from hfs_appliance.model.observed import CloudStatus, CloudView, InstanceStatus
from hfs_appliance.model.plan import Adopt, Cause, Claim, Condemn, Create, Delete, Drain, Forget, Phase, Plan, Reason
from hfs_appliance.model.world import World
from sim.worlds import SMALL, ZONES, Fleet, desired

DNS = ServiceName("dns")
V1 = Version("1")
REASON = Reason(cause=Cause.MEET_DEMAND, words="test")


def settled(counts: dict[str, dict[str, int]] | None = None, *, pool_size: int = 2) -> Fleet:
    fleet = Fleet(desired=desired(counts or {"dns": {"1": 3}}, pool_size=pool_size))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def kinds(plan: Plan) -> list[str]:
    return sorted(type(action).__name__ for action in plan.actions)


def of(plan: Plan, kind: type) -> list[ServerId]:
    return [action.server for action in plan.actions if isinstance(action, kind)]


def failures_in(plan: Plan) -> int:
    return sum(setback.failures for setback in plan.launch_setbacks.values())


def phase(plan: Plan, server: ServerId) -> tuple[Phase, str]:
    verdict = plan.verdicts[server]
    return verdict.phase, verdict.rule


def test_from_nothing_servers_are_built_for_every_instance_and_the_pool() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}, "domains": {"1": 1}}, pool_size=2))
    plan = fleet.step()
    assert kinds(plan) == ["Create"] * 6
    causes = [action.reason.cause for action in plan.actions]
    assert (causes.count(Cause.MEET_DEMAND), causes.count(Cause.FILL_POOL)) == (4, 2)
    assert {action.az for action in plan.actions if isinstance(action, Create)} == {"az1", "az2", "az3"}


def test_a_settled_world_needs_nothing() -> None:
    plan = decide(settled().world())
    assert plan.is_converged
    assert plan.actions == ()
    assert plan.counts[DNS][V1].serving == 3
    assert plan.pools[SMALL].warm == 2


def test_a_dead_server_is_replaced_from_the_pool_then_deleted_and_the_pool_refilled() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    plan = decide(fleet.world())
    assert phase(plan, victim) == (Phase.LOST, "dead")
    claims = [action for action in plan.actions if isinstance(action, Claim)]
    assert [(claim.service, claim.version, claim.slot) for claim in claims] == [(DNS, V1, 0)]
    assert claims[0].reason.cause is Cause.REMEDIATION
    assert of(plan, Delete) == [victim]
    assert len(of(plan, Create)) == 1


def test_a_dead_server_whose_session_lives_is_replaced_but_not_destroyed() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.cloud[victim] = replace(fleet.cloud[victim], status=CloudStatus.STOPPED)
    plan = decide(fleet.world())
    assert phase(plan, victim) == (Phase.SUSPECT, "dead-but-registered")
    assert len(of(plan, Claim)) == 1
    assert of(plan, Delete) == []


def test_a_lost_registration_alone_destroys_nothing() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.unregister(victim)
    early = decide(fleet.world())
    assert phase(early, victim) == (Phase.SUSPECT, "unregistered")
    assert early.actions == ()
    assert early.requeue_at == after(fleet.now, fleet.desired.services[DNS].suspect_grace)
    fleet.now = early.requeue_at
    late = decide(fleet.world())
    assert phase(late, victim) == (Phase.SUSPECT, "missing")
    assert len(of(late, Claim)) == 1
    assert of(late, Delete) == of(late, Drain) == []


def test_a_server_that_vanished_from_a_complete_list_is_lost() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.unregister(victim)
    del fleet.cloud[victim]
    assert phase(decide(fleet.world()), victim) == (Phase.LOST, "vanished")


def test_a_warm_server_that_vanished_is_no_creation_that_goes_on_and_no_failed_build() -> None:
    fleet = settled()
    victim = next(iter(fleet.pool))
    del fleet.pool[victim]
    del fleet.cloud[victim]
    fleet.records[victim] = replace(fleet.records[victim], created_at=fleet.now, built_at=fleet.now)
    fleet.now = after(fleet.now, Duration(6 * SECOND))
    assert victim not in of(decide(fleet.world()), Create), "its name is not given to another one"
    fleet.now = after(fleet.now, MINUTE)
    assert phase(decide(fleet.world()), victim) == (Phase.LOST, "vanished")
    assert failures_in(decide(fleet.world())) == 0


def test_a_partial_list_proves_no_absence() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.unregister(victim)
    world = fleet.world()
    assert world.cloud is not None
    servers = {name: server for name, server in world.cloud.value.servers.items() if name != victim}
    partial = replace(world.cloud, value=CloudView(servers=servers, is_complete=False))
    plan = decide(replace(world, cloud=partial))
    assert phase(plan, victim)[0] is Phase.SUSPECT
    assert of(plan, Delete) == []
    assert any(hold.rule == "cloud-stale" for hold in plan.holds)


def test_removals_are_not_believed_during_the_recovery_grace() -> None:
    fleet = settled()
    for server in fleet.serving("dns", "1"):
        fleet.kill(server)
    world = fleet.world()
    assert world.registry is not None
    until = after(fleet.now, Duration(9 * SECOND))
    view = replace(world.registry.value, removals_believed_at=until)
    plan = decide(replace(world, registry=replace(world.registry, value=view)))
    assert of(plan, Delete) == of(plan, Drain) == []
    assert {verdict.phase for verdict in plan.verdicts.values()} == {Phase.SUSPECT, Phase.WARM}
    assert plan.requeue_at is not None
    assert plan.requeue_at <= until


def test_scaling_in_drains_the_highest_slots_first() -> None:
    fleet = settled({"dns": {"1": 4}})
    slots = {record.slot: server for server, record in fleet.records.items() if record.service}
    fleet.desired = desired({"dns": {"1": 2}})
    plan = decide(fleet.world())
    assert sorted(of(plan, Drain)) == sorted([slots[3], slots[2]])
    assert {action.reason.cause for action in plan.actions} == {Cause.SCALE_IN}


def test_an_instance_that_does_not_serve_yet_is_given_up_before_one_that_does() -> None:
    fleet = settled({"dns": {"1": 2}})
    fleet.desired = desired({"dns": {"1": 3}})
    claim = next(action for action in fleet.step(Duration(0)).actions if isinstance(action, Claim))
    fleet.unregister(claim.server)
    fleet.desired = desired({"dns": {"1": 2}})
    assert of(decide(fleet.world()), Drain) == [claim.server]


def test_a_new_version_serves_in_full_before_the_old_one_leaves() -> None:
    fleet = settled({"dns": {"1": 3}})
    fleet.desired = desired({"dns": {"2": 3}})
    for _ in range(400):
        plan = fleet.step()
        if of(plan, Drain):
            assert plan.counts[DNS][Version("2")].serving == 3
        if plan.is_converged:
            break
    assert fleet.serving("dns", "1") == []
    assert len(fleet.serving("dns", "2")) == 3


def test_a_removed_service_is_drained_and_its_servers_deleted() -> None:
    fleet = settled({"dns": {"1": 2}, "domains": {"1": 1}})
    fleet.desired = desired({"domains": {"1": 1}})
    plan = fleet.step()
    assert len(of(plan, Drain)) == 2
    assert {action.reason.cause for action in plan.actions} == {Cause.RETIRE_SERVICE}
    fleet.settle()
    assert sorted(fleet.records) == sorted(fleet.cloud)
    assert len(fleet.cloud) == 3


def test_a_server_without_record_is_adopted_not_destroyed() -> None:
    fleet = settled()
    stray = sorted(fleet.pool)[0]
    del fleet.records[stray]
    plan = decide(fleet.world())
    assert phase(plan, stray) == (Phase.AMBIGUOUS, "no-record")
    assert of(plan, Adopt) == [stray]
    assert of(plan, Delete) == []


def test_while_the_registry_has_forgotten_all_records_nothing_is_built_in_place_of_what_is_there() -> None:
    fleet = settled({"dns": {"1": 3}}, pool_size=2)
    for server, entry in fleet.registrations[DNS].items():
        fleet.registrations[DNS][server] = replace(entry, nonce=fleet.records[ServerId(server)].nonce)
    forgotten = sorted(fleet.records)
    fleet.records.clear()
    plan = decide(fleet.world())
    assert (kinds(plan), of(plan, Adopt)) == (["Adopt"] * 5, forgotten)
    assert plan.counts[DNS][V1].suspect == 3
    assert not plan.is_converged


def test_entries_of_a_server_that_the_cloud_does_not_list_are_no_capacity() -> None:
    fleet = settled({"dns": {"1": 2}}, pool_size=0)
    for server, entry in fleet.registrations[DNS].items():
        fleet.registrations[DNS][server] = replace(entry, nonce=fleet.records[ServerId(server)].nonce)
    ghost = fleet.serving("dns", "1")[0]
    del fleet.records[ghost], fleet.cloud[ghost]
    assert kinds(decide(fleet.world())) == ["Create"]


def test_an_instance_whose_claim_was_lost_is_adopted_not_given_up_as_a_failed_build() -> None:
    fleet = settled({"dns": {"1": 2}})
    server = fleet.serving("dns", "1")[0]
    record = fleet.records[server]
    entry = fleet.registrations[DNS][server]
    fleet.registrations[DNS][server] = replace(entry, nonce=record.nonce)
    fleet.records[server] = replace(record, service=None, version=None, slot=None, assigned_at=None, ready_at=None)
    plan = decide(fleet.world())
    assert phase(plan, server) == (Phase.AMBIGUOUS, "role-unknown")
    assert of(plan, Adopt) == [server]
    assert server not in of(plan, Delete)


def test_a_record_without_server_is_asked_for_again_and_given_up_at_last() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    first = fleet.step(Duration(0))
    server = of(first, Create)[0]
    del fleet.cloud[server]
    fleet.pool.clear()
    fleet.now = after(fleet.now, Duration(6 * SECOND))
    retried = decide(fleet.world())
    assert [(a.server, a.is_retry) for a in retried.actions if isinstance(a, Create)] == [(server, True)]
    fleet.now = after(fleet.now, MINUTE)
    given_up = decide(fleet.world())
    assert phase(given_up, server) == (Phase.LOST, "never-created")
    assert of(given_up, Condemn) == [server]
    fleet.step(Duration(0))
    assert of(decide(fleet.world()), Delete) == [server]


def test_a_deleted_server_is_forgotten_only_when_a_later_list_agrees() -> None:
    fleet = settled()
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    fleet.step(Duration(0))
    world = fleet.world()
    assert world.cloud is not None
    old = replace(world.cloud, observed_at=Instant(fleet.now - 1))
    assert victim not in of(decide(replace(world, cloud=old)), Forget)
    fleet.now = after(fleet.now, SECOND)
    assert of(decide(fleet.world()), Forget) == [victim]


def test_a_broken_version_slows_down_and_leaves_the_others_alone() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 2, "2": 1}}), broken_versions=frozenset({Version("2")}))
    for _ in range(5):
        fleet.step()
    made: set[ServerId] = set()
    for _ in range(120):
        plan = fleet.step(MINUTE)
        made |= set(of(plan, Create))
        assert plan.counts[DNS][V1].serving == 2
    # Two hours at one attempt each ready_within (5 minutes) would be 24; the pauses double up to half an hour.
    assert 3 <= len(made) <= 12
    assert any(hold.rule == "version-setback" for hold in decide(fleet.world()).holds)


def test_a_broken_version_is_not_rolled_out() -> None:
    fleet = settled({"dns": {"1": 2}})
    fleet.broken_versions = frozenset({Version("2")})
    fleet.desired = desired({"dns": {"2": 2}})
    for _ in range(60):
        fleet.step(Duration(10 * SECOND))
        assert len(fleet.serving("dns", "1")) == 2
        if fleet.desired.services[DNS].versions == {V1: 2, Version("2"): 0}:
            break
    fleet.settle(span=MINUTE)
    assert fleet.rollouts[DNS].words.startswith("0 of 2 instances of 2 serve")


def test_what_a_rollout_waits_for_is_told() -> None:
    fleet = settled({"dns": {"1": 4}})
    fleet.desired = desired({"dns": {"2": 4}}, max_servers=7)
    fleet.step()
    fleet.step()
    plan = decide(fleet.world())
    assert plan.waiting[DNS].words == "4 more instances need servers, and there is room for 3"
    assert [hold.rule for hold in plan.holds] == ["rollout-waits"]


def test_a_rollout_of_a_service_that_is_not_desired_any_more_is_forgotten() -> None:
    fleet = settled({"dns": {"1": 2}})
    fleet.desired = desired({"dns": {"2": 2}})
    fleet.step()
    assert (len(fleet.rollouts), len(fleet.traffic)) == (1, 1)
    fleet.desired = desired({})
    fleet.settle()
    assert (fleet.rollouts, fleet.traffic) == ({}, {})


def test_failed_creations_pause_the_pool_and_a_success_ends_the_pause() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    failures = tuple(
        Failure(server=ServerId("small-0001"), pool=SMALL, az=az, words="no valid host", begun_at=fleet.now)
        for az in ZONES
        for _ in range(2)
    )
    plan = decide(replace(fleet.world(), failures=failures))
    assert plan.actions == ()
    assert {setback.failures for setback in plan.launch_setbacks.values()} == {2}
    assert [hold.rule for hold in plan.holds] == ["launch-breaker"]
    assert plan.requeue_at == plan.launch_setbacks[SMALL, ZONES[0]].not_before
    fleet.ledger = replace(fleet.ledger, launch_setbacks=plan.launch_setbacks)
    fleet.now = plan.requeue_at
    fleet.settle()
    assert len(fleet.ledger.launch_setbacks) == 2, "the zones that have not been tried since"


def test_a_failure_is_counted_once_however_long_its_deletion_waits() -> None:
    fleet = Fleet(desired=desired({}, pool_size=3))
    fleet.step(Duration(0))
    fleet.pool.clear()
    fleet.now = after(fleet.now, HOUR)
    world = replace(fleet.world(), cloud=None)
    assert decide(world).launch_setbacks == {}
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_deleting=0))
    found = fleet.step(Duration(0))
    assert len(of(found, Condemn)) == failures_in(found) == 3
    waiting = decide(fleet.world())
    assert failures_in(waiting) == 3
    assert of(waiting, Condemn) == of(waiting, Delete) == []


def test_failed_builds_are_counted_before_more_are_asked_for() -> None:
    """Else a zone without hosts is asked for servers without end, while the deletion of the failed ones waits."""
    fleet = Fleet(desired=desired({}, pool_size=4))
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_creating=3, max_deleting=1))
    fleet.step(Duration(0))
    for server in fleet.cloud:
        fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.ERROR)
    fleet.pool.clear()
    plan = decide(fleet.world())
    assert kinds(plan) == ["Condemn"] * 3
    assert failures_in(plan) == 3


def test_a_server_is_not_replaced_while_its_creation_is_in_flight() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    create = next(action for action in fleet.step(Duration(0)).actions if isinstance(action, Create))
    fleet.cloud.clear()
    fleet.pool.clear()
    fleet.now = after(fleet.now, MINUTE)
    world = fleet.world()
    assert phase(decide(world), create.server) == (Phase.LOST, "never-created")
    assert of(decide(world), Create) != []
    assert decide(replace(world, in_flight={create.server: create})).actions == ()


def test_the_limit_of_servers_is_kept_and_told() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 10}}, pool_size=2, max_servers=4))
    for _ in range(10):
        fleet.step()
        assert len(fleet.cloud) <= 4
    plan = decide(fleet.world())
    assert plan.counts[DNS][V1].serving == 4
    assert [hold.rule for hold in plan.holds] == ["max-servers"]
    assert not plan.is_converged


def test_no_more_deletions_go_on_at_one_time_than_allowed() -> None:
    fleet = settled({"dns": {"1": 6}}, pool_size=0)
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_deleting=2))
    for server in fleet.serving("dns", "1"):
        fleet.kill(server)
    world = fleet.world()
    first = [action for action in decide(world).actions if isinstance(action, Delete)]
    assert len(first) == 2
    under_way = {action.server: action for action in first}
    assert of(decide(replace(world, in_flight=under_way)), Delete) == []
    fleet.settle(span=MINUTE)


def test_in_flight_claims_and_creations_count() -> None:
    fleet = settled({"dns": {"1": 2}}, pool_size=1)
    fleet.kill(fleet.serving("dns", "1")[0])
    world = fleet.world()
    first = decide(world)
    in_flight = {action.server: action for action in first.actions}
    assert len(in_flight) == 3  # a claim, a creation, a deletion
    assert decide(replace(world, in_flight=in_flight)).actions == ()


def test_an_instance_that_drains_by_itself_is_no_capacity() -> None:
    fleet = settled({"dns": {"1": 2}})
    server = fleet.serving("dns", "1")[0]
    entry = fleet.registrations[DNS][server]
    fleet.registrations[DNS][server] = replace(entry, status=InstanceStatus.DRAINING)
    plan = decide(fleet.world())
    assert phase(plan, server) == (Phase.SUSPECT, "leaving")
    assert len(of(plan, Claim)) == 1


def test_closing_deletes_everything_and_starts_nothing() -> None:
    fleet = settled()
    plan = decide(replace(fleet.world(), is_closing=True))
    assert sorted(of(plan, Delete)) == sorted(fleet.cloud)
    assert kinds(plan) == ["Delete"] * len(fleet.cloud)


def test_closing_deletes_no_more_at_one_time_than_it_may() -> None:
    fleet = settled()
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_deleting=2))
    world = replace(fleet.world(), is_closing=True)
    first = {action.server: action for action in decide(world).actions}
    assert len(first) == 2
    assert decide(replace(world, in_flight=first)).actions == ()


def test_what_a_namesake_has_announced_says_nothing_of_ours() -> None:
    fleet = settled()
    warm, serving = sorted(fleet.pool)[0], fleet.serving("dns", "1")[0]
    fleet.pool[warm] = replace(fleet.pool[warm], nonce=Nonce("another"))
    entry = fleet.registrations[DNS][serving]
    fleet.registrations[DNS][serving] = replace(entry, nonce=Nonce("another"))
    plan = decide(fleet.world())
    assert plan.verdicts[warm].phase is Phase.SUSPECT
    assert phase(plan, serving) == (Phase.SUSPECT, "missing")
    (claim,) = (action for action in plan.actions if isinstance(action, Claim))
    assert claim.server != warm


def test_the_slot_of_a_claim_under_way_is_taken() -> None:
    fleet = settled({"dns": {"1": 2}})
    fleet.desired = desired({"dns": {"1": 3}}, pool_size=2)
    (claim,) = (action for action in decide(fleet.world()).actions if isinstance(action, Claim))
    fleet.desired = desired({"dns": {"1": 4}}, pool_size=2)
    plan = decide(replace(fleet.world(), in_flight={claim.server: claim}))
    assert [action.slot for action in plan.actions if isinstance(action, Claim)] == [claim.slot + 1]


def test_what_is_under_way_with_a_server_that_nobody_knows_any_more_counts_nowhere() -> None:
    fleet = settled()
    gone = ServerId("small-0999")
    deletion = Delete(server=gone, reason=Reason(cause=Cause.SCALE_IN, words="drained"))
    fleet.ledger = replace(fleet.ledger, next_serial=1000)
    plan = decide(replace(fleet.world(), in_flight={gone: deletion}))
    assert (plan.actions, sum(plan.phases.values()), gone in plan.verdicts) == ((), len(fleet.cloud), False)


def test_a_server_without_record_registration_or_pool_entry_is_adopted_as_it_is() -> None:
    fleet = settled()
    server = sorted(fleet.pool)[0]
    fleet.unregister(server)
    del fleet.records[server]
    plan = decide(fleet.world())
    assert phase(plan, server) == (Phase.AMBIGUOUS, "no-record")
    assert of(plan, Adopt) == [server]


def test_a_warm_server_that_was_told_to_leave_is_deleted() -> None:
    """No plan of ours drains one: such a record is what a registry that was rolled back in parts may leave."""
    fleet = settled()
    server = sorted(fleet.pool)[0]
    fleet.records[server] = replace(fleet.records[server], drain_at=fleet.now, leave_cause=Cause.SCALE_IN.value)
    plan = decide(fleet.world())
    assert plan.verdicts[server].phase is Phase.DRAINING
    assert of(plan, Delete) == [server]


def test_a_failure_is_not_counted_again_while_it_is_being_counted() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    fleet.step()
    (server,) = fleet.cloud
    fleet.pool.clear()
    fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.ERROR)
    plan = decide(fleet.world())
    (condemned,) = (action for action in plan.actions if isinstance(action, Condemn))
    again = decide(replace(fleet.world(), in_flight={server: condemned}))
    assert (failures_in(plan), failures_in(again), of(again, Condemn)) == (1, 0, [])


@pytest.mark.parametrize("change", ["earlier", "believed-later", "created", "recovered"])
def test_a_decider_that_has_seen_something_else_decides_as_one_that_has_not(change: str) -> None:
    fleet, decider = settled(), Decider()
    first, second = fleet.serving("dns", "1")[:2]
    fleet.unregister(first)
    world = fleet.world()
    match change:
        case "earlier":
            worlds = [world, replace(world, now=Instant(world.now - MINUTE))]
        case "believed-later":
            assert world.registry is not None
            view = replace(world.registry.value, removals_believed_at=after(world.now, MINUTE))
            worlds = [world, replace(world, registry=replace(world.registry, value=view))]
        case "created":
            creation = Create(server=ServerId("small-0099"), pool=SMALL, az=ZONES[0], reason=REASON)
            worlds = [replace(world, in_flight={creation.server: creation}), world]
        case _:
            entry = fleet.registrations[DNS][second]
            fleet.kill(second)
            lost = fleet.world()
            fleet.registrations[DNS][second] = entry
            worlds = [lost, fleet.world()]
    for each in worlds:
        assert decider.decide(each) == decide(each)


@pytest.mark.parametrize("blind", ["desired", "registry"])
def test_blind_worlds_plan_nothing_and_say_so(blind: str) -> None:
    world = settled().world()
    hidden = replace(world, desired=None) if blind == "desired" else replace(world, registry=None)
    plan = decide(hidden)
    assert plan.actions == ()
    assert [hold.rule for hold in plan.holds] == ["blind"]
    assert not plan.is_converged


def test_without_a_list_of_servers_roles_are_still_given() -> None:
    fleet = settled({"dns": {"1": 2}})
    fleet.unregister(fleet.serving("dns", "1")[0])
    fleet.now = after(fleet.now, MINUTE)
    world: World = replace(fleet.world(), cloud=None)
    assert kinds(decide(world)) == ["Claim"]


def test_instances_spread_over_the_zones() -> None:
    fleet = settled({"dns": {"1": 6}}, pool_size=3)
    zones = [record.az for record in fleet.records.values() if record.service == DNS]
    assert {zone: zones.count(zone) for zone in zones} == {AvailabilityZone(f"az{n}"): 2 for n in (1, 2, 3)}


def test_a_stale_observation_of_the_registry_stops_everything() -> None:
    fleet = settled()
    fleet.kill(fleet.serving("dns", "1")[0])
    world = fleet.world()
    assert world.registry is not None
    stale = replace(world.registry, observed_at=Instant(fleet.now - MINUTE))
    plan = decide(replace(world, registry=stale))
    assert plan.actions == ()
    assert [hold.rule for hold in plan.holds] == ["registry-stale"]

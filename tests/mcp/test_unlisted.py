"""Servers that the cloud's list leaves out, or calls dead: what that changes for those that are being taken away."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.enact import registered
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import HOUR, SECOND, Duration, after
from hfs_appliance.model.ledger import Token
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Claim, Create, Delete, Drain, Phase
from sim.worlds import Fleet, desired


def settled(count: int) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": count}}))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def test_a_drain_costs_a_token_though_the_list_leaves_its_server_out() -> None:
    fleet = settled(4)
    fleet.desired = desired({"dns": {"1": 1}})
    for server in fleet.serving("dns", "1"):
        del fleet.cloud[server]
    plan = decide(fleet.world())
    drained = {action.server for action in plan.actions if isinstance(action, Drain)}
    assert drained
    assert drained == plan.tokens.keys()


def test_what_no_source_knows_costs_no_token_and_goes_only_if_the_cloud_does_not_know_its_id() -> None:
    fleet = settled(4)
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    fleet.cloud.pop(victim, None)
    plan = decide(fleet.world())
    (deletion,) = (action for action in plan.actions if isinstance(action, Delete))
    assert (deletion.server, deletion.is_unlisted) == (victim, True)
    assert victim not in plan.tokens


def test_an_instance_that_dies_while_it_drains_is_not_drained_again() -> None:
    fleet = settled(2)
    fleet.desired = desired({})
    registered = dict(fleet.registrations[ServiceName("dns")])
    plan = fleet.step(Duration(0))
    victim = next(action.server for action in plan.actions if isinstance(action, Drain))
    fleet.registrations[ServiceName("dns")] = registered
    fleet.cloud[victim] = replace(fleet.cloud[victim], status=CloudStatus.STOPPED)
    plan = decide(fleet.world())
    assert plan.verdicts[victim].phase is Phase.DRAINING
    assert victim not in {action.server for action in plan.actions}


def test_a_warm_server_that_the_list_leaves_out_is_not_claimed() -> None:
    fleet = settled(2)
    fleet.desired = desired({"dns": {"1": 3}})
    hidden, *_ = sorted(fleet.pool)
    del fleet.cloud[hidden]
    claims = {action.server for action in decide(fleet.world()).actions if isinstance(action, Claim)}
    assert claims
    assert hidden not in claims


def test_one_that_ran_and_is_gone_is_asked_for_again_when_there_is_room_beside_what_is_made() -> None:
    fleet = Fleet(desired=one_at_a_time(desired({}, pool_size=3)))
    while len(fleet.cloud) < 2:
        fleet.step()
    gone, made = sorted(fleet.cloud)
    fleet.pool.clear()
    fleet.cloud[made] = replace(fleet.cloud[made], status=CloudStatus.BUILDING)
    del fleet.cloud[gone]
    fleet.records[gone] = replace(fleet.records[gone], built_at=None)
    fleet.now = after(fleet.now, Duration(10 * SECOND))
    assert creations(fleet) == []
    fleet.cloud[made] = replace(fleet.cloud[made], status=CloudStatus.ACTIVE)
    assert creations(fleet) == [gone]


def test_a_server_that_the_cloud_deletes_counts_for_nothing() -> None:
    """A deletion of ours may show in the cloud before its record shows in the registry."""
    fleet = settled(4)
    victim = fleet.serving("dns", "1")[0]
    fleet.kill(victim)
    fleet.cloud[victim] = replace(fleet.cloud[victim], status=CloudStatus.DELETING)
    assert decide(fleet.world()).verdicts[victim].phase is Phase.LOST


def retried(fleet: Fleet) -> list[ServerId]:
    return [action.server for action in decide(fleet.world()).actions if isinstance(action, Delete)]


def test_deletions_are_asked_for_again_no_more_at_one_time_than_go_on_at_one_time_and_for_tokens() -> None:
    fleet = settled(4)
    fleet.desired = one_at_a_time(fleet.desired)
    decided_at = fleet.now
    stuck = fleet.serving("dns", "1")[:2]
    for server in stuck:
        fleet.unregister(server)
        fleet.records[server] = replace(fleet.records[server], delete_at=decided_at, leave_cause="remediation")
    fleet.now = after(fleet.now, HOUR)
    assert retried(fleet) == stuck[:1]
    plan = decide(fleet.world())
    assert {server: token.at for server, token in plan.tokens.items()} == {stuck[0]: fleet.now}
    spent = {
        ServerId(f"small-{n:04}"): Token(at=fleet.now, scope="pool/small", cause="remediation") for n in range(90, 93)
    }
    fleet.ledger = replace(fleet.ledger, tokens=spent)
    assert retried(fleet) == []
    fleet.ledger = replace(
        fleet.ledger, tokens={stuck[1]: Token(at=decided_at, scope="service/dns", cause="remediation")}
    )
    del fleet.records[stuck[0]], fleet.cloud[stuck[0]]
    assert retried(fleet) == stuck[1:]
    assert decide(fleet.world()).tokens[stuck[1]].at == fleet.now


def one_at_a_time(wanted: DesiredState) -> DesiredState:
    return replace(wanted, limits=replace(wanted.limits, max_creating=1, max_deleting=1))


def creations(fleet: Fleet) -> list[ServerId]:
    return [action.server for action in decide(fleet.world()).actions if isinstance(action, Create)]


def test_a_rollout_goes_from_all_that_serve_recorded_or_not() -> None:
    """Else it would keep fewer of the former version than have the requests, once the others are adopted."""
    fleet = settled(2)
    del fleet.records[fleet.serving("dns", "1")[0]]
    fleet.desired = desired({"dns": {"2": 2}})
    (move,) = decide(fleet.world()).moves
    assert move.rollout is not None
    assert move.rollout.before == {"1": 2}


def test_of_two_in_one_slot_one_leaves_when_one_was_lost_and_is_back() -> None:
    fleet = settled(2)
    lost, stays = fleet.serving("dns", "1")
    spare = sorted(fleet.pool)[0]
    fleet.pool.pop(spare)
    twin = replace(fleet.records[lost], server=spare, nonce=fleet.records[spare].nonce)
    fleet.records[spare] = twin
    fleet.registrations[ServiceName("dns")][spare] = registered(twin, fleet.cloud[spare].address, 8000)
    (drained,) = (action.server for action in decide(fleet.world()).actions if isinstance(action, Drain))
    assert drained == spare, f"not {stays}, though it has the highest slot"


def test_a_drain_costs_a_token_though_no_source_shows_the_instance() -> None:
    fleet = settled(4)
    fleet.desired = desired({"dns": {"1": 2}})
    starting = fleet.serving("dns", "1")[-1]
    fleet.unregister(starting)
    fleet.departed.pop(starting)
    begun = replace(fleet.records[starting], created_at=fleet.now, assigned_at=fleet.now)
    fleet.records[starting] = replace(begun, ready_at=None)
    del fleet.cloud[starting]
    plan = decide(fleet.world())
    assert starting in {action.server for action in plan.actions if isinstance(action, Drain)} & plan.tokens.keys()

"""The storm guard: many lost at once are not believed, a dead zone is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.losses import LossKind, Plight
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.mcp.storm import Weather, follow, wholly_dead
from hfs_appliance.mcp.tally import PoolTally, Tally
from hfs_appliance.model import guard
from hfs_appliance.model.guard import ServiceGuard, ServiceStorm
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, after
from hfs_appliance.model.ledger import Storm
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.orders import Approval, Orders
from hfs_appliance.model.plan import Cause, Claim, Create, Delete, Drain, Hold, Plan
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.model.rollout import Rollout, RolloutPhase
from hfs_appliance.model.shares import percent
from sim.worlds import EPOCH, SMALL, ZONES, Fleet, desired

DNS = ServiceName("dns")
LONG = Duration(6 * MINUTE)
GRACE = Duration(9 * SECOND)


def settled(instances: int = 30, *, others: int = 60) -> Fleet:
    fleet = Fleet(desired=desired({"dns": {"1": instances}, "domains": {"1": others}}, pool_size=3))
    fleet.settle()
    fleet.now = after(fleet.now, HOUR)
    return fleet


def silence(fleet: Fleet, servers: Iterable[ServerId], *, for_how_long: Duration = LONG) -> None:
    """Have servers lose their registrations, and answer nothing when they are asked."""
    chosen = list(servers)
    for server in chosen:
        fleet.unregister(server)
    fleet.now = after(fleet.now, for_how_long)
    dark = Answer(pulse=Pulse.DARK, words="no answer")
    fleet.probes = {server: Probe(answer=dark, at=fleet.now, failures=9, darks=9) for server in chosen}


def destroyed(plan: Plan) -> list[ServerId]:
    return sorted(action.server for action in plan.actions if isinstance(action, Delete | Drain))


def storms(plan: Plan) -> list[Hold]:
    return [hold for hold in plan.holds if hold.rule == "storm"]


def in_zones(fleet: Fleet, servers: list[ServerId], *zones: int) -> list[ServerId]:
    return [server for server in servers if fleet.records[server].az in {ZONES[zone] for zone in zones}]


def test_few_that_are_lost_are_believed() -> None:
    fleet = settled()
    victims = fleet.serving("dns", "1")[:2]
    silence(fleet, victims)
    plan = decide(fleet.world())
    assert (destroyed(plan), storms(plan)) == (victims, [])


def test_a_share_of_a_service_is_not_believed_and_replaced_all_the_same() -> None:
    fleet = settled()
    silence(fleet, fleet.serving("dns", "1")[:12])
    plan = decide(fleet.world())
    assert destroyed(plan) == []
    (hold,) = storms(plan)
    assert (hold.scope, hold.amount) == ("service/dns", 12)
    assert "12 of 30 are lost (40%; 4 in az1, 4 in az2, 4 in az3)" in hold.words
    assert "12 do not answer" in hold.words
    assert "12 that should go are kept" in hold.words
    new = sum(isinstance(action, Claim | Create) for action in plan.actions)
    assert new == 3 + 12, "three from the pool, the others and the pool built anew"


def test_a_release_that_has_crashed_is_taken_away_once_another_one_serves_in_its_place() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"1": 30, "2": 20}, "domains": {"1": 60}}, pool_size=3)
    fleet.rollouts[DNS] = Rollout(
        service=DNS,
        phase=RolloutPhase.DONE,
        target={Version("1"): 30, Version("2"): 20},
        since=fleet.now,
    )
    fleet.settle()
    crashed = fleet.serving("dns", "2")
    silence(fleet, crashed)
    assert destroyed(decide(fleet.world())) == [], "it is wanted: perhaps it is only not seen"
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 60}}, pool_size=3)
    fleet.rollouts[DNS] = replace(fleet.rollouts[DNS], target={Version("1"): 30})
    plan = decide(fleet.world())
    assert storms(plan) == []
    assert destroyed(plan)
    assert set(destroyed(plan)) <= set(crashed)
    fleet.unregister(fleet.serving("dns", "1")[0])
    assert destroyed(decide(fleet.world())) == [], "not all that is wanted is seen to serve"


def test_a_crashed_release_hides_no_storm_of_the_version_that_is_wanted() -> None:
    fleet = settled(10, others=1)
    fleet.desired = desired({"dns": {"1": 10, "2": 10}, "domains": {"1": 1}}, pool_size=3)
    target = {Version("1"): 10, Version("2"): 10}
    fleet.rollouts[DNS] = Rollout(service=DNS, phase=RolloutPhase.DONE, target=target, since=fleet.now)
    fleet.settle()
    silence(fleet, [*fleet.serving("dns", "2"), *fleet.serving("dns", "1")[:4]])
    fleet.desired = desired({"dns": {"1": 6}, "domains": {"1": 1}}, pool_size=3)
    fleet.rollouts[DNS] = replace(fleet.rollouts[DNS], target={Version("1"): 6})
    (hold,) = storms(decide(fleet.world()))
    assert "4 of 10 are lost" in hold.words, "of the ten others nobody speaks"


def test_a_storm_of_one_service_lets_the_others_shrink() -> None:
    fleet = settled()
    silence(fleet, fleet.serving("dns", "1")[:12])
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 59}}, pool_size=3)
    assert [fleet.records[server].service for server in destroyed(decide(fleet.world()))] == ["domains"]


def test_a_share_of_the_fleet_stops_all_destruction_but_what_the_cloud_calls_dead() -> None:
    fleet = settled()
    lost = [*fleet.serving("dns", "1")[:8], *fleet.serving("domains", "1")[:22]]
    silence(fleet, lost[1:])
    fleet.kill(lost[0])
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 10}}, pool_size=0)
    plan = decide(fleet.world())
    assert destroyed(plan) == [lost[0]]
    assert "environment" in {hold.scope for hold in storms(plan)}


def test_what_the_cloud_calls_dead_is_no_storm() -> None:
    fleet = settled()
    for server in fleet.serving("dns", "1")[:12]:
        fleet.kill(server)
    plan = decide(fleet.world())
    assert len(destroyed(plan)) == 3, "one of the service's budget after the other"
    assert storms(plan) == []


def test_a_service_may_be_more_careful() -> None:
    fleet = settled()
    silence(fleet, fleet.serving("dns", "1")[:4])
    assert storms(decide(fleet.world())) == []
    strict = replace(fleet.desired.services[DNS], guard=ServiceGuard(storm=ServiceStorm(percent=percent(10))))
    fleet.desired = replace(fleet.desired, services={**fleet.desired.services, DNS: strict})
    assert [hold.scope for hold in storms(decide(fleet.world()))] == ["service/dns"]


def come_back(fleet: Fleet, *, left: list[ServerId]) -> None:
    """Have all servers register again but those that are left, which were lost long ago."""
    fleet.departed.clear()
    fleet._live()
    for server in left:
        fleet.unregister(server)
        fleet.departed[server] = after(fleet.now, Duration(-HOUR))
    fleet.probes = {server: probe for server, probe in fleet.probes.items() if server in left}


LIMIT = guard.Storm(percent=percent(30), min=3)
BEGAN = after(EPOCH, HOUR)
NOW = after(BEGAN, HOUR)
RAGING = Storm(since=BEGAN)
CALM = Storm(since=BEGAN, calm_since=after(NOW, Duration(1 - GRACE)))


@pytest.mark.parametrize(
    ("before", "lost", "servers", "storm"),
    [
        pytest.param(None, 3, 9, Storm(since=NOW), id="begins above the share"),
        pytest.param(None, 3, 10, None, id="not at it"),
        pytest.param(None, 2, 3, None, id="nor with few"),
        pytest.param(RAGING, 4, 10, RAGING, id="goes on"),
        pytest.param(CALM, 4, 10, RAGING, id="begins again, and is as old as before"),
        pytest.param(RAGING, 3, 19, RAGING, id="goes on above half of the share"),
        pytest.param(CALM, 3, 19, RAGING, id="or begins again there"),
        pytest.param(RAGING, 3, 20, replace(RAGING, calm_since=NOW), id="is calm at half of it"),
        pytest.param(RAGING, 2, 3, replace(RAGING, calm_since=NOW), id="or with few"),
        pytest.param(CALM, 3, 20, CALM, id="ends no earlier than a grace later"),
        pytest.param(replace(CALM, calm_since=after(NOW, Duration(-GRACE))), 3, 20, None, id="but then"),
    ],
)
def test_a_storm_rages_above_its_share_and_ends_a_grace_after_half_of_it(
    before: Storm | None, lost: int, servers: int, storm: Storm | None
) -> None:
    assert follow(before, lost, servers, LIMIT, NOW, GRACE) == storm


def test_a_storm_is_told_while_it_rages_or_keeps_anything() -> None:
    storms = {"environment": RAGING}
    raging = Weather(
        storms=storms, dead_zones=frozenset(), evidence={"environment": "40 are lost"}, amounts={"environment": 40}
    )
    assert [(hold.words, hold.amount) for hold in raging.holds()] == [("40 are lost", 40)]
    over = Weather(storms=storms, dead_zones=frozenset())
    assert list(over.holds()) == []
    assert over.forbids(Plight("service/dns", ZONES[0], "unrecovered", Cause.REMEDIATION))
    words = "the storm is over since a moment; 1 that should go are kept meanwhile"
    assert [(hold.words, hold.amount) for hold in over.holds()] == [(words, 0)]


def test_of_storms_that_end_the_first_one_is_waited_for() -> None:
    fleet = settled()
    began = {
        name: Storm(since=BEGAN, calm_since=after(fleet.now, Duration(-age * SECOND)))
        for name, age in (("dns", 5), ("domains", 2))
    }
    fleet.ledger = replace(fleet.ledger, storms={f"service/{name}": storm for name, storm in began.items()})
    plan = decide(fleet.world())
    assert plan.storms == fleet.ledger.storms
    assert plan.requeue_at == after(fleet.now, Duration(GRACE - 5 * SECOND))


def test_warm_servers_alone_make_a_storm() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}, pool_size=20))
    fleet.settle()
    silence(fleet, sorted(fleet.pool)[:12], for_how_long=HOUR)
    assert [hold.scope for hold in storms(decide(fleet.world()))] == ["environment"]


def test_what_an_operator_believes_of_a_service_is_no_storm_of_the_others() -> None:
    fleet = settled()
    silence(fleet, [*fleet.serving("dns", "1")[:12], *fleet.serving("domains", "1")[:17]])
    assert {hold.scope for hold in storms(decide(fleet.world()))} == {"environment", "service/dns"}
    believed = replace(fleet.world(), orders=Orders(approvals={"service/dns": (approval(fleet),)}))
    assert storms(decide(believed)) == []


def test_a_storm_ends_below_half_of_its_share_and_a_grace_later_whoever_leads_then() -> None:
    fleet = settled()
    victims = fleet.serving("dns", "1")[:12]
    silence(fleet, victims)
    fleet.ledger = ledger_after(fleet.ledger, decide(fleet.world()))
    come_back(fleet, left=victims[6:])
    raging = decide(fleet.world())
    assert storms(raging), "20% is less than 30, and more than 15: the storm goes on"
    assert destroyed(raging) == []
    come_back(fleet, left=victims[9:])
    calm = decide(fleet.world())
    assert destroyed(calm) == []
    assert "over since a moment" in storms(calm)[0].words
    fleet.ledger = ledger_after(fleet.ledger, calm)
    assert calm.requeue_at == after(fleet.now, GRACE)
    fleet.now = calm.requeue_at
    over = decide(fleet.world())
    assert destroyed(over) == sorted(victims[9:])
    assert over.storms == {}


def test_a_dead_zone_is_believed_avoided_and_remembered() -> None:
    fleet = settled()
    everyone = sorted(fleet.records)
    dead = in_zones(fleet, everyone, 0)
    silence(fleet, dead)
    first = decide(fleet.world())
    later = replace(fleet.world(), now=after(fleet.now, SECOND), ledger=ledger_after(fleet.ledger, first))
    assert decide(later).launch_setbacks == first.launch_setbacks, "what is open is not opened again"
    plan = fleet.step(Duration(0))
    assert storms(plan) == []
    assert set(destroyed(plan)) <= set(dead)
    assert destroyed(plan)
    assert ZONES[0] not in {action.az for action in plan.actions if isinstance(action, Create)}
    assert {az for _, az in plan.launch_setbacks} == {ZONES[0]}
    # With the servers of the zone forgotten nothing tells of it any more: it is tried by one server at a time.
    for server in dead:
        fleet.records.pop(server, None)
        fleet.cloud.pop(server, None)
        fleet.departed.pop(server, None)
    fleet.now = after(fleet.now, Duration(HOUR))
    fleet.desired = desired({"dns": {"1": 30}, "domains": {"1": 60}}, pool_size=60)
    azs = [action.az for action in decide(fleet.world()).actions if isinstance(action, Create)]
    assert azs.count(ZONES[0]) <= 1


def test_a_zone_is_dead_when_ten_are_lost_for_each_that_is_well_there() -> None:
    fleet = settled(30, others=0)
    zone = in_zones(fleet, sorted(fleet.records), 0)
    victims = [server for server in zone if fleet.records[server].service == DNS]
    assert (len(victims), len(zone)) == (10, 11), "one of the zone is warm, and stays well"
    silence(fleet, victims)
    plan = decide(fleet.world())
    assert (storms(plan), set(destroyed(plan)) <= set(victims)) == ([], True)


@pytest.mark.parametrize(
    ("there", "coming", "silent", "suspect", "dead"),
    [
        pytest.param((1, 9, 9), 0, (10, 0, 0), 0, {0}, id="ten for one that is well"),
        pytest.param((2, 9, 9), 0, (19, 0, 0), 0, set(), id="not for two"),
        pytest.param((0, 9, 9), 0, (3, 0, 0), 0, {0}, id="nobody is well"),
        pytest.param((0, 9, 9), 0, (2, 0, 0), 0, set(), id="few are no sign of it"),
        pytest.param((11, 9, 9), 0, (0, 0, 0), 10, {0}, id="suspects are not well"),
        pytest.param((5, 9, 9), 5, (10, 0, 0), 0, {0}, id="nor is what is being built"),
        pytest.param((0, 4, 3), 0, (9, 3, 0), 0, {0}, id="the others may have lost a share"),
        pytest.param((0, 4, 2), 0, (9, 3, 0), 0, set(), id="but no more"),
        pytest.param((0, 1, 1), 0, (9, 2, 0), 0, {0}, id="or a few"),
        pytest.param((0, 0, 9), 0, (9, 9, 0), 0, {0, 1}, id="two may be dead"),
        pytest.param((0, 0, 0), 0, (9, 9, 9), 0, set(), id="all are never believed to be"),
    ],
)
def test_a_zone_is_dead_when_nearly_all_of_it_is_lost_and_the_others_are_well(
    there: tuple[int, ...], coming: int, silent: tuple[int, ...], suspect: int, dead: set[int]
) -> None:
    tally, pool = Tally(), PoolTally()
    pool.zones.update(dict(zip(ZONES, there, strict=True)))
    pool.coming[ZONES[0]] = coming
    tally.pools[SMALL] = pool
    tally.lost_in.update({(az, LossKind.SILENT): count for az, count in zip(ZONES, silent, strict=True)})
    tally.lost_in[ZONES[0], LossKind.SUSPECT] = suspect
    tally.losses[DNS] = Counter()
    assert wholly_dead(tally, desired({})) == {ZONES[number] for number in dead}


def test_of_a_dead_zone_goes_what_is_silent_and_nothing_else() -> None:
    weather = Weather(storms={"environment": Storm(since=EPOCH)}, dead_zones=frozenset({ZONES[0]}))
    silent = Plight("service/dns", ZONES[0], "unrecovered", Cause.REMEDIATION)
    assert not weather.forbids(silent)
    assert not weather.withheld
    assert weather.forbids(silent._replace(rule="never-ready"))
    assert weather.forbids(silent._replace(az=ZONES[1]))
    assert weather.withheld == {"environment": 2}


@pytest.mark.parametrize("zones", [(0, 1), (0, 1, 2)])
def test_several_dead_zones_are_not_believed(zones: tuple[int, ...]) -> None:
    fleet = settled()
    everyone = sorted(fleet.records)
    silence(
        fleet,
        in_zones(fleet, everyone, *zones) if zones == (0, 1, 2) else in_zones(fleet, everyone, 0) + everyone[1::2],
    )
    plan = decide(fleet.world())
    assert destroyed(plan) == []
    assert {hold.scope for hold in storms(plan)} >= {"environment"}


def test_what_does_not_come_up_in_a_dead_zone_says_nothing_of_its_version() -> None:
    fleet = settled()
    fleet.desired = desired({"dns": {"1": 31}, "domains": {"1": 60}}, pool_size=3)
    (claim,) = [action for action in fleet.step(Duration(0)).actions if isinstance(action, Claim)]
    zone = ZONES.index(fleet.records[claim.server].az)
    silence(fleet, in_zones(fleet, sorted(fleet.records), zone))
    plan = decide(fleet.world())
    assert plan.version_setbacks == {}


def test_an_emptied_zone_of_a_stopped_cloud_is_dead_too() -> None:
    fleet = settled()
    for server in in_zones(fleet, sorted(fleet.records), 0):
        fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.STOPPED)
        fleet.unregister(server)
    plan = decide(fleet.world())
    assert ZONES[0] not in {action.az for action in plan.actions if isinstance(action, Create)}
    assert storms(plan) == []


def test_a_storm_elsewhere_keeps_nothing_of_a_dead_zone_but_what_is_too_many() -> None:
    fleet = settled()
    dead = in_zones(fleet, sorted(fleet.records), 0)
    silence(fleet, dead)
    raging = {scope: Storm(since=fleet.now) for scope in ("service/dns", "service/domains")}
    fleet.ledger = replace(fleet.ledger, storms=raging)
    fleet.desired = desired({"dns": {"1": 10}, "domains": {"1": 60}}, pool_size=3)
    plan = decide(fleet.world())
    assert set(destroyed(plan)) <= set(dead)
    assert destroyed(plan)
    assert plan.storms.keys() == raging.keys(), "a grace has begun"


def added(plan: Plan) -> int:
    return sum(isinstance(action, Claim | Create) for action in plan.actions)


def test_in_a_storm_over_all_only_as_many_are_replaced_as_could_leave_again_in_one_window() -> None:
    fleet = settled()
    everyone = [*fleet.serving("dns", "1"), *fleet.serving("domains", "1")]
    for server in everyone:
        fleet.unregister(server)
    fleet.now = after(fleet.now, MINUTE)
    plan = decide(fleet.world())
    assert added(plan) == 9 == fleet.desired.guard.destroy_budget.tokens(93), "3 from the pool, which is not filled"
    for _ in range(5):
        fleet.step(Duration(0))
        for server in everyone:
            fleet.unregister(server)
            fleet.departed[server] = after(fleet.now, Duration(-MINUTE))
    again = decide(fleet.world())
    assert added(again) == 0
    believed = replace(fleet.world(), orders=Orders(approvals={"environment": (approval(fleet),)}))
    assert added(decide(believed)) > 80


def approval(fleet: Fleet) -> Approval:
    return Approval(rule="storm", author="eva", at=fleet.now)


def test_what_is_wanted_beside_what_is_lost_is_added_in_a_storm_over_all() -> None:
    fleet = settled()
    for server in [*fleet.serving("dns", "1"), *fleet.serving("domains", "1")]:
        fleet.unregister(server)
    fleet.now = after(fleet.now, MINUTE)
    fleet.desired = desired({"dns": {"1": 50}, "domains": {"1": 60}}, pool_size=3)
    assert added(decide(fleet.world())) == 20 + 9


def test_what_is_lost_and_kept_keeps_its_slot_for_the_case_that_it_comes_back() -> None:
    fleet = settled()
    victims = fleet.serving("dns", "1")[:12]
    silence(fleet, victims)
    slots = {record.slot for record in fleet.records.values() if record.service == DNS}
    claims = [action for action in decide(fleet.world()).actions if isinstance(action, Claim)]
    assert claims
    assert not slots & {claim.slot for claim in claims}


def test_a_service_that_is_desired_no_more_has_storms_by_the_limits_of_all() -> None:
    fleet = settled()
    silence(fleet, fleet.serving("dns", "1")[:12])
    fleet.desired = desired({"domains": {"1": 60}}, pool_size=3)
    assert [hold.scope for hold in storms(decide(fleet.world()))] == ["service/dns"]

"""Forecasts: the whole course, server by server, with its peak, its budget and its guards."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.forecast import forecast
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.forecast import Forecast, Outcome, Paces, Stage
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import SECOND, Duration, after, seconds, to_seconds
from hfs_appliance.model.load import LoadView
from hfs_appliance.model.observed import CloudStatus, Observation
from hfs_appliance.model.orders import Orders, Restraint
from hfs_appliance.model.plan import Adopt, Cause, Delete, Reason
from hfs_appliance.model.rollout import Order, RolloutPhase, RolloutSettings, Strategy
from sim.worlds import SMALL, Fleet, desired

DNS = ServiceName("dns")
PACES = Paces(
    usual={
        (Stage.BOOT, SMALL): seconds(20),
        (Stage.BUILD, SMALL): seconds(60),
        (Stage.START, "dns"): seconds(10),
        (Stage.DRAIN, "dns"): seconds(5),
        (Stage.DELETE, SMALL): seconds(8),
    }
)


def settled(counts: dict[str, int], *, pool_size: int = 2, max_servers: int = 1_000) -> Fleet:
    fleet = Fleet(desired=desired({"dns": counts}, pool_size=pool_size, max_servers=max_servers))
    fleet.settle()
    return fleet


def told(found: Forecast) -> list[tuple[float, str, str]]:
    """Give when what is done with whom, bookkeeping left out."""
    return [
        (to_seconds(step.after), step.verb, step.server) for step in found.steps if step.cause is not Cause.BOOKKEEPING
    ]


def test_an_environment_from_nothing() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=1))
    found = forecast(fleet.world(), PACES)
    assert told(found) == [
        (0, "create", "small-0001"),
        (0, "create", "small-0002"),
        (0, "create", "small-0003"),
        (60, "claim", "small-0001"),
        (60, "claim", "small-0002"),
    ]
    assert (found.outcome, found.lasts, found.unmeasured) == (Outcome.QUIET, seconds(70), ())
    assert (found.servers_now, found.servers_peak, found.creating_peak) == (0, 3, 3)
    assert (found.met, found.spending) == ((), ())


def test_a_new_environment_gets_its_anchor_first() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0), anchor=None)
    found = forecast(fleet.world(), PACES)
    assert [step[1] for step in told(found)] == ["create", "claim"]
    assert found.outcome is Outcome.QUIET


def test_only_so_many_are_in_creation_at_a_time() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 4}}, pool_size=0))
    fleet.desired = replace(fleet.desired, limits=replace(fleet.desired.limits, max_creating=2))
    found = forecast(fleet.world(), PACES)
    assert [step[0] for step in told(found) if step[1] == "create"] == [0, 0, 20, 20]
    assert (found.creating_peak, found.lasts) == (2, seconds(90))
    unknown = Paces(usual={key: pace for key, pace in PACES.usual.items() if key[0] is not Stage.BOOT})
    assert [step[0] for step in told(forecast(fleet.world(), unknown)) if step[1] == "create"] == [0, 0, 60, 60]


def test_an_upgrade_with_its_peak_its_budget_and_the_guard_that_trips() -> None:
    fleet = settled({"1": 5})
    wanted = desired({"dns": {"2": 5}})
    found = forecast(replace(fleet.world(), desired=wanted), PACES)
    verbs = Counter(step[1] for step in told(found))
    assert verbs == {"claim": 5, "create": 5, "drain": 5, "delete": 5}
    assert {step.cause for step in found.steps if step.verb == "claim"} == {Cause.MEET_DEMAND}
    drains = [step[0] for step in told(found) if step[1] == "drain"]
    assert drains == [370, 370, 370, 970, 970], "kept warm for five minutes, then three tokens in ten minutes"
    assert (found.servers_now, found.servers_peak) == (7, 12)
    assert [(each.scope, each.spent, each.most, each.allowed) for each in found.spending] == [
        ("environment", 5, 3, 3),
        ("service/dns", 5, 3, 3),
    ]
    (met,) = found.met
    assert (met.hold.rule, met.is_lasting) == ("destroy-budget", False)
    assert met.after == seconds(370)
    assert found.lasts == seconds(983)


def test_a_canary_is_foretold_as_if_its_gates_passed() -> None:
    fleet = settled({"1": 2})
    wanted = desired({"dns": {"2": 2}})
    dns = replace(wanted.services[DNS], rollout=RolloutSettings(strategy=Strategy.CANARY))
    found = forecast(replace(fleet.world(), desired=replace(wanted, services={DNS: dns})), PACES)
    assert [step[0] for step in told(found) if step[1] == "claim"] == [0, 0]
    # Ten seconds to start, two steps of five minutes, and five that the old version is kept warm.
    assert [step[0] for step in told(found) if step[1] == "drain"] == [910, 910]
    assert found.outcome is Outcome.QUIET


def test_an_upgrade_that_is_being_taken_back_is_foretold_to_its_end() -> None:
    fleet = settled({"1": 2})
    fleet.broken_versions = frozenset({Version("2")})
    fleet.desired = desired({"dns": {"2": 2}})
    for _ in range(4):
        fleet.step(SECOND)
    assert fleet.rollouts[DNS].phase is RolloutPhase.EXPAND
    fleet.rollouts[DNS] = replace(fleet.rollouts[DNS], order=Order.ABORT)
    found = forecast(fleet.world(), PACES)
    assert {step[1] for step in told(found)} >= {"drain", "delete"}
    assert found.outcome is Outcome.QUIET


def test_what_is_dead_is_replaced_and_what_is_broken_stays_so() -> None:
    fleet = settled({"1": 3})
    dead, hung = fleet.serving("dns", "1")[:2]
    fleet.kill(dead)
    fleet.unregister(hung)
    found = forecast(fleet.world(), PACES)
    assert (0, "delete", dead) in told(found)
    assert not [step for step in told(found) if step[2] == hung], "nobody says that it is dead"
    assert Counter(step[1] for step in told(found)) == {"delete": 1, "claim": 2, "create": 2}
    assert {step.cause for step in found.steps if step.verb == "claim"} == {Cause.REMEDIATION}
    assert found.outcome is Outcome.HELD


def test_a_limit_that_is_in_the_way_holds_to_the_end() -> None:
    fleet = settled({"1": 3}, max_servers=6)
    found = forecast(replace(fleet.world(), desired=desired({"dns": {"1": 9}}, max_servers=6)), PACES)
    assert found.outcome is Outcome.HELD
    assert [(met.hold.rule, met.is_lasting) for met in found.met] == [("max-servers", True)]
    assert found.servers_peak == 6


@pytest.mark.parametrize("what", ["cloud", "registry", "both"])
def test_nothing_is_foretold_of_what_is_not_seen(what: str) -> None:
    world = settled({"1": 3}).world()
    if what != "registry":
        world = replace(world, cloud=None)
    if what != "cloud":
        world = replace(world, registry=None)
    found = forecast(replace(world, desired=desired({"dns": {"2": 3}})), PACES)
    assert (found.steps, found.outcome) == ((), Outcome.HELD)
    assert [met.hold.rule for met in found.met] == ["cloud-stale" if what == "cloud" else "blind"]


def test_what_is_under_way_goes_on() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    world = fleet.world()
    plan = decide(world)
    (create,) = plan.actions
    ledger = ledger_after(world.ledger, plan)  # it is written before anything begins
    found = forecast(replace(world, in_flight={create.server: create}, ledger=ledger), PACES)
    assert [(step.verb, step.is_under_way) for step in found.steps[:1]] == [("create", True)]
    assert told(found) == [(0, "create", "small-0001"), (60, "claim", "small-0001")]


def test_what_the_cloud_does_not_list_yet_is_asked_for_again() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    (creation,) = fleet.step(seconds(6)).actions
    fleet.cloud.clear()
    fleet.pool.clear()
    found = forecast(fleet.world(), PACES)
    assert [(to_seconds(step.after), step.verb, step.server) for step in found.steps] == [
        (0, "create", creation.server),
        (54, "confirm-built", creation.server),
    ]


def test_a_creation_whose_server_is_listed_before_its_call_has_returned_makes_no_second_one() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    (creation,) = fleet.step(seconds(15)).actions
    fleet.pool.clear()
    found = forecast(replace(fleet.world(), in_flight={creation.server: creation}), PACES)
    assert [(to_seconds(step.after), step.verb) for step in found.steps] == [(0, "create"), (45, "confirm-built")]
    assert found.servers_peak == 1


@pytest.mark.parametrize("kind", [Adopt, Delete])
def test_what_is_under_way_with_a_server_that_is_gone_changes_nothing(kind: type[Adopt | Delete]) -> None:
    gone = ServerId("small-0099")
    fleet = settled({"1": 1})
    fleet.ledger = replace(fleet.ledger, next_serial=100)
    action = kind(server=gone, reason=Reason(cause=Cause.BOOKKEEPING, words="test"))
    found = forecast(replace(fleet.world(), in_flight={gone: action}), PACES)
    assert ([step.server for step in found.steps], found.outcome) == ([gone], Outcome.QUIET)


def test_a_warm_server_without_a_record_is_adopted_into_its_pool() -> None:
    fleet = settled({"1": 1}, pool_size=1)
    (server,) = fleet.pool
    del fleet.records[server]
    found = forecast(fleet.world(), PACES)
    assert next(step.verb for step in found.steps if step.server == server) == "adopt"
    assert found.outcome is Outcome.QUIET


def test_servers_on_their_way_arrive_when_they_should() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.step(seconds(15))
    (server,) = fleet.cloud
    fleet.pool.clear()
    fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.BUILDING)
    found = forecast(fleet.world(), PACES)
    assert (told(found), found.lasts) == ([(45, "claim", server)], seconds(55))
    fleet = settled({"1": 1}, pool_size=0)
    fleet.records[server] = replace(fleet.records[server], ready_at=None)
    fleet.registrations.clear()
    found = forecast(fleet.world(), PACES)
    assert (told(found), found.outcome) == ([], Outcome.QUIET)
    drained = settled({"1": 2}, pool_size=0)
    drained.desired = desired({"dns": {"1": 1}}, pool_size=0)
    world = drained.world()
    plan = decide(world)
    (drain,) = plan.actions
    found = forecast(replace(world, in_flight={drain.server: drain}), PACES)
    assert told(found) == [(0, "drain", drain.server), (5, "delete", drain.server)]
    record = replace(drained.records[drain.server], delete_at=drained.now)
    drained.records[drain.server] = record
    drained.cloud[drain.server] = replace(drained.cloud[drain.server], status=CloudStatus.DELETING)
    found = forecast(drained.world(), PACES)
    assert [(to_seconds(step.after), step.verb) for step in found.steps] == [(8, "forget")]


def test_a_server_that_is_still_being_built_comes_into_the_pool() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    fleet.step(seconds(15))
    fleet.pool.clear()
    found = forecast(fleet.world(), PACES)
    assert [(to_seconds(step.after), step.verb) for step in found.steps] == [(45, "confirm-built")]


def test_what_is_broken_is_condemned_and_goes_and_nothing_comes_of_it() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    fleet.step()
    (server,) = fleet.cloud
    fleet.pool.clear()
    fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.ERROR)
    found = forecast(fleet.world(), PACES)
    verbs = [step.verb for step in found.steps if step.server == server]
    assert verbs == ["condemn", "delete", "forget"]
    assert found.outcome is Outcome.QUIET


def test_what_leaves_over_its_build_never_comes_into_the_pool() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    world = fleet.world()
    plan = decide(world)
    (create,) = plan.actions
    ledger = ledger_after(world.ledger, plan)
    leaving = replace(world, ledger=ledger, in_flight={create.server: create}, is_closing=True)
    found = forecast(leaving, PACES)
    assert [(to_seconds(step.after), step.verb) for step in found.steps] == [
        (0, "create"),
        (0, "delete"),
        (8, "forget"),
    ]


def test_a_server_without_a_record_is_adopted_with_its_role() -> None:
    fleet = settled({"1": 2}, pool_size=0)
    (server, _) = fleet.serving("dns", "1")
    entry = fleet.registrations[DNS][server]
    fleet.registrations[DNS][server] = replace(entry, nonce=fleet.cloud[server].nonce)
    del fleet.records[server]
    found = forecast(fleet.world(), PACES)
    assert [(step.verb, step.server) for step in found.steps] == [("adopt", server)]
    assert found.outcome is Outcome.QUIET


def test_stages_that_were_never_measured_are_named() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    found = forecast(fleet.world(), Paces())
    assert found.unmeasured == ((Stage.BUILD, SMALL), (Stage.START, "dns"))
    assert found.outcome is Outcome.QUIET


@pytest.mark.parametrize("until_s", [None, 600])
def test_an_operators_word_holds_in_a_forecast_too(until_s: int | None) -> None:
    fleet = settled({"1": 3})
    until = after(fleet.now, seconds(until_s)) if until_s is not None else None
    restraint = Restraint(reason="look first", author="eva", at=fleet.now, until=until)
    world = replace(
        fleet.world(), desired=desired({"dns": {"1": 2}}), orders=Orders(restraints={"environment": restraint})
    )
    found = forecast(world, PACES)
    assert [step[0] for step in told(found)] == ([600, 605] if until_s is not None else [])
    assert found.outcome is (Outcome.QUIET if until_s is not None else Outcome.HELD)
    assert [met.is_lasting for met in found.met] == [until_s is None]


def test_only_what_follows_on_something_never_measured_has_no_time() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}, "web": {"1": 1}}, pool_size=0))
    found = forecast(fleet.world(), PACES)
    assert found.unmeasured == ((Stage.START, "web"),)
    assert [(step.verb, step.is_timed) for step in found.steps if step.verb in {"create", "claim"}] == [
        ("create", True),
        ("create", True),
        ("claim", True),
        ("claim", True),
    ]
    assert [step.is_timed for step in found.steps if step.verb == "confirm-ready"] == [False, False]


def test_what_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 50}}))
    found = forecast(fleet.world(), PACES, steps=60)
    assert found.outcome is Outcome.CUT
    assert len(found.steps) == 52
    looks = iter([False, True])
    found = forecast(fleet.world(), PACES, is_enough=lambda: next(looks))
    assert (found.outcome, len(found.steps)) == (Outcome.CUT, 52)
    monkeypatch.setattr("hfs_appliance.mcp.forecast.ROUNDS", 1)
    found = forecast(fleet.world(), PACES)
    assert (found.outcome, len(found.steps)) == (Outcome.CUT, 52)


def test_a_service_that_scales_itself_keeps_the_size_that_its_load_asks_for() -> None:
    fleet = settled({"1": 3})
    service = fleet.desired.services[DNS]
    scaling = replace(service, autoscale=Autoscale(min=2, max=9, rps_per_instance=10))
    fleet.desired = replace(fleet.desired, services={DNS: scaling})
    load = Observation(value=LoadView(services={}), observed_at=fleet.now, revision=1)
    found = forecast(replace(fleet.world(), load=load), PACES)
    assert (found.steps, found.outcome) == ((), Outcome.QUIET)


def test_tokens_that_were_spent_before_are_not_spent_again() -> None:
    fleet = settled({"1": 5}, pool_size=0)
    fleet.desired = desired({"dns": {"1": 4}}, pool_size=0)
    fleet.step()
    found = forecast(replace(fleet.world(), desired=desired({"dns": {"1": 3}}, pool_size=0)), PACES)
    assert [(each.scope, each.spent, each.most) for each in found.spending] == [
        ("environment", 1, 2),
        ("service/dns", 1, 2),
    ]


@given(
    before=st.dictionaries(st.sampled_from("123").map(str), st.integers(1, 3), max_size=2),
    wanted=st.dictionaries(st.sampled_from("123").map(str), st.integers(0, 4), max_size=3),
    pool_size=st.integers(0, 3),
)
@settings(max_examples=12, deadline=None)
def test_a_forecast_is_what_comes_of_it(before: dict[str, int], wanted: dict[str, int], pool_size: int) -> None:
    fleet = settled(before)
    fleet.desired = desired({"dns": {Version(name): count for name, count in wanted.items()}}, pool_size=pool_size)
    paces = Paces(usual=dict.fromkeys(PACES.usual, Duration(SECOND)))
    found = forecast(fleet.world(), paces)
    done = Counter[tuple[str, str]]()
    for _ in range(3_000):
        plan = fleet.step()
        done.update((action.verb, action.server) for action in plan.actions)
        if plan.is_converged:
            break
    assert Counter((step.verb, step.server) for step in found.steps) == done
    assert found.outcome is Outcome.QUIET

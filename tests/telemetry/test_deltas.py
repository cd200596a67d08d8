"""Deltas: whatever the model holds comes back as it was, and what has not changed is not told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any

import pytest

from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.ledger import Failure, Ledger, Setback
from hfs_appliance.model.load import LoadView, Measured, Sample, extended
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import Observation, RegistryView
from hfs_appliance.model.plan import Action, ConfirmReady, Delete, Plan, Reason
from hfs_appliance.model.plan import Cause as Why
from hfs_appliance.model.traffic import Match
from hfs_appliance.model.world import World
from hfs_appliance.telemetry.deltas import NOTHING, SAME, codec
from sim.worlds import EPOCH, ZONES, Fleet, desired

DNS, V1 = ServiceName("dns"), Version("1")


def through_json(kind: Any, old: Any, new: Any) -> Any:
    """Tell a value as a delta, as text, and give what a reader makes of it."""
    told = codec(kind).delta(old, new)
    return old if told is SAME else codec(kind).apply(old, json.loads(json.dumps(told)))


def kill(fleet: Fleet) -> None:
    fleet.kill(fleet.serving("dns", "1")[0])


def upgrade(fleet: Fleet) -> None:
    fleet.desired = desired({"dns": {"2": 3}})


def lose(fleet: Fleet) -> None:
    fleet.unregister(fleet.serving("dns", "1")[0])


def nothing(_: Fleet) -> None:
    return


@pytest.mark.parametrize("happens", [nothing, kill, upgrade, lose])
def test_worlds_and_plans_come_back_one_after_the_other(happens: Callable[[Fleet], None]) -> None:
    fleet, decider = Fleet(desired=desired({"dns": {"1": 3}, "web": {"1": 1}})), Decider()
    world: Any = NOTHING
    plan: Any = NOTHING
    for number in range(12):
        if number == 7:
            happens(fleet)
        shown = fleet.world()
        decided = decider.decide(shown)
        world, plan = through_json(World, world, shown), through_json(Plan, plan, decided)
        assert (world, plan) == (shown, decided)
        assert decider.decide(world) == decided
        fleet.step()


def test_what_has_not_changed_is_not_told() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}))
    fleet.settle()
    before = fleet.world()
    fleet.now = Instant(fleet.now + SECOND)
    told = codec(World).delta(before, fleet.world())
    seen = ["Observation", {"observed_at": fleet.now}]
    assert told == {"now": fleet.now, "cloud": seen, "registry": seen}
    assert codec(World).delta(before, before) is SAME
    assert codec(Action).delta(None, None) is SAME
    assert codec(Mapping[str, int]).delta(found := {"a": 1}, found) is SAME
    assert codec(World).delta(before, replace(before)) is SAME


def test_what_looks_alike_is_told_apart() -> None:
    reason = Reason(cause=Why.REMEDIATION, words="why")
    one: Action = Delete(server=ServerId("small-0001"), reason=reason)
    other: Action = ConfirmReady(server=ServerId("small-0001"), reason=reason)
    assert through_json(Action, one, other) == other
    assert type(through_json(Action, one, other)) is ConfirmReady
    assert codec(Action).delta(one, replace(one)) is SAME
    assert through_json(Action, one, replace(one, server=ServerId("x"))) == replace(one, server=ServerId("x"))


def test_what_comes_and_goes() -> None:
    empty = World(now=EPOCH, desired=None, cloud=None, registry=None)
    blind = replace(empty, registry=Observation(value=RegistryView(), observed_at=EPOCH, revision=0))
    for old, new in ((empty, blind), (blind, empty), (NOTHING, empty), (NOTHING, blind)):
        assert through_json(World, old, new) == new


def test_a_ledger_with_keys_of_two_names() -> None:
    setback = Setback(failures=2, not_before=EPOCH, words="exit 1")
    ledger = Ledger(version_setbacks={(DNS, V1): setback}, quota_setback=setback)
    assert through_json(Ledger, NOTHING, ledger) == ledger
    assert through_json(Ledger, ledger, Ledger()) == Ledger()
    later = replace(setback, failures=3)
    assert through_json(Ledger, ledger, replace(ledger, version_setbacks={(DNS, V1): later})).version_setbacks == {
        (DNS, V1): later
    }


def test_a_series_of_samples_is_told_by_the_new_one() -> None:
    def sample(number: int) -> Sample:
        measured = Measured(requests=number, busy_us=5, latencies={3: number, 7: 1})
        begin, end = Instant(EPOCH + number * SECOND), Instant(EPOCH + (number + 1) * SECOND)
        return Sample(begin=begin, end=end, versions={V1: measured})

    series: tuple[Sample, ...] = ()
    read: Any = NOTHING
    for number in range(150):
        series = extended(series, sample(number))
        view = LoadView(services={DNS: series})
        told = codec(LoadView).delta(read, view) if read is not NOTHING else None
        read = view if number % 2 else through_json(LoadView, read, view)
        assert read == view
        if number == 149:
            assert len(json.dumps(told)) < 1_000, "what was there before is not told again"
            assert through_json(LoadView, NOTHING, view) == view


def test_the_desired_state_comes_back_whole() -> None:
    wanted = desired({"dns": {"1": 3, "2": 1}})
    assert through_json(DesiredState, NOTHING, wanted) == wanted
    fewer = desired({"dns": {"1": 2}})
    assert through_json(DesiredState, wanted, fewer) == fewer
    world = World(now=EPOCH, desired=wanted, cloud=None, registry=None, failures=(failure(),), is_closing=True)
    assert through_json(World, NOTHING, world) == world


def test_a_set_of_names_is_told_in_order() -> None:
    before, after = frozenset({DNS}), frozenset({ServiceName("web"), DNS})
    assert codec(Set[ServiceName]).delta(before, after) == ["dns", "web"]
    assert through_json(Set[ServiceName], before, after) == after
    assert codec(Set[ServiceName]).delta(after, frozenset(after)) is SAME


def failure() -> Failure:
    return Failure(
        server=ServerId("small-0001"), pool=PoolName("small"), az=ZONES[0], words="quota", begun_at=EPOCH, until=None
    )


def test_only_what_the_model_has_is_told() -> None:
    assert codec(Match) is codec(Match)
    with pytest.raises(TypeError, match="nothing of type"):
        codec(float)
    with pytest.raises(KeyError):
        codec(Setback).apply(NOTHING, {"failures": 1})
    found: Mapping[str, int] = codec(Mapping[str, int]).apply(NOTHING, {"a": [1]})
    assert isinstance(found, Map)

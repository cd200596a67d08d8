"""Checkers of rollouts, each with a story that it must accuse and one, a step away, that it must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfs_appliance.model.ids import Version
from sim.checkers.rollouts import AcknowledgedSplit, OneRollout, RequestsWhereServed, RightVerdict
from sim.entries import Author, ProxyGone, ProxyTold, RolloutGone, RolloutWritten, TrafficGone, TrafficWritten
from sim.truth import (
    ApiCalled,
    ControlPlaneStarted,
    RegistryReached,
    RegistryReplaced,
    Settled,
    VersionOffered,
    VersionTakenBack,
)
from tests.sim.checkers.stage import DNS, V1, Stage, registered, role

V2 = Version("2.0.0")
THREE = ("small-1", "small-2", "small-3")


def traffic(epoch: int, weights: Mapping[Version, int]) -> TrafficWritten:
    return TrafficWritten(author=Author.PLANE, service=DNS, epoch=epoch, weights=weights)


def rollout(phase: str, number: int = 1, *, old: Version = V1, new: Version = V2) -> RolloutWritten:
    return RolloutWritten(
        author=Author.PLANE,
        service=DNS,
        number=number,
        phase=phase,
        strategy="blue-green",
        before={old: 3},
        target={new: 3},
        total=3,
        is_reverting=False,
    )


def told(appliance: str, epoch: int) -> ProxyTold:
    return ProxyTold(author=Author.PLANE, appliance=appliance, epochs={DNS: epoch})


@pytest.mark.parametrize(("slow", "is_wrong"), [(1, True), (2, False), (None, False)])
def test_the_last_instance_leaves_when_every_living_proxy_has_heard(slow: int | None, *, is_wrong: bool) -> None:
    stage = Stage(AcknowledgedSplit)
    stage.serve(*THREE)
    stage.tell(traffic(1, {V1: 1000}), traffic(2, {V2: 1000, V1: 0}), told("one", 2), told("two", slow or 1))
    if slow is None:
        stage.tell(ProxyGone(author=Author.EXPIRY, appliance="two"))
    for name in THREE:
        assert not stage.accused, "others of the version are still there"
        stage.tell(role(name, is_draining=True))
    assert bool(stage.accused) is is_wrong


def test_what_never_came_up_may_leave_at_any_time() -> None:
    stage = Stage(AcknowledgedSplit)
    stage.make("small-1")
    stage.tell(traffic(1, {V1: 1000}), told("one", 1), role("small-1"), role("small-1", is_draining=True))
    assert not stage.accused


@pytest.mark.parametrize("end", ["entry gone", "registry replaced", "not wanted"])
def test_nobody_is_missed_of_what_is_not_divided(end: str) -> None:
    stage = Stage(AcknowledgedSplit)
    stage.serve("small-1")
    stage.tell(*(traffic(number, {V1: 1000}) for number in range(1, 30)), told("one", 29))
    if end == "entry gone":
        stage.tell(TrafficGone(author=Author.PLANE, service=DNS))
    elif end == "registry replaced":
        stage.tell(RegistryReplaced())
    else:
        stage.desire({"web": 1})
    stage.tell(role("small-1", is_draining=True))
    assert not stage.accused


@pytest.mark.parametrize(("there", "is_wrong"), [(1, True), (3, False)])
def test_requests_go_to_a_version_that_has_come_up(there: int, *, is_wrong: bool) -> None:
    stage = Stage(RequestsWhereServed)
    stage.serve(*THREE)
    for name in ("small-4", "small-5", "small-6")[:there]:
        stage.tell(replace(registered(name), version=V2))
    stage.tell(rollout("canary"), traffic(1, {V1: 1000}), rollout("cutover"), traffic(2, {V2: 1000, V1: 0}))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("weight", "is_wrong"), [(50, True), (0, False), (None, False)])
def test_what_is_given_up_gives_its_requests_back(weight: int | None, *, is_wrong: bool) -> None:
    stage = Stage(RequestsWhereServed)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    stage.tell(traffic(1, {V2: 50, V1: 950}), rollout("abort"))
    if weight is None:
        stage.tell(TrafficGone(author=Author.PLANE, service=DNS))
    else:
        stage.tell(traffic(2, {V2: weight, V1: 1000 - weight}))
    for _ in range(3):
        stage.wait(100)
        stage.tell(ApiCalled(call="list", asked_at=stage.now))
    assert bool(stage.accused) is is_wrong


def test_nobody_is_late_who_cannot_see() -> None:
    stage = Stage(RequestsWhereServed)
    stage.tell(traffic(1, {V2: 50, V1: 950}), rollout("abort"))
    stage.wait(200)
    stage.tell(ApiCalled(call="list", asked_at=stage.now), RolloutGone(author=Author.PLANE, service=DNS))
    stage.tell(RegistryReplaced(), rollout("abort"))
    stage.wait(200)
    stage.tell(TrafficGone(author=Author.PLANE, service=DNS), ApiCalled(call="list", asked_at=stage.now))
    assert not stage.accused


@pytest.mark.parametrize(("after", "is_wrong"), [("cutover", True), ("expand", False), ("abort", False)])
def test_phases_follow_their_order(after: str, *, is_wrong: bool) -> None:
    stage = Stage(OneRollout)
    stage.tell(rollout("preflight"), rollout(after))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("weights", "is_wrong"), [({V2: 50, V1: 950}, True), ({V1: 1000}, False), ({}, False)])
def test_the_next_rollout_begins_where_the_requests_are(weights: Mapping[Version, int], *, is_wrong: bool) -> None:
    stage = Stage(OneRollout)
    stage.tell(rollout("expand"))
    stage.tell(traffic(1, weights) if weights else TrafficGone(author=Author.PLANE, service=DNS))
    stage.tell(rollout("preflight", 2, new=Version("3.0.0")))
    assert bool(stage.accused) is is_wrong


def test_a_rollout_that_is_gone_or_of_another_registry_says_nothing() -> None:
    stage = Stage(OneRollout)
    stage.tell(rollout("preflight"), RolloutGone(author=Author.PLANE, service=DNS), rollout("soak"))
    stage.tell(RegistryReplaced(), rollout("preflight"))
    assert not stage.accused


@pytest.mark.parametrize("is_good", [True, False])
@pytest.mark.parametrize("is_taken_back", [True, False])
def test_a_version_gets_what_it_deserves(*, is_good: bool, is_taken_back: bool) -> None:
    stage = Stage(RightVerdict)
    stage.tell(VersionOffered(service=DNS, version=V2, is_good=is_good), rollout("canary"))
    ended = replace(rollout("abort" if is_taken_back else "done"), is_reverting=is_taken_back)
    stage.tell(ended, ended, Settled())
    assert len(stage.accused) == (is_good is is_taken_back)


def test_a_good_version_may_be_taken_back_by_an_operator() -> None:
    stage = Stage(RightVerdict)
    stage.tell(VersionOffered(service=DNS, version=V2, is_good=True), rollout("soak"), VersionTakenBack(service=DNS))
    stage.tell(replace(rollout("abort"), is_reverting=True), Settled())
    assert not stage.accused


def test_a_good_version_that_stays_beside_a_bad_one_is_not_taken_back() -> None:
    stage = Stage(RightVerdict)
    both = replace(rollout("expand", number=2, old=V2), target={V2: 3, Version("3.0.0"): 3})
    stage.tell(VersionOffered(service=DNS, version=V2, is_good=True), rollout("done"), both)
    stage.tell(replace(both, phase="contract", is_reverting=True))
    assert not stage.accused


def test_a_good_version_that_nobody_has_heard_of_yet_is_not_taken_back() -> None:
    stage = Stage(RightVerdict)
    stage.tell(rollout("abort"), VersionOffered(service=DNS, version=V2, is_good=True))  # asked for once more
    stage.tell(replace(rollout("contract"), is_reverting=True), Settled())
    assert not stage.accused


def test_a_bad_version_goes_with_its_service() -> None:
    stage = Stage(RightVerdict)
    stage.tell(VersionOffered(service=DNS, version=V2, is_good=False), rollout("expand"))
    stage.tell(RolloutGone(author=Author.PLANE, service=DNS), Settled())
    assert not stage.accused


def test_of_a_version_that_nobody_has_judged_nothing_is_expected() -> None:
    stage = Stage(RightVerdict)
    stage.tell(replace(rollout("abort"), is_reverting=True), Settled())
    assert not stage.accused

"""Checkers of the load balancer; each with a story a step away that is innocent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.model.balancer import BalancerState, Place, member_set
from hfs_appliance.model.balancer_events import BalancerRefused
from sim.balancer_facts import BalancerCalled, BalancerServes, ProxyAnswers
from sim.checkers.balancer import BalancerBacksOff, BehindBalancer, DrainedFirst, NeverEmpty
from sim.entries import Author, ProxyGone, ProxyTold
from sim.truth import ApiCalled, ControlPlaneStarted, FaultBegun, RegistryReached
from tests.sim.checkers.stage import Stage

A, B = Place("10.255.0.1", 8080), Place("10.255.0.2", 8080)


def told(name: str, place: Place, *, is_serving: bool = True) -> ProxyTold:
    return ProxyTold(author=Author.PLANE, appliance=name, epochs={}, place=place, is_serving=is_serving)


def answers(place: Place, *, is_answering: bool = True) -> ProxyAnswers:
    return ProxyAnswers(place=place, is_answering=is_answering)


def serves(*, is_by_hand: bool = False, **weights: int) -> BalancerServes:
    places = {"a": A, "b": B}
    return BalancerServes(members=member_set({places[name]: n for name, n in weights.items()}), is_by_hand=is_by_hand)


def called(call: str = "look", state: BalancerState = BalancerState.ACTIVE, refusal: str = "") -> BalancerCalled:
    return BalancerCalled(client=1, call=call, state=state, refusal=refusal)


def behind() -> Stage:
    """Two proxies that serve, of which a load balancer is in step with the first."""
    stage = Stage(BehindBalancer)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1), answers(A), answers(B), told("a", A), told("b", B))
    stage.tell(serves(a=1))
    return stage


def later(stage: Stage, *facts: BalancerCalled) -> None:
    for _ in range(20):
        stage.wait(10)
        stage.tell(*facts, ApiCalled(call="list", asked_at=stage.now))


@pytest.mark.parametrize(("weight", "is_wrong"), [(1, False), (0, True)])
def test_whoever_serves_gets_requests(weight: int, *, is_wrong: bool) -> None:
    stage = behind()
    stage.tell(serves(a=1, b=weight))
    later(stage, called())
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(
    ("call", "is_excused"),
    [
        (called(), False),
        (called(refusal="Transient"), True),
        (called(state=BalancerState.PENDING), True),
        (called(state=BalancerState.ERROR), True),
    ],
)
def test_it_must_be_able_to(call: BalancerCalled, *, is_excused: bool) -> None:
    stage = behind()
    later(stage, call)
    assert bool(stage.accused) is not is_excused


@pytest.mark.parametrize(("is_lying", "is_serving"), [(False, True), (True, True), (False, False)])
def test_whoever_is_gone_gets_none_beside_others(*, is_lying: bool, is_serving: bool) -> None:
    stage = behind()
    stage.tell(serves(a=1, b=1))
    if is_lying:
        stage.tell(FaultBegun(number=0, kind="balancer-monitor-lies", words=""))
    if not is_serving:
        stage.tell(told("a", A, is_serving=False))
    stage.tell(answers(B, is_answering=False), ProxyGone(author=Author.EXPIRY, appliance="b"))
    later(stage, called())
    assert bool(stage.accused) is (is_serving and not is_lying)


@pytest.mark.parametrize(
    ("idle", "is_by_hand", "is_wrong"),
    [(30, False, False), (20, False, True), (None, False, True), (None, True, False)],
)
def test_nobody_leaves_undrained(idle: int | None, *, is_by_hand: bool, is_wrong: bool) -> None:
    stage = Stage(DrainedFirst)
    stage.tell(serves(a=1, b=1))
    if idle is not None:
        stage.tell(serves(a=1, b=0))
        stage.wait(idle)
    stage.tell(serves(a=1, is_by_hand=is_by_hand))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(
    ("is_answering", "is_by_hand", "is_wrong"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_somebody_is_left(*, is_answering: bool, is_by_hand: bool, is_wrong: bool) -> None:
    stage = Stage(NeverEmpty)
    stage.tell(answers(A), answers(B, is_answering=False), serves(a=1, b=1))
    stage.tell(answers(A, is_answering=is_answering), serves(a=0, b=1, is_by_hand=is_by_hand))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("apart", "is_wrong"), [(1, True), (60, False)])
def test_what_is_refused_is_asked_for_ever_more_rarely(apart: int, *, is_wrong: bool) -> None:
    stage = Stage(BalancerBacksOff)
    stage.hear(BalancerRefused(words="409"))
    for _ in range(50):
        stage.wait(apart)
        stage.tell(called("replace", refusal="Conflict"))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("apart", "is_wrong"), [(1, True), (10, False)])
def test_it_is_looked_at_now_and_then(apart: int, *, is_wrong: bool) -> None:
    stage = Stage(BalancerBacksOff)
    for _ in range(150):
        stage.wait(apart)
        stage.tell(called())
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize("is_told", [True, False])
def test_refusals_are_told(*, is_told: bool) -> None:
    stage = Stage(BalancerBacksOff)
    for _ in range(5):
        stage.wait(60)
        stage.tell(called(refusal="Transient"))
        if is_told:
            stage.hear(BalancerRefused(words="503"))
    assert bool(stage.accused) is not is_told


def test_a_life_that_ends_before_it_can_tell_has_not_hushed_anything_up() -> None:
    stage = Stage(BalancerBacksOff)
    for life in range(5):
        stage.wait(1)
        stage.tell(ControlPlaneStarted(), replace(called(refusal="silence"), client=life))
    assert not stage.accused


def test_a_refusal_that_goes_on_is_told_once() -> None:
    stage = Stage(BalancerBacksOff)
    stage.tell(called(refusal="silence"))
    stage.hear(BalancerRefused(words="no answer within 20s"))
    for is_refused, is_wrong in ((True, False), (False, False), (True, True)):
        for _ in range(5):
            stage.wait(300)
            stage.tell(called(refusal="silence" if is_refused else ""))
        assert bool(stage.accused) is is_wrong

"""Checkers of destruction, each with a story that it must accuse and one, a step away, that it must not."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import SECOND
from sim.checkers.destruction import BlastRadius, DestroyBudget, HealthyDestroyed, LeavesInOrder
from sim.truth import Condition, FaultBegun, MachineGone
from tests.sim.checkers.stage import DNS, Stage, active, announced, condition, role

THREE = ("small-1", "small-2", "small-3")
MANY = tuple(f"small-{number}" for number in range(1, 41))


@pytest.mark.parametrize(
    ("cause", "since", "is_wrong"),
    [("remediation", 1, True), ("remediation", 0.05, False), ("never-ready", 1, True), ("scale-in", 1, False)],
)
def test_what_is_well_is_not_deleted_as_dead(cause: str, since: float, *, is_wrong: bool) -> None:
    stage = Stage(HealthyDestroyed)
    stage.serve(*THREE)
    stage.wait(since)
    stage.delete("small-3", cause=cause)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(
    ("fault", "since", "is_wrong"), [("mcp-slow", 1, False), ("mcp-slow", 6, True), ("none", 1, True)]
)
def test_over_a_slow_link_it_is_heard_late_that_somebody_is_back(fault: str, since: int, *, is_wrong: bool) -> None:
    stage = Stage(HealthyDestroyed)
    stage.tell(FaultBegun(number=0, kind=fault, words="", victims=None))
    stage.serve(*THREE)
    stage.wait(since)
    stage.delete("small-3", cause="never-ready")
    assert bool(stage.accused) is is_wrong


def test_what_is_ill_may_be_deleted_as_dead() -> None:
    stage = Stage(HealthyDestroyed)
    stage.serve(*THREE)
    stage.tell(condition("small-3", Condition.SICK, service=DNS))
    stage.delete("small-3", cause="remediation")
    assert not stage.accused


def test_what_was_ill_when_it_was_decided_may_recover() -> None:
    stage = Stage(HealthyDestroyed)
    stage.serve(*THREE)
    stage.tell(condition("small-3", Condition.DARK, service=DNS))
    stage.decide("small-3", cause="remediation")
    stage.tell(condition("small-3", Condition.SERVING, service=DNS))
    stage.delete("small-3", cause="remediation")
    assert not stage.accused


@pytest.mark.parametrize("was_shown", [True, False])
def test_of_what_had_shown_itself_nowhere_when_it_was_decided_nobody_could_know(*, was_shown: bool) -> None:
    stage = Stage(HealthyDestroyed)
    stage.make("small-9")
    stage.tell(active("small-9"), condition("small-9", Condition.WARM))
    if was_shown:
        stage.tell(announced("small-9"))
    stage.decide("small-9", cause="build-failed")
    stage.tell(announced("small-9"))
    stage.delete("small-9", cause="build-failed")
    assert bool(stage.accused) is was_shown


@pytest.mark.parametrize(("early", "is_wrong"), [(1, True), (0, False)])
def test_what_does_not_take_its_role_in_time_is_not_waiting(early: int, *, is_wrong: bool) -> None:
    stage = Stage(HealthyDestroyed)
    stage.warm(*THREE)
    stage.tell(role("small-3"))
    (desired,) = stage.census.lately(stage.now)
    stage.wait(desired.services[DNS].health.ready_within / SECOND - early)
    stage.delete("small-3", cause="never-ready")
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("drained_for", "is_wrong"), [(None, True), (4, True), (5, False)])
def test_what_serves_has_its_time_to_drain(drained_for: int | None, *, is_wrong: bool) -> None:
    stage = Stage(LeavesInOrder)
    stage.serve(*THREE)
    if drained_for is not None:
        stage.decide("small-3", cause="scale-in", drains=True)
        stage.tell(role("small-3", slot=2, is_draining=True))
        stage.wait(drained_for)
    stage.delete("small-3", cause="scale-in")
    assert bool(stage.accused) is is_wrong


def test_everything_may_be_ended_without_a_drain() -> None:
    stage = Stage(LeavesInOrder)
    stage.serve(*THREE)
    stage.delete("small-3", cause="closing")
    assert not stage.accused


@pytest.mark.parametrize(
    ("pause", "are_confirmed", "is_wrong"), [(1, True, True), (200, False, True), (200, True, False)]
)
def test_the_budget_of_a_window_is_kept_whatever_the_cause(pause: int, *, are_confirmed: bool, is_wrong: bool) -> None:
    stage = Stage(DestroyBudget)
    stage.serve(*MANY)  # a tenth of them is four, and one may be of the window before
    for number, name in enumerate(MANY[:6]):
        if number % 2:
            stage.decide(name, cause="scale-in", drains=True)
            stage.tell(role(name, is_draining=True))
        stage.delete(name, cause="scale-in" if number % 2 else "remediation")
        stage.wait(pause)
        if are_confirmed:
            stage.tell(MachineGone(server=ServerId(name)))
    assert bool(stage.accused) is is_wrong


def test_one_server_is_counted_once_until_it_is_gone() -> None:
    stage = Stage(DestroyBudget)
    stage.serve(*MANY)
    for _ in range(7):
        stage.delete(MANY[0], cause="scale-in")
    stage.tell(MachineGone(server=ServerId(MANY[0])))
    assert not stage.accused


@pytest.mark.parametrize(("state", "is_wrong"), [(Condition.SICK, True), (Condition.DARK, False)])
def test_of_those_that_live_few_are_called_dead(state: Condition, *, is_wrong: bool) -> None:
    stage = Stage(BlastRadius)
    stage.serve(*MANY)
    for name in MANY[:11]:
        stage.tell(condition(name, state, service=DNS))
        stage.delete(name, cause="remediation")
    assert bool(stage.accused) is is_wrong

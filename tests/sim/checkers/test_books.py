"""Checkers of the books: leaks, intents, forgetting, the audit trail; each beside an innocent story a step away."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ids import ServerId
from sim.checkers.accounting import Audit, DecidedFirst, Forgotten, Leak, RecordedFirst
from sim.checkers.destruction import PaidFirst
from sim.entries import Author, LedgerWritten
from sim.truth import ApiCalled, ControlPlaneStarted, DeletionBegun, MachineGone, RegistryReached
from tests.sim.checkers.stage import Stage, made, record, record_gone, role, started

ONE = "small-1"


def ledger(next_serial: int, *paid: str) -> LedgerWritten:
    return LedgerWritten(author=Author.PLANE, next_serial=next_serial, tokens=frozenset(map(ServerId, paid)))


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_machine_without_a_record_is_a_leak(*, is_recorded: bool) -> None:
    stage = Stage(Leak)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1), made(ONE))
    if is_recorded:
        stage.tell(record(ONE))
    for _ in range(2):
        stage.wait(700)
        stage.tell(ApiCalled(call="list", asked_at=stage.now))
    assert bool(stage.accused) is not is_recorded


@pytest.mark.parametrize("is_first", [True, False])
def test_a_record_stands_before_its_machine(*, is_first: bool) -> None:
    stage = Stage(RecordedFirst)
    stage.tell(ledger(2))
    stage.tell(*((record(ONE), made(ONE)) if is_first else (made(ONE), record(ONE))))
    assert bool(stage.accused) is not is_first


@pytest.mark.parametrize(("next_serial", "is_wrong"), [(1, True), (2, False)])
def test_a_number_is_spent_before_it_is_used(next_serial: int, *, is_wrong: bool) -> None:
    stage = Stage(RecordedFirst)
    stage.tell(ledger(next_serial), record(ONE))
    assert bool(stage.accused) is is_wrong


def test_a_creation_that_comes_late_had_its_record() -> None:
    stage = Stage(RecordedFirst)
    stage.tell(ledger(2), record(ONE), record_gone(ONE), made(ONE))
    assert not stage.accused


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_record_outlives_its_machine(*, is_gone: bool) -> None:
    stage = Stage(Forgotten)
    stage.make(ONE)
    if is_gone:
        stage.tell(MachineGone(server=ServerId(ONE)))
    stage.tell(record_gone(ONE))
    assert bool(stage.accused) is not is_gone


@pytest.mark.parametrize(
    ("is_true", "wait", "asks_again", "is_wrong"),
    [(True, 20, False, False), (True, 61, False, True), (True, 20, True, True), (False, 20, False, True)],
    ids=["true and fresh", "true and old", "found since", "untrue"],
)
def test_a_creation_may_overtake_the_answer_that_there_is_no_machine(
    wait: int, *, is_true: bool, asks_again: bool, is_wrong: bool
) -> None:
    stage = Stage(Forgotten)
    one = ServerId(ONE)
    stage.tell(record(ONE), *(() if is_true else (made(ONE),)))
    stage.tell(ApiCalled(call="get", asked_at=stage.now, server=one, refusal="Missing"))
    stage.tell(*((made(ONE),) if is_true else ()))
    if asks_again:
        stage.tell(ApiCalled(call="get", asked_at=stage.now, server=one))
    stage.wait(wait)
    stage.tell(record_gone(ONE))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize("is_decided", [True, False])
def test_a_deletion_is_decided_before_it_is_asked_for(*, is_decided: bool) -> None:
    stage = Stage(DecidedFirst)
    stage.wait(100)
    stage.warm(ONE)
    if is_decided:
        stage.decide(ONE, cause="pool-surplus")
    stage.tell(deletion(stage, ONE))
    assert bool(stage.accused) is not is_decided


def deletion(stage: Stage, name: str) -> DeletionBegun:
    machine = stage.census.machines[ServerId(name)]
    return DeletionBegun(server=machine.server, condition=machine.condition)


@pytest.mark.parametrize("is_told", [True, False])
def test_what_changes_anything_was_told(*, is_told: bool) -> None:
    stage = Stage(Audit)
    if is_told:
        stage.hear(started("create", ONE, "fill-pool"))
    stage.make(ONE)
    stage.tell(ApiCalled(call="create", asked_at=stage.now, server=ServerId(ONE)))
    assert bool(stage.accused) is not is_told


@pytest.mark.parametrize("is_paid", [True, False])
@pytest.mark.parametrize("drains", [True, False])
def test_who_takes_away_has_paid(*, is_paid: bool, drains: bool) -> None:
    stage = Stage(PaidFirst)
    stage.serve(ONE)
    stage.tell(ledger(2, *([ONE] if is_paid else [])))
    stage.tell(role(ONE, is_draining=True) if drains else deletion(stage, ONE))
    assert bool(stage.accused) is not is_paid


def test_what_was_never_seen_costs_nothing() -> None:
    stage = Stage(PaidFirst)
    stage.make(ONE)
    stage.tell(ledger(2), deletion(stage, ONE))
    assert not stage.accused

"""Checkers of identity: roles, slots, nonces and names; each with a story a step away that is innocent."""

from __future__ import annotations

import pytest

from hfs_appliance.model.ids import Nonce, ServerId
from sim.checkers.identity import NewNames, OneOwner, OneRole, OneSlot, OwnNonce
from sim.entries import Author, LedgerWritten, Registered
from sim.truth import FaultBegun, FaultEnded, MachineGone, RegistryReplaced, Settled
from tests.sim.checkers.stage import DNS, WEB, Stage, made, record, registered, role, unregistered

ONE, TWO = "small-1", "small-2"
OTHER = Nonce("another one")


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_role_is_for_who_waits(*, is_warm: bool) -> None:
    stage = Stage(OneRole)
    (stage.warm if is_warm else stage.make)(ONE)
    stage.tell(role(ONE))
    assert bool(stage.accused) is not is_warm


@pytest.mark.parametrize(("slot", "is_wrong"), [(0, False), (1, True)])
def test_nobody_gets_a_second_role(slot: int, *, is_wrong: bool) -> None:
    stage = Stage(OneRole)
    stage.warm(ONE)
    stage.tell(role(ONE, slot=0), role(ONE, slot=slot))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("slot", "is_wrong"), [(0, True), (1, False)])
def test_a_slot_has_one_owner(slot: int, *, is_wrong: bool) -> None:
    stage = Stage(OneOwner)
    stage.serve(ONE)
    stage.wait(20)
    stage.warm(TWO)
    stage.tell(record(TWO, service=DNS, slot=slot, is_built=True))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(
    ("other", "is_wrong"),
    [
        (registered(TWO, slot=0), True),
        (registered(TWO, slot=1), False),
        (registered(TWO), False),
        (registered(TWO, slot=0, service=WEB), False),
    ],
    ids=["twin", "next", "does not say", "other service"],
)
def test_in_the_end_no_two_have_one_slot(other: Registered, *, is_wrong: bool) -> None:
    stage = Stage(OneSlot)
    stage.tell(registered(ONE, slot=0), other)
    assert not stage.accused, "not yet: one of them may leave"
    stage.tell(Settled())
    assert bool(stage.accused) is is_wrong


def test_who_has_left_has_no_slot() -> None:
    stage = Stage(OneSlot)
    stage.tell(registered(ONE, slot=0), registered(TWO, slot=0), unregistered(ONE), Settled())
    assert not stage.accused


@pytest.mark.parametrize(("own", "is_wrong"), [(None, False), (OTHER, True)])
def test_who_is_confirmed_has_registered_itself(own: Nonce | None, *, is_wrong: bool) -> None:
    stage = Stage(OwnNonce)
    stage.warm(ONE)
    stage.tell(registered(ONE, own=own), record(ONE, service=DNS, slot=0, is_built=True, is_ready=True))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("is_hanging", "is_wrong"), [(True, False), (False, True)])
def test_a_write_that_hangs_rests_on_what_was_known_when_it_was_sent(*, is_hanging: bool, is_wrong: bool) -> None:
    stage = Stage(OwnNonce)
    stage.warm(ONE)
    hangs = FaultBegun(number=1, kind="registry-writes-hang", words="", victims=None)
    stage.tell(registered(ONE), hangs, unregistered(ONE))
    stage.wait(600)
    if not is_hanging:
        stage.tell(FaultEnded(number=1, kind="registry-writes-hang"))
    stage.tell(record(ONE, service=DNS, slot=0, is_built=True, is_ready=True))
    assert bool(stage.accused) is is_wrong


def test_a_record_keeps_its_nonce() -> None:
    stage = Stage(OwnNonce)
    stage.tell(record(ONE), record(ONE, own=OTHER))
    assert len(stage.accused) == 1


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_a_name_is_used_once(*, is_forgotten: bool) -> None:
    stage = Stage(NewNames)
    stage.make(ONE)
    stage.tell(MachineGone(server=ServerId(ONE)))
    if is_forgotten:
        stage.tell(RegistryReplaced())
    stage.tell(made(ONE, nonce=OTHER))
    assert bool(stage.accused) is not is_forgotten


@pytest.mark.parametrize(("after", "is_wrong"), [(7, False), (6, True)])
def test_the_next_number_only_rises(after: int, *, is_wrong: bool) -> None:
    stage = Stage(NewNames)
    for next_serial in (7, after):
        stage.tell(LedgerWritten(author=Author.PLANE, next_serial=next_serial))
    assert bool(stage.accused) is is_wrong

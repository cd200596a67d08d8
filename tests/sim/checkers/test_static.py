"""The checker of failing static: what is taken away, or unrouted, by whom who cannot see."""

from __future__ import annotations

import pytest

from hfs_appliance.model.events import SessionChanged
from sim.checkers.static import FailStatic
from sim.truth import ApiCalled, ControlPlaneStarted, RegistryCut, RegistryReached, RoutesAsked, RoutesServed
from tests.sim.checkers.stage import DNS, Stage, role, unregistered
from tests.sim.checkers.tables import table

THREE = ("small-1", "small-2", "small-3")


def stage() -> Stage:
    made = Stage(FailStatic)
    made.tell(ControlPlaneStarted(), RegistryReached(client=1))
    made.hear(SessionChanged(state="connected", session="0x1"))
    made.serve(*THREE)
    made.tell(RoutesServed(table=table({DNS: THREE})))
    made.wait(60)
    made.tell(ApiCalled(call="list", asked_at=made.now))
    return made


@pytest.mark.parametrize(("age", "is_wrong"), [(30, False), (100, True)])
def test_nothing_is_drained_on_an_old_list(age: int, *, is_wrong: bool) -> None:
    played = stage()
    played.wait(age)
    played.tell(role("small-3", slot=2, is_draining=True))
    assert bool(played.accused) is is_wrong


def test_nothing_is_deleted_while_the_registry_is_away() -> None:
    played = stage()
    played.tell(RegistryCut(client=1))
    played.wait(100)
    played.tell(ApiCalled(call="list", asked_at=played.now))
    played.delete("small-3", cause="remediation")
    assert len(played.accused) == 1


@pytest.mark.parametrize("is_cut", [True, False])
def test_what_serves_stays_routed_while_the_registry_is_away(*, is_cut: bool) -> None:
    played = stage()
    if is_cut:
        played.tell(RegistryCut(client=1))
    played.wait(10)
    played.tell(unregistered("small-3"), RoutesAsked(), RoutesServed(table=table({DNS: THREE[:2]})))
    assert bool(played.accused) is is_cut


@pytest.mark.parametrize(("after", "is_wrong"), [(2, True), (9, False)])
def test_what_serves_stays_routed_for_the_recovery_grace(after: int, *, is_wrong: bool) -> None:
    played = stage()
    played.hear(SessionChanged(state="connected", session="0x2"))
    played.wait(after)
    played.tell(unregistered("small-3"), RoutesAsked(), RoutesServed(table=table({DNS: THREE[:2]})))
    assert bool(played.accused) is is_wrong


def test_what_was_asked_of_a_proxy_in_time_may_be_served_late() -> None:
    played = stage()
    played.tell(unregistered("small-3"), RoutesAsked())
    played.wait(2)
    played.tell(RegistryCut(client=1))
    played.wait(50)
    played.tell(RoutesServed(table=table({DNS: THREE[:2]})))
    assert not played.accused

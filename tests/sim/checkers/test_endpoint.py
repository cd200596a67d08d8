"""Checkers of the endpoint and of who leads; each with a story a step away that is innocent."""

from __future__ import annotations

import json

import pytest

from hfs_appliance.model.events import DesiredChanged, DesiredRefused, RoutesPublished
from hfs_appliance.model.ids import ServerId, Version
from sim.checkers.documents import FILE, STATUS, Documents
from sim.checkers.floor import Floor
from sim.checkers.generations import Generations
from sim.checkers.inputs import BadInput
from sim.checkers.leadership import OneLeader
from sim.checkers.routes import Astray, InStep, Registrations
from sim.entries import Author, DesiredStored, TrafficWritten
from sim.scenario import Scenario
from sim.truth import (
    ApiCalled,
    Condition,
    ControlPlaneStarted,
    DocumentGiven,
    EpochTaken,
    FaultBegun,
    FilesServed,
    MutationSent,
    PlaneWrote,
    RegistryReached,
    RoutesAsked,
    RoutesServed,
    SeatGone,
)
from tests.sim.checkers.stage import DNS, V1, WEB, Stage, condition, registered, role, started, unregistered
from tests.sim.checkers.tables import table

THREE = ("small-1", "small-2", "small-3")


def looks(stage: Stage) -> None:
    stage.wait(100)
    stage.tell(ApiCalled(call="list", asked_at=stage.now))


@pytest.mark.parametrize("is_registered", [True, False])
def test_a_new_member_is_registered_there(*, is_registered: bool) -> None:
    stage = Stage(Registrations)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    if is_registered:
        stage.tell(registered("small-1"))
    stage.tell(RoutesServed(table=table({DNS: ("small-1",)})))
    assert bool(stage.accused) is not is_registered


@pytest.mark.parametrize(
    ("fault", "since", "has_mischief", "is_wrong"),
    [
        ("mcp-watches-lost", 50, False, False),
        ("mcp-watches-lost", 90, False, True),
        ("mcp-watches-lost", 90, True, False),
        ("mcp-watches-lost", 160, True, True),
        ("service-crashes", 50, True, True),
        ("none", 5, False, False),
    ],
)
def test_what_has_ended_is_known_while_the_registry_is_watched(
    fault: str, since: int, *, has_mischief: bool, is_wrong: bool
) -> None:
    stage = Stage(Registrations, scenario=Scenario(name="stage", words="", has_mischief=has_mischief))
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1), registered("small-1"))
    stage.tell(FaultBegun(number=0, kind=fault, words="", victims=None), unregistered("small-1"))
    stage.wait(since)
    stage.tell(RoutesAsked(), RoutesServed(table=table({DNS: ("small-1",)})))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("since", "is_wrong"), [(1, False), (90, True)])
def test_who_starts_believes_the_proxy_that_it_finds(since: int, *, is_wrong: bool) -> None:
    stage = Stage(Registrations)
    stage.tell(RegistryReached(client=1), RoutesServed(table=table({DNS: ("small-1", "small-2")})))
    stage.tell(ControlPlaneStarted(), RoutesServed(table=table({DNS: ("small-2",)})))  # it had hung
    stage.docket.violations.clear()  # nobody is registered here
    stage.wait(since)
    stage.tell(RoutesAsked(), RoutesServed(table=table({DNS: ("small-1", "small-2")})))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize("serves", [True, False])
def test_a_route_is_not_emptied_while_anybody_serves(*, serves: bool) -> None:
    stage = Stage(Registrations)
    stage.serve("small-1")
    stage.tell(RoutesServed(table=table({DNS: ("small-1",)})), unregistered("small-1"))
    if not serves:
        stage.tell(condition("small-1", Condition.SICK, service=DNS))
    stage.tell(RoutesServed(table=table({DNS: ()})))
    assert bool(stage.accused) is serves


@pytest.mark.parametrize(("service", "is_wrong"), [(WEB, True), (DNS, False)])
def test_no_route_leads_to_another_service(service: str, *, is_wrong: bool) -> None:
    stage = Stage(Astray, {"dns": 1, "web": 1})
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    stage.serve("small-1", service=WEB if service == WEB else DNS)
    stage.tell(RoutesServed(table=table({DNS: ("small-1",)})))
    looks(stage)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(
    ("is_up", "is_routed", "is_wrong"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_routes_follow_the_registrations(*, is_up: bool, is_routed: bool, is_wrong: bool) -> None:
    stage = Stage(InStep)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    stage.serve("small-1")
    stage.tell(RoutesServed(table=table({DNS: ("small-1",) if is_routed else ()})), registered("small-1", is_up=is_up))
    looks(stage)
    assert bool(stage.accused) is is_wrong


def test_nobody_is_late_for_the_time_in_which_nothing_was_to_be_sent_to_him() -> None:
    stage = Stage(InStep)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1), RoutesServed(table=table({DNS: ()})))
    stage.tell(epoch(1, Version("0.9.0")))
    stage.serve("small-1")
    stage.tell(registered("small-1"))
    looks(stage)
    stage.tell(epoch(2, V1), ApiCalled(call="list", asked_at=stage.now))
    assert not stage.accused
    looks(stage)
    assert stage.accused


def epoch(number: int, version: Version) -> TrafficWritten:
    return TrafficWritten(author=Author.PLANE, service=DNS, epoch=number, weights={version: 1000})


@pytest.mark.parametrize(("told", "is_wrong"), [(1, False), (2, True)])
def test_what_is_told_as_routed_is_routed(told: int, *, is_wrong: bool) -> None:
    stage = Stage(InStep)
    stage.tell(RoutesServed(table=table({DNS: ("small-1",)})))
    stage.hear(RoutesPublished(digest="", services=1, instances=told, words="", elapsed_ms=1), actor="proxy")
    assert bool(stage.accused) is is_wrong


def merged(paths: int, *, reason: str = "") -> FilesServed:
    document = {
        "paths": {f"/dns/{number}": {} for number in range(paths)},
        STATUS: {"dns": {"state": "current", "reason": reason}},
    }
    return FilesServed(files={FILE: json.dumps(document).encode()})


@pytest.mark.parametrize(("reason", "is_wrong"), [("", True), ("it does not answer", False)])
def test_a_document_loses_nothing_without_a_word(reason: str, *, is_wrong: bool) -> None:
    stage = Stage(Documents)
    content = json.dumps({"paths": {f"/{number}": {"get": {}} for number in range(3)}}).encode()
    stage.tell(DocumentGiven(service=DNS, content=content), merged(3), merged(2, reason=reason))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("count", "is_wrong"), [(3, True), (2, False)])
def test_nothing_is_drained_below_the_floor(count: int, *, is_wrong: bool) -> None:
    stage = Stage(Floor, {"dns": count})
    stage.serve(*THREE)
    stage.wait(100)
    stage.tell(role("small-3", slot=2, is_draining=True))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("then", "is_wrong"), [(2, True), (4, False)])
def test_generations_rise(then: int, *, is_wrong: bool) -> None:
    stage = Stage(Generations)
    for generation in (3, then):
        stage.hear(DesiredChanged(generation=generation, author="", words=""))
    assert bool(stage.accused) is is_wrong


def test_what_is_stored_rises_and_what_is_routed_was_stored() -> None:
    stage = Stage(Generations, {"dns": 1})
    stage.tell(RoutesServed(table=table({DNS: ()})))
    assert not stage.accused
    stage.tell(RoutesServed(table=table({WEB: ()})))
    assert len(stage.accused) == 1
    stage.tell(DesiredStored(author=Author.PLANE, generation=1, desired=stage.census.desired))
    assert len(stage.accused) == 2


@pytest.mark.parametrize("is_told", [True, False])
def test_bad_input_is_told(*, is_told: bool) -> None:
    stage = Stage(BadInput)
    stage.tell(ControlPlaneStarted(), RegistryReached(client=1))
    stage.tell(DesiredStored(author=Author.HAND, generation=2, desired=None))
    if is_told:
        stage.hear(DesiredRefused(words="nonsense"))
    looks(stage)
    assert bool(stage.accused) is not is_told


def test_bad_input_ends_no_service() -> None:
    stage = Stage(BadInput)
    stage.serve(*THREE)
    stage.tell(DesiredStored(author=Author.HAND, generation=2, desired=None))
    stage.hear(started("drain", "small-3", "retire-service"))
    assert len(stage.accused) == 1


@pytest.mark.parametrize(("client", "is_wrong"), [(1, False), (2, True)])
def test_one_leads(client: int, *, is_wrong: bool) -> None:
    stage = Stage(OneLeader)
    stage.tell(EpochTaken(client=1, epoch=4, seat="a"))
    stage.tell(MutationSent(client=client, call="create", server=ServerId("small-1")))
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("epoch", "is_wrong"), [(4, False), (3, True), (None, True)])
def test_who_leads_writes_in_its_own_term(epoch: int | None, *, is_wrong: bool) -> None:
    stage = Stage(OneLeader)
    stage.tell(EpochTaken(client=1, epoch=4, seat="a"))
    stage.tell(PlaneWrote(client=1, epoch=epoch, paths=("/hfs/sim/servers/small-1",)))
    assert bool(stage.accused) is is_wrong


def test_nobody_leads_without_a_seat() -> None:
    stage = Stage(OneLeader)
    stage.tell(EpochTaken(client=1, epoch=4, seat="a"), SeatGone(seat="a"))
    stage.tell(MutationSent(client=1, call="create", server=ServerId("small-1")))
    assert len(stage.accused) == 1

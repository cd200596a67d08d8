"""Checkers of rates, pauses and sizes: one more than is right is told, and what is right is not."""

from __future__ import annotations

import pytest

from hfs_appliance.config import load_text
from hfs_appliance.model.events import SetbackNoted
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import seconds
from sim.checkers.backoff import BacksOff
from sim.checkers.rates import ApiRate, Direction, ReloadRate
from sim.checkers.repair import Repair
from sim.checkers.sizes import Sizes
from sim.desired import configuration
from sim.entries import Author, DesiredStored, LedgerWritten
from sim.scenario import Bounds, Layout, Scenario
from sim.truth import ApiCalled, Condition, DemandChanged, FaultBegun, FaultEnded, RoutesServed, StoryBegun
from tests.sim.checkers.stage import DNS, V1, Stage, condition, started
from tests.sim.checkers.tables import table

SMALL = Scenario(name="stage", words="", layout=Layout(at_once=2), bounds=Bounds(repair=seconds(300)))


def calls(stage: Stage, call: str, number: int, *, refusal: str = "") -> None:
    for _ in range(number):
        stage.tell(ApiCalled(call=call, asked_at=stage.now, server=ServerId("small-1"), refusal=refusal))


@pytest.mark.parametrize(("number", "is_wrong"), [(28, False), (29, True)])
def test_what_never_comes_up_is_asked_for_seldom(number: int, *, is_wrong: bool) -> None:
    stage = Stage(BacksOff, scenario=SMALL)
    calls(stage, "create", number - 1)
    stage.wait(240)
    calls(stage, "create", 1)
    assert bool(stage.accused) is is_wrong


def test_many_servers_that_are_asked_for_at_once_get_the_time_that_a_build_takes() -> None:
    stage = Stage(BacksOff, scenario=SMALL)
    calls(stage, "create", 100)
    stage.wait(239)
    calls(stage, "create", 1)
    assert not stage.accused
    stage.tell(condition("small-1", Condition.WARM))
    stage.wait(60)
    calls(stage, "create", 1)
    assert not stage.accused


@pytest.mark.parametrize("is_told", [True, False])
def test_refusals_in_a_row_are_told(*, is_told: bool) -> None:
    stage = Stage(BacksOff, scenario=SMALL)
    calls(stage, "create", 5, refusal="Exhausted")
    if is_told:
        stage.hear(SetbackNoted(scope="pool/small", failures=5, words="no room"))
    stage.wait(10)
    calls(stage, "create", 1, refusal="Exhausted")
    assert bool(stage.accused) is not is_told


def test_what_is_asked_for_at_one_time_is_refused_before_anybody_can_tell() -> None:
    stage = Stage(BacksOff, scenario=SMALL)
    calls(stage, "create", 20, refusal="Exhausted")
    assert not stage.accused


@pytest.mark.parametrize(("number", "is_wrong"), [(44, False), (45, True)])
def test_the_cloud_is_asked_at_the_pace_of_its_polls(number: int, *, is_wrong: bool) -> None:
    stage = Stage(ApiRate)
    stage.wait(100)
    calls(stage, "list", number)
    assert bool(stage.accused) is is_wrong


def test_what_is_done_may_be_asked_for() -> None:
    stage = Stage(ApiRate)
    stage.hear(started("create", "small-1", "fill-pool"))
    calls(stage, "create", 45)
    assert not stage.accused


@pytest.mark.parametrize(("pause", "is_wrong"), [(0.1, True), (5, False)])
def test_the_proxy_is_reloaded_at_its_pace(pause: float, *, is_wrong: bool) -> None:
    stage = Stage(ReloadRate)
    stage.wait(100)
    for _ in range(70):
        stage.tell(RoutesServed(table=table({DNS: ("small-1",)})))
        stage.wait(pause)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("turns", "is_wrong"), [(5, False), (6, True)])
@pytest.mark.parametrize(
    ("up", "down"),
    [(("claim", "meet-demand"), ("drain", "scale-in")), (("create", "fill-pool"), ("delete", "pool-surplus"))],
)
def test_nothing_goes_up_and_down_in_turns(
    up: tuple[str, str], down: tuple[str, str], turns: int, *, is_wrong: bool
) -> None:
    stage = Stage(Direction)
    stage.serve("small-1")
    for _ in range(turns):
        for action, cause in (up, down):
            stage.hear(started(action, "small-1", cause))
        stage.wait(10)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("lasts", "is_wrong"), [(299, False), (301, True)])
def test_a_gap_is_closed_in_time(lasts: int, *, is_wrong: bool) -> None:
    stage = Stage(Repair, scenario=SMALL)
    stage.serve("small-1", "small-2", "small-3")
    stage.tell(StoryBegun(), condition("small-3", Condition.DARK, service=DNS))
    stage.wait(lasts)
    stage.tell(condition("small-3", Condition.SERVING, service=DNS))
    assert bool(stage.accused) is is_wrong


def scaling() -> Stage:
    stage = Stage(Sizes)
    source = configuration({DNS: {V1: 3}}, autoscale="min = 2, max = 6, rps_per_instance = 100")
    desired = load_text(source, "stage.toml", generation=2)
    stage.tell(DesiredStored(author=Author.PLANE, generation=2, desired=desired))
    resize(stage, 5)
    stage.tell(DemandChanged(service=DNS, instances=4))
    return stage


def resize(stage: Stage, total: int) -> None:
    stage.tell(LedgerWritten(author=Author.PLANE, next_serial=1, sizes={DNS: total}))


@pytest.mark.parametrize(("total", "is_wrong"), [(1, True), (2, False), (6, False), (7, True)])
def test_a_size_keeps_its_bounds(total: int, *, is_wrong: bool) -> None:
    stage = scaling()
    resize(stage, total)
    assert bool(stage.accused) is is_wrong


@pytest.mark.parametrize(("total", "is_wrong"), [(3, True), (4, False)])
def test_nothing_is_shrunk_below_what_it_needs(total: int, *, is_wrong: bool) -> None:
    stage = scaling()
    stage.wait(100)
    resize(stage, total)
    assert bool(stage.accused) is is_wrong


def test_who_is_lied_to_may_err() -> None:
    stage = scaling()
    stage.wait(100)
    stage.tell(FaultBegun(number=0, kind="load-wrong", words=""), FaultEnded(number=0, kind="load-wrong"))
    resize(stage, 3)
    assert not stage.accused

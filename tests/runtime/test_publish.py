"""The publishers, in a whole control plane: pace, refusals, and documents that go bad."""

from __future__ import annotations

import itertools
import json

from hfs_appliance.model.events import DocumentRefused, RoutesPublished, RoutesRefused
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, between, seconds
from sim.fleet import Simulation, simulate
from tests.support.fleets import SOON, demand_whole, play, quick, settled

DNS = ServiceName("dns")


def test_a_storm_of_changes_gives_one_reload_a_second() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        instants = [at for at, _ in sim.proxy.history]
        pauses = [between(earlier, later) for earlier, later in itertools.pairwise(instants)]
        assert len(instants) < 20
        assert min(pauses) >= SECOND

    play(story, {"dns": {"1.0.0": 40}})


def test_a_refused_table_is_told_once_and_the_former_one_stays() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        refusals: list[RoutesRefused] = []
        sim.bus.subscribe(
            "test", lambda told: refusals.append(told.event) if isinstance(told.event, RoutesRefused) else None
        )
        before = sim.proxy.table
        sim.proxy.refuses = True
        sim.datacentre.kill(sim.serving("dns")[0])
        await sim.pass_time(Duration(MINUTE))
        assert sim.proxy.table is before
        assert len(refusals) == 1
        assert not sim.is_converged()
        sim.proxy.refuses = False
        await sim.converged(SOON)
        demand_whole(sim)

    play(story)


def test_a_proxy_that_hangs_is_told_of_and_asked_again() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        refusals: list[str] = []
        sim.bus.subscribe(
            "test", lambda told: refusals.append(told.event.words) if isinstance(told.event, RoutesRefused) else None
        )
        sim.proxy.hang()
        sim.datacentre.kill(sim.serving("dns")[0])
        await sim.pass_time(Duration(5 * MINUTE))
        assert refusals == ["the proxy has not taken the routes within 1m"]
        assert not sim.is_converged()
        sim.proxy.go_on()
        await sim.converged(SOON)
        demand_whole(sim)

    play(story)


def test_a_proxy_that_dies_is_started_again() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.proxy.die()
        await sim.pass_time(seconds(1))
        assert sim.proxy.is_running

    play(story)


def test_nothing_is_published_while_nothing_changes() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.pass_time(Duration(MINUTE))
        reloads, told = sim.proxy.reloads, sim.journal.count
        await sim.pass_time(Duration(30 * MINUTE))
        assert (sim.proxy.reloads, sim.journal.count) == (reloads, told)

    play(story)


def test_a_document_that_goes_bad_is_told_and_its_last_good_one_stays() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        good = sim.proxy.files["swagger.json"]
        refused: list[str] = []
        sim.bus.subscribe(
            "test", lambda told: refused.append(told.event.words) if isinstance(told.event, DocumentRefused) else None
        )
        sim.specs.contents[DNS] = b"<html>502 Bad Gateway</html>"
        await sim.pass_time(Duration(30 * MINUTE))
        assert len(refused) == 1
        assert json.loads(sim.proxy.files["swagger.json"])["paths"] == json.loads(good)["paths"]
        sim.specs.contents.clear()
        sim.specs.extra[DNS] = 3
        await sim.pass_time(Duration(MINUTE))
        paths = json.loads(sim.proxy.files["swagger.json"])["paths"]
        assert len(paths) == len(json.loads(good)["paths"]) + 3

    play(story)


def test_a_document_that_stays_the_same_is_asked_for_less_often_until_it_changes() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.pass_time(Duration(4 * HOUR))
        asked = sim.specs.fetches
        await sim.pass_time(Duration(3 * HOUR))
        assert sim.specs.fetches - asked == 3 * 2  # services
        sim.specs.extra[DNS] = 3
        await sim.pass_time(Duration(HOUR))
        assert b"more-2" in sim.proxy.files["swagger.json"]

    simulate(quick(1, poll="1m"), story)  # hours pass


def test_a_change_goes_out_at_once_when_the_last_one_is_long_ago() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.pass_time(Duration(MINUTE))
        begun = sim.clock.now()
        published: list[int] = []
        sim.bus.subscribe(
            "test", lambda told: published.append(told.at) if isinstance(told.event, RoutesPublished) else None
        )
        sim.server(sim.serving("dns")[0]).crash_service()
        await sim.pass_time(seconds(0.5))
        assert len(published) == 1
        assert published[0] - begun < SECOND // 5

    play(story)

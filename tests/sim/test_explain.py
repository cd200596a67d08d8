"""`hfs explain` over the whole control plane: servers, services and paths, well and in trouble."""

from __future__ import annotations

import pytest

from hfs_appliance.model.explained import PathExplanation, ServerExplanation, ServiceExplanation
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import SECOND, Duration, seconds
from hfs_appliance.ports.errors import UnknownName
from sim.desired import configuration
from sim.fleet import Simulation
from tests.support.fleets import SOON, play, settled


def test_whatever_there_is_can_be_explained() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        explain = sim.now.control.explain
        service = await explain("dns")
        assert isinstance(service, ServiceExplanation)
        assert (service.waits, service.holds) == ((), ())
        assert [one.phase for one in service.servers] == ["serving"] * 3
        assert service.routing is not None
        assert [(each.version, each.weight, each.members) for each in service.routing.divisions] == [("1.0.0", 1000, 3)]
        assert [each.traffic for each in service.routing.members] == ["yes"] * 3
        assert service.document.state == "current"
        assert {event.fields.get("service") for event in service.events} >= {"dns"}
        path = await explain("http://127.0.0.1:8080/dns/records?all=1")
        assert isinstance(path, PathExplanation)
        assert (path.path, path.service, path.upstream_path) == ("/dns/records", "dns", "/records")
        assert path.routing == service.routing
        for own in ("/", "/docs/index.html", "/swagger.json"):
            found = await explain(own)
            assert isinstance(found, PathExplanation)
            assert (found.service, found.words[:19]) == (None, "the endpoint itself")
        bare = await explain("/dns")
        assert isinstance(bare, PathExplanation)
        assert bare.words == "a redirect to /dns/, which goes to dns"

    play(story)


def test_a_service_that_is_being_retired_is_explained_to_its_end() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        control = sim.now.control
        await sim.now.plane.desired.apply(
            configuration({"domains": {"1.0.0": 2}}), "x.toml", "eva", None, is_confirmed=True
        )
        await sim.pass_time(seconds(2))
        service = await control.explain("dns")
        assert isinstance(service, ServiceExplanation)
        assert {count.desired for count in service.versions.values()} == {0}
        assert service.servers
        assert service.routing is None
        await sim.converged(SOON)
        with pytest.raises(UnknownName):
            await control.explain("dns")

    play(story)


@pytest.mark.parametrize(
    ("target", "meant"), [("dsn", "dns"), ("small-1", "small-0001"), ("/dsn/x", "/dns/"), ("small-99999", None)]
)
def test_an_unknown_target_gives_the_nearest_name(target: str, meant: str | None) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        with pytest.raises(UnknownName) as unknown:
            await sim.now.control.explain(target)
        if meant is not None:
            assert unknown.value.suggestion == meant

    play(story)


def test_a_service_that_has_lost_a_server_says_what_it_waits_for() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        control = sim.now.control
        sim.datacentre.faults.refused_creates = 1000
        for server in sim.serving("dns")[:3]:
            sim.datacentre.kill(server)
        await sim.pass_time(Duration(20 * SECOND))
        service = await control.explain("dns")
        assert isinstance(service, ServiceExplanation)
        waits = {each.what: each.words for each in service.waits}
        assert waits["1 more of 1.0.0"].startswith("a server of pool small: it has 0 warm"), waits
        assert {hold.scope for hold in service.holds} <= {"pool/small", "service/dns", "environment", "endpoint"}
        sim.datacentre.faults.refused_creates = 0
        await sim.converged(SOON)
        one = await control.explain(ServerId(sim.serving("dns")[0]))
        assert isinstance(one, ServerExplanation)
        assert (one.waits, one.holds) == ((), ())

    play(story)

"""An edge in a simulated environment: it follows what the appliances follow, tells of itself, and leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from hfs_appliance.model.balancer import Place
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import MINUTE, Duration, seconds
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.traffic import ProxyServes, ProxyState
from hfs_appliance.registry.formats import read_proxy
from hfs_appliance.runtime.edge import Edge, EdgeParts
from sim.fleet import Simulation
from sim.proxy import SimProxy, SimWorker
from sim.registry import SimRegistry
from tests.support.fleets import SOON, play, settled
from tests.support.parts import Sink

DNS = ServiceName("dns")
PLACE = Place("10.0.9.9", 8080)


class Site:
    """One edge with its proxy."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.proxy = SimProxy(sim.clock)
        timeout = sim.desired.registry.session_timeout
        parts = EdgeParts(
            registry=SimRegistry(sim.ensemble, session_timeout=timeout),
            proxy=self.proxy,
            last_good=None,
            specs=sim.specs,
            worker=SimWorker(sim.clock),
            clock=sim.clock,
            sink=Sink(),
            us=Candidate(appliance="edge-0001", name="edge-0001", address=""),
            place=PLACE,
        )
        self.edge = Edge(parts, sim.desired.environment, timeout)

    def told(self) -> ProxyServes | None:
        """Give what it has told, as the registry has it."""
        znode = self.sim.ensemble.core.tree.znodes.get(self.sim.layout.proxy("edge-0001"))
        return read_proxy(znode.value or b"") if znode is not None else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.edge.run)
            await self.sim.pass_time(seconds(10))
            yield
            nursery.cancel_scope.cancel()


def test_it_serves_what_the_appliances_serve_and_tells_where() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        site = Site(sim)
        async with site.running():
            assert site.proxy.table is not None
            assert sim.proxy.table is not None
            assert site.proxy.table.digest() == sim.proxy.table.digest()
            assert site.proxy.files == sim.proxy.files
            told = site.told()
            assert told is not None
            assert (told.proxy, told.address, told.port, told.state) == ("edge-0001", *PLACE, ProxyState.SERVES)
            sim.datacentre.kill(sim.serving("dns")[0])
            await sim.pass_time(Duration(MINUTE))
            assert site.proxy.table.digest() == sim.proxy.table.digest()
        await site.edge.leave()
        assert site.told() is None

    play(story)


def test_it_tells_that_it_is_behind_and_that_it_is_not_any_more() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        site = Site(sim)
        async with site.running():
            site.proxy.refuses = True
            sim.datacentre.kill(sim.serving("dns")[0])
            await sim.pass_time(Duration(MINUTE))
            told = site.told()
            assert told is not None
            assert (told.state, told.words) == (ProxyState.BEHIND, "nginx: configuration file test failed")
            site.proxy.refuses = False
            await sim.pass_time(Duration(MINUTE))
            assert (told := site.told()) is not None
            assert told.state is ProxyState.SERVES

    play(story)


def test_it_is_not_behind_with_the_routes_that_are_wanted_again() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        site = Site(sim)
        async with site.running():
            site.proxy.refuses = True
            for instances, state in ((4, ProxyState.BEHIND), (3, ProxyState.SERVES)):
                assert sim.now is not None
                await sim.now.control.scale(DNS, None, instances, "ann")
                await sim.converged(SOON)
                await sim.pass_time(seconds(10))
                assert (told := site.told()) is not None
                assert told.state is state

    play(story, {"dns": {"1.0.0": 3}})

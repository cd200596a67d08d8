"""The load observer: it reads only while somebody wants to know, and a source that fails makes the view old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.load import Measured, Reading, Series
from hfs_appliance.model.strain import Strain
from hfs_appliance.ports.errors import Transient
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_crews import CrewObserver
from hfs_appliance.runtime.observe_load import LoadObserver
from sim.clock import WorldClock
from tests.support.parts import Bench, pass_time, running, simulated

DNS, DOMAINS, V1 = ServiceName("dns"), ServiceName("domains"), Version("1.0.0")


class Source:
    """Ten requests to one service in each reading."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._begin = Instant(0)
        self.skips = self.readings = 0
        self.is_failing = False

    async def skip(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_failing:
            raise Transient("away")
        self.skips += 1
        self._begin = self._clock.now()

    async def read(self) -> Reading:
        await trio.lowlevel.checkpoint()
        if self.is_failing:
            raise Transient("away")
        self.readings += 1
        begin, self._begin = self._begin, self._clock.now()
        return Reading(begin=begin, end=self._begin, services={DNS: {V1: Measured(requests=10)}})


class Silence:
    """Agents that say nothing."""

    async def ask(self, address: str, *, within: Duration) -> Strain | None:
        raise AssertionError(f"nobody asks for the strain of {address}, within {within}")


@asynccontextmanager
async def observing(clock: WorldClock) -> AsyncIterator[tuple[LoadObserver, Source, Dirty]]:
    source, dirty = Source(clock), Dirty()
    crews = CrewObserver(Silence(), lambda: None, lambda: None, clock)
    observer = LoadObserver(source, crews, clock=clock, dirty=dirty)
    async with running(observer.run):
        yield observer, source, dirty


def series(observer: LoadObserver, service: ServiceName) -> Series:
    observation = observer.observation()
    return observation.value.services[service] if observation is not None else ()


@simulated
async def test_nothing_is_read_while_nobody_wants_to_know(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, source, _):
        await pass_time(60)
        assert (source.skips, source.readings, observer.observation()) == (0, 0, None)


@simulated
async def test_samples_follow_each_other_also_of_those_whom_nobody_asks(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, _, dirty):
        observer.want({DNS, DOMAINS})
        for _ in range(3):
            await dirty.wait()
        found = series(observer, DNS)
        assert [each.versions[V1].requests for each in found] == [10, 10, 10]
        assert [before.end for before in found[:-1]] == [after.begin for after in found[1:]]
        assert [each.versions for each in series(observer, DOMAINS)] == [{}, {}, {}]


@simulated
async def test_a_source_that_fails_makes_the_view_old_and_no_sample(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, source, dirty):
        observer.want({DNS})
        await dirty.wait()
        before = observer.observation()
        source.is_failing = True
        await pass_time(60)
        assert observer.observation() is before
        source.is_failing = False
        await dirty.wait()
        assert (
            series(observer, DNS)[-1].end - series(observer, DNS)[-1].begin >= 60 * 10**9
        )  # what was counted meanwhile is in it


@simulated
async def test_what_nobody_wants_any_more_is_forgotten(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, source, dirty):
        observer.want({DNS})
        await dirty.wait()
        observer.want(frozenset())
        await pass_time(10)
        assert observer.observation() is None
        readings = source.readings
        await pass_time(60)
        assert source.readings == readings
        observer.want({DNS})
        await dirty.wait()
        assert (source.skips, len(series(observer, DNS))) == (2, 1)


@simulated
async def test_a_source_that_fails_at_first_is_begun_later(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, source, dirty):
        source.is_failing = True
        observer.want({DNS})
        await pass_time(30)
        source.is_failing = False
        await dirty.wait()
        assert (source.skips, len(series(observer, DNS))) == (1, 1)

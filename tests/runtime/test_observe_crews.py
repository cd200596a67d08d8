"""The crew observer: it asks a sample, others each time, and knows nothing when too few answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hfs_appliance.config import load_text
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, to_seconds
from hfs_appliance.model.load import NO_CREW, Crew
from hfs_appliance.model.observed import InstanceStatus, Observation, Registration, RegistryView
from hfs_appliance.model.strain import Strain
from hfs_appliance.runtime.observe_crews import ASK_EVERY, ASKED, CrewObserver
from sim.clock import WorldClock
from sim.desired import configuration
from tests.support.parts import Bench, pass_time, running, simulated

DNS = ServiceName("dns")
FOLLOWING = load_text(configuration({"dns": {"1": 3}}, autoscale='min = 1, max = 90, cpu = "60%"'), "test.toml")
COUNTING = load_text(configuration({"dns": {"1": 3}}, autoscale="min = 1, max = 9, rps_per_instance = 9"), "test.toml")


def entry(number: int) -> Registration:
    return Registration(
        service=DNS, instance=f"small-{number}", version=Version("1"), address=f"10.0.0.{number}", port=1
    )


class Agents:
    """Agents of a service; each says ten times its number."""

    def __init__(self, count: int) -> None:
        self.entries = {f"small-{number}": entry(number) for number in range(1, count + 1)}
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.new: set[str] = set()
        self.takes_s = 0.0

    def view(self) -> Observation[RegistryView]:
        view = RegistryView(registrations={DNS: self.entries})
        return Observation(value=view, observed_at=Instant(0), revision=1)

    async def ask(self, address: str, *, within: Duration) -> Strain | None:
        assert within > 0
        self.asked.append(address)
        await pass_time(self.takes_s)
        if address in self.silent:
            return None
        number = int(address.rpartition(".")[2])
        return Strain(cpu=None if address in self.new else 10 * number, load=number)


@asynccontextmanager
async def observing(clock: WorldClock, agents: Agents) -> AsyncIterator[CrewObserver]:
    observer = CrewObserver(agents, lambda: FOLLOWING, agents.view, clock)
    async with running(observer.run):
        yield observer


@simulated
async def test_the_mean_of_all_is_told_when_they_are_few(bench: Bench) -> None:
    agents = Agents(3)
    async with observing(bench.clock, agents) as observer:
        await pass_time(1)
        assert observer.crew(DNS) == Crew(instances=3, cpu=20, load=2)
        agents.entries["small-3"] = replace(agents.entries["small-3"], status=InstanceStatus.DRAINING)
        await pass_time(10)
        assert observer.crew(DNS) == Crew(instances=2, cpu=15, load=1)
        assert observer.crew(ServiceName("other")) == NO_CREW


@simulated
async def test_of_many_a_sample_is_asked_and_others_each_time(bench: Bench) -> None:
    agents = Agents(3 * ASKED)
    async with observing(bench.clock, agents):
        await pass_time(1)
        assert len(agents.asked) == ASKED
        await pass_time(20)
        assert sorted(agents.asked) == sorted(found.address for found in agents.entries.values())


@pytest.mark.parametrize(("silent", "cpu"), [(1, 30), (2, 35), (3, None)])
def test_when_too_few_answer_nothing_is_known(silent: int, cpu: int | None) -> None:
    agents = Agents(4)
    agents.silent = {f"10.0.0.{number}" for number in range(1, silent + 1)}

    @simulated
    async def story(bench: Bench) -> None:
        async with observing(bench.clock, agents) as observer:
            await pass_time(1)
            assert observer.crew(DNS).cpu == cpu

    story()


@simulated
async def test_what_agents_do_not_know_yet_is_left_out(bench: Bench) -> None:
    agents = Agents(2)
    agents.new = {"10.0.0.1", "10.0.0.2"}
    async with observing(bench.clock, agents) as observer:
        await pass_time(1)
        assert observer.crew(DNS) == Crew(instances=2, cpu=None, load=1)


@simulated
async def test_what_was_said_long_ago_counts_no_more(bench: Bench) -> None:
    agents = Agents(2)
    observer = CrewObserver(agents, lambda: FOLLOWING, agents.view, bench.clock)
    async with running(observer.run):
        await pass_time(1)
    await pass_time(28)
    assert observer.crew(DNS).cpu == 15
    await pass_time(2)
    assert observer.crew(DNS) == Crew(instances=2)


@simulated
async def test_nobody_is_asked_for_what_nobody_follows(bench: Bench) -> None:
    agents = Agents(2)
    observer = CrewObserver(agents, lambda: COUNTING, agents.view, bench.clock)
    async with running(observer.run):
        await pass_time(60)
    assert agents.asked == []


@simulated
async def test_a_round_that_takes_longer_than_the_pace_is_followed_by_the_next_one(bench: Bench) -> None:
    agents = Agents(3)
    agents.takes_s = 2 * to_seconds(ASK_EVERY)
    async with observing(bench.clock, agents) as observer:
        await pass_time(1.5 * agents.takes_s)
        assert len(agents.asked) == 2 * 3
        assert observer.crew(DNS).cpu == 20

"""The probe observer: whom it asks, how often, and what it keeps of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Duration, seconds, to_seconds
from hfs_appliance.model.probes import Answer, Pulse, Target
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_probes import AT_ONCE, PROBE_EVERY, ProbeObserver
from sim.clock import WorldClock
from tests.support.parts import Bench, pass_time, running, simulated

ONE, TWO = ServerId("small-0001"), ServerId("small-0002")
GOOD = Answer(pulse=Pulse.ALIVE, words="status 200")
BAD = Answer(pulse=Pulse.SICK, words="status 503")
GONE = Answer(pulse=Pulse.DARK, words="connection refused")
ROUND_S = to_seconds(PROBE_EVERY)
ROUND_TRIP = seconds(0.1)


def at(address: str) -> Target:
    return Target(address=address, port=9000, path="/health")


class Answers:
    """Answers what it is told to, a tenth of a second after it was asked."""

    def __init__(self) -> None:
        self.at: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0

    async def probe(self, target: Target, *, within: Duration) -> Answer:
        assert within
        self.asked.append(target.address)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await pass_time(to_seconds(ROUND_TRIP))
        self.at_once -= 1
        return self.at.get(target.address, GOOD)


@asynccontextmanager
async def observing(clock: WorldClock) -> AsyncIterator[tuple[ProbeObserver[ServerId], Answers, Dirty]]:
    answers, dirty = Answers(), Dirty()
    observer: ProbeObserver[ServerId] = ProbeObserver(answers, clock=clock, dirty=dirty)
    async with running(observer.run):
        yield observer, answers, dirty


@simulated
async def test_nobody_is_asked_whom_nobody_wants_to_know_about(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, _):
        await pass_time(60)
        assert (answers.asked, observer.probes) == ([], {})


@simulated
async def test_failures_in_a_row_are_counted_by_kind_until_a_good_answer(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        seen = []
        observer.want({ONE: at("a")})
        for answer in (GONE, BAD, GONE, GONE, GOOD):
            answers.at["a"] = answer
            await dirty.wait()
            probe = observer.probes[ONE]
            seen.append((probe.answer.pulse, probe.failures, probe.darks))
        assert seen == [
            (Pulse.DARK, 1, 1),
            (Pulse.SICK, 2, 0),
            (Pulse.DARK, 3, 1),
            (Pulse.DARK, 4, 2),
            (Pulse.ALIVE, 0, 0),
        ]


@simulated
async def test_whoever_is_new_is_asked_at_once_and_the_others_at_the_pace(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        observer.want({ONE: at("a")})
        await dirty.wait()
        await pass_time(ROUND_S / 2)
        assert answers.asked == ["a"]
        observer.want({ONE: at("a"), TWO: at("b")})
        await dirty.wait()
        assert observer.probes.keys() == {ONE, TWO}
        await pass_time(10 * ROUND_S + 1)
        assert answers.asked.count("b") == 11


@simulated
async def test_what_nobody_wants_any_more_is_forgotten(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        observer.want({ONE: at("a"), TWO: at("b")})
        await dirty.wait()
        observer.want({TWO: at("b")})
        await dirty.wait()
        assert observer.probes.keys() == {TWO}
        observer.want({})
        await dirty.wait()
        assert observer.probes == {}
        asked = len(answers.asked)
        await pass_time(60)
        assert len(answers.asked) == asked


@simulated
async def test_another_address_is_counted_from_its_own_first_answer(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        answers.at = {"a": GONE, "b": GONE}
        observer.want({ONE: at("a")})
        await dirty.wait()
        await dirty.wait()
        assert observer.probes[ONE].failures == 2
        observer.want({ONE: at("b")})
        await dirty.wait()
        assert observer.probes[ONE].failures == 1


@simulated
async def test_a_storm_is_asked_a_few_at_a_time(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        observer.want({ServerId(f"small-{n:04d}"): at(str(n)) for n in range(1000)})
        await dirty.wait()
        assert len(observer.probes) == len(answers.asked) == 1000
        assert answers.most_at_once == AT_ONCE


@simulated
async def test_a_round_that_takes_longer_than_the_pace_is_followed_by_the_next_one(bench: Bench) -> None:
    async with observing(bench.clock) as (observer, answers, dirty):
        slow = 2 * AT_ONCE * PROBE_EVERY // ROUND_TRIP  # twice the pace for one round
        observer.want({ServerId(f"small-{n:04d}"): at(str(n)) for n in range(slow)})
        await dirty.wait()
        await dirty.wait()
        assert len(answers.asked) == 2 * slow

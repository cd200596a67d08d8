"""Virtual time: the heap and trio's deadlines are one, and standing still is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from hfs_appliance.model.instants import SECOND
from sim import determinism
from sim.clock import EPOCH, Deadlock, Reply, WorldClock, spend
from sim.streams import Streams, Table
from tests.support.parts import pass_time


def run(clock: WorldClock, main: Callable[[], Awaitable[object]]) -> None:
    determinism.run(Streams(1), clock, main)


def test_callbacks_and_deadlines_happen_in_the_order_of_their_instants() -> None:
    clock, told = WorldClock(), list[tuple[str, int]]()

    def tell(words: str) -> None:
        told.append((words, clock.now() - EPOCH))

    async def main() -> None:
        clock.after(3 * SECOND, lambda: tell("third"))
        clock.after(SECOND, lambda: tell("first"))
        clock.after(SECOND, lambda: tell("first too"))
        clock.after(SECOND, lambda: tell("never")).cancel()
        with trio.move_on_after(2):
            await trio.sleep_forever()
        tell("second")
        await spend(clock, 5 * SECOND).wait()
        tell("last")

    run(clock, main)
    assert told == [
        ("first", SECOND),
        ("first too", SECOND),
        ("second", 2 * SECOND),
        ("third", 3 * SECOND),
        ("last", 7 * SECOND),
    ]


def test_a_year_passes_without_waiting_and_without_drift() -> None:
    clock = WorldClock()

    async def main() -> None:
        for _ in range(365 * 24):
            await pass_time(3600)

    run(clock, main)
    drift = clock.now() - EPOCH - 365 * 24 * 3600 * SECOND
    assert 0 <= drift < 365 * 24 * 10, "ns; a wake-up is late by the rounding of trio's floats, never early"


def test_the_world_stops_where_it_woke_a_task() -> None:
    clock = WorldClock()

    async def main() -> int:
        reply: Reply[int] = Reply()
        clock.after(SECOND, lambda: reply.give(clock.now() - EPOCH))
        clock.after(2 * SECOND, lambda: None)
        assert await reply.wait() == SECOND
        return clock.now() - EPOCH

    assert determinism.run(Streams(1), clock, main) == SECOND


def test_nothing_can_ever_happen_is_told_with_where_everybody_waits() -> None:
    async def a_task_that_hangs() -> None:
        await Reply[None]().wait()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a_task_that_hangs)

    with pytest.raises(Deadlock, match=r"a_task_that_hangs.* > Reply\.wait"):
        run(WorldClock(), main)


def test_a_callback_that_fails_ends_the_run_with_its_own_error() -> None:
    clock = WorldClock()

    def fail() -> None:
        raise ValueError("of the world")

    async def main() -> None:
        clock.after(SECOND, fail)
        await pass_time(10)

    with pytest.raises(ValueError, match="of the world"):
        run(clock, main)


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    clock = WorldClock()

    async def main() -> None:
        with trio.move_on_after(1):
            await spend(clock, 2 * SECOND).wait()
        await pass_time(2)

    run(clock, main)
    assert clock.now() - EPOCH == 3 * SECOND


def test_draws_keep_to_their_table() -> None:
    stream = Streams(1).named("draws")
    table = Table(((0, 100), (500, 200), (1000, 1_000)))
    drawn = sorted(stream.draw(table) for _ in range(10_000))
    assert drawn[0] >= 100
    assert drawn[-1] < 1_000
    assert 190 <= drawn[5_000] <= 210

"""A simulated process under SIGSTOP: nothing of it moves, whatever wakes it; going on, it finds everything waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from sim import determinism
from sim.clock import EPOCH, Reply, WorldClock
from sim.process import Process
from sim.streams import Streams
from tests.support.parts import pass_time

SECOND = 10**9


class Log:
    """What tasks did, and when."""

    def __init__(self) -> None:
        self.clock = WorldClock()
        self.process = Process(self.clock)
        self.lines: list[tuple[int, str]] = []

    def note(self, words: str) -> None:
        self.lines.append(((self.clock.now() - EPOCH) // SECOND, words))

    def play(self, *tasks: Callable[[Log], Awaitable[None]], stop_at: int, go_on_at: int, seed: int = 1) -> list[str]:
        """Run tasks as one process that is stopped for a while; give what they noted."""

        async def live() -> None:
            self.process.adopt()
            async with trio.open_nursery() as nursery:
                for task in tasks:
                    nursery.start_soon(task, self)

        async def main() -> None:
            self.clock.at(EPOCH + stop_at * SECOND, self.process.stop)
            self.clock.at(EPOCH + go_on_at * SECOND, self.process.go_on)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(live)
                nursery.start_soon(bystander, self)

        determinism.run(Streams(seed), self.clock, main)
        return [f"{at} {words}" for at, words in self.lines]


async def bystander(log: Log) -> None:
    """No task of the process: it goes on."""
    for _ in range(2):
        await pass_time(5)
        log.note("bystander")


async def sleeper(log: Log) -> None:
    await pass_time(4)
    log.note("woke")
    await pass_time(1)
    log.note("woke again")


async def asker(log: Log) -> None:
    reply: Reply[str] = Reply()
    log.clock.at(EPOCH + 6 * SECOND, lambda: reply.give("answer"))
    with trio.move_on_after(7) as waiting:
        log.note(await reply.wait())
    log.note(f"late: {waiting.cancelled_caught}")


async def impatient(log: Log) -> None:
    with trio.move_on_after(5) as waiting:
        await trio.sleep_forever()
    log.note(f"gave up: {waiting.cancelled_caught}")


def test_nothing_moves_while_it_is_stopped_and_everything_is_late_afterwards() -> None:
    told = Log().play(sleeper, asker, impatient, stop_at=3, go_on_at=20)
    assert told[:2] == ["5 bystander", "10 bystander"]
    assert sorted(told[2:]) == ["20 answer", "20 gave up: True", "20 late: False", "20 woke", "21 woke again"]


def test_what_was_over_before_is_not_touched_and_a_stop_of_no_time_is_none() -> None:
    assert Log().play(sleeper, stop_at=6, go_on_at=7)[:2] == ["4 woke", "5 bystander"]
    assert "4 woke" in Log().play(sleeper, stop_at=2, go_on_at=2)


def test_it_is_the_same_in_every_run() -> None:
    runs = [Log().play(sleeper, asker, impatient, sleeper, stop_at=3, go_on_at=20, seed=7) for _ in range(5)]
    assert all(run == runs[0] for run in runs)


def test_it_can_be_stopped_by_one_of_its_own_tasks_in_the_midst_of_a_step() -> None:
    async def stops(log: Log) -> None:
        await pass_time(1)
        log.process.stop()
        log.note("still in its step")
        await trio.lowlevel.checkpoint()
        log.note("next step")

    assert Log().play(stops, stop_at=100, go_on_at=30)[:4] == [
        "1 still in its step",
        "5 bystander",
        "10 bystander",
        "30 next step",
    ]

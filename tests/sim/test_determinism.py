"""One seed, one journal: in other processes, under other hash seeds, and whatever ran before."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import deque
from pathlib import Path

import trio
from trio._core import _run as trio_run

from sim import determinism
from sim.clock import WorldClock
from sim.streams import Stream, Streams

ROOT = Path(__file__).parents[2]
PLAY = """
from tests.support.fleets import digest_of_a_bad_half_hour
print(digest_of_a_bad_half_hour({seed}))
"""


def test_the_private_names_of_trio_are_there() -> None:
    """Guards sim/determinism.py: a trio without these, or that uses them otherwise, needs another way."""
    assert trio.__version__ == "0.35.0"
    assert isinstance(trio_run._ALLOW_DETERMINISTIC_SCHEDULING, bool)  # pytest-trio sets it, too
    assert isinstance(trio_run._r, random.Random)

    async def look() -> None:
        assert isinstance(trio_run.GLOBAL_RUN_CONTEXT.runner.runq, deque)

    trio.run(look)


def test_trios_names_are_put_back() -> None:
    before = (trio_run._r, trio_run._ALLOW_DETERMINISTIC_SCHEDULING)
    determinism.run(Streams(1), WorldClock(), trio.lowlevel.checkpoint)
    assert (trio_run._r, trio_run._ALLOW_DETERMINISTIC_SCHEDULING) == before


def order_of_tasks(seed: int) -> list[int]:
    order: list[int] = []

    async def step(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(step, number)

    determinism.run(Streams(seed), WorldClock(), main)
    return order


def test_a_seed_is_a_schedule_and_another_seed_another_one() -> None:
    orders = {seed: order_of_tasks(seed) for seed in range(10)}
    assert orders == {seed: order_of_tasks(seed) for seed in range(10)}
    assert len({tuple(order) for order in orders.values()}) > 5


def test_two_processes_under_other_hash_seeds_write_the_same_journal() -> None:
    def play(hash_seed: str, seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", PLAY.format(seed=seed)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    first = play("1", 7)
    assert len(first.split()[0]) == 32
    assert first == play("2", 7)
    assert first != play("1", 8)


def test_streams_are_the_reference_splitmix64_and_do_not_shift_each_other() -> None:
    # First outputs for seed 1234567, from the reference implementation (prng.di.unimi.it/splitmix64.c).
    stream = Stream(1234567)
    assert [stream.bits64() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    streams = Streams(5)
    assert streams.named("cloud").bits64() == Streams(5).named("cloud").bits64()
    assert streams.named("cloud").bits64() != streams.named("registry").bits64()

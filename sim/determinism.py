"""One seed, one schedule: the only module that reaches into trio.

trio shuffles what it runs next, on purpose. Two private names of trio 0.35 (pinned in pyproject.toml, guarded by
tests/sim/test_determinism.py) make that a function of a seed: the switch that sorts before shuffling, and the generator
that shuffles. The generator is replaced by our own, because Python promises only `random()` to be stable over versions.
A third one, the queue of the tasks that can run, is what a stopped process is kept out of (sim/process.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio._core import _run as trio_run

from hfs_appliance.runtime.collector import collecting_seldom
from sim.clock import WakeWatch, WorldClock
from sim.streams import Stream, Streams

T = TypeVar("T")


def run(
    streams: Streams,
    clock: WorldClock,
    main: Callable[[], Awaitable[T]],
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """Run `main` in virtual time; equal seeds give equal runs. Errors: those of `main` and of callbacks, Deadlock."""

    async def within() -> T:
        with clock.watched():
            return await main()

    with collecting_seldom(), _scheduled(streams.named("schedule")):
        return trio.run(within, clock=clock, instruments=[WakeWatch(clock), *instruments])


def withdraw(task: trio.lowlevel.Task) -> None:
    """Take a task that has just been scheduled out of what is run next."""
    taken = _queue().pop()
    assert taken is task, "the one that was scheduled last"


def withdraw_all(is_wanted: Callable[[trio.lowlevel.Task], bool]) -> list[trio.lowlevel.Task]:
    """Take tasks that can run out of what is run next, and give them."""
    queue = _queue()
    taken = [task for task in queue if is_wanted(task)]
    for task in taken:
        queue.remove(task)
    return taken


def put_back(tasks: Iterable[trio.lowlevel.Task]) -> None:
    """Have tasks that were withdrawn run next."""
    _queue().extend(tasks)


def _queue() -> deque[trio.lowlevel.Task]:
    return trio_run.GLOBAL_RUN_CONTEXT.runner.runq


@contextmanager
def _scheduled(stream: Stream) -> Iterator[None]:
    names = vars(trio_run)
    before = {name: names[name] for name in ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")}
    names.update(_ALLOW_DETERMINISTIC_SCHEDULING=True, _r=stream)
    try:
        yield
    finally:
        names.update(before)

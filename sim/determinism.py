"""One seed, one schedule: the only module that reaches into trio.

trio shuffles what it runs next, on purpose. Two private names of trio 0.35 (pinned in pyproject.toml, guarded by
tests/sim/test_determinism.py) make that a function of a seed: the switch that sorts before shuffling, and the generator
that shuffles. The generator is replaced by our own, because Python promises only `random()` to be stable over versions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
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


@contextmanager
def _scheduled(stream: Stream) -> Iterator[None]:
    names = vars(trio_run)
    before = {name: names[name] for name in ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")}
    names.update(_ALLOW_DETERMINISTIC_SCHEDULING=True, _r=stream)
    try:
        yield
    finally:
        names.update(before)

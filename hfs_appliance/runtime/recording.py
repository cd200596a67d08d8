"""Recording: hands decisions to the decision journal, beside the loop: it waits neither for a disk nor for an encoder.

What is a value can be written later: the loop leaves each World and Plan here, and once a second they are written down
off the loop. A process that is killed loses the last second at most; a disk that is full or slow loses what it must,
with a word, and never holds up a decision.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from hfs_appliance.model.events import PartFailed
from hfs_appliance.model.instants import MINUTE, SECOND, Instant, after, to_seconds
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.world import World
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.worker import Worker
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.telemetry.decisions import DecisionLog

EVERY: Final = SECOND
AGAIN_AFTER: Final = MINUTE
"""A new file begins with everything: not each second on a full disk."""
MOST: Final = 2_000
"""Decisions that wait to be written; with more, the disk hangs, and memory is worth more than what led here."""


class Recording:
    """Call it with each decision; `run` writes them down."""

    def __init__(self, log: DecisionLog, *, worker: Worker, clock: Clock, sink: EventSink) -> None:
        self._log = log
        self._worker = worker
        self._clock = clock
        self._sink = sink
        self._waiting: list[tuple[World, Plan]] = []
        self._dirty = Dirty()
        self._is_writing = False
        self._again_at = Instant(0)
        self._failure = ""

    def __call__(self, world: World, plan: Plan) -> None:
        """Leave a decision to be written down."""
        if world.now < self._again_at:
            return
        if len(self._waiting) >= MOST:
            self._note(f"{MOST} decisions wait to be written: the disk does not keep up")
            return
        self._waiting.append((world, plan))
        self._dirty.mark()

    async def run(self) -> None:
        """Write down what is left here, until cancelled; then what is left by then."""
        self._is_writing = False
        try:
            while True:
                await self._dirty.wait()
                await trio.sleep(to_seconds(EVERY))
                decisions = self._taken()
                self._is_writing = True  # and stays so when the waiting is cancelled: the worker goes on by itself
                words = await self._worker.run(partial(_written, self._log, decisions))
                self._is_writing = False
                self._note(words)
        finally:
            if not self._is_writing:
                self._note(_written(self._log, self._taken()))

    def _taken(self) -> list[tuple[World, Plan]]:
        decisions, self._waiting = self._waiting, []
        return decisions

    def _note(self, words: str) -> None:
        """Take in how it went; a failure is told once until it goes well again."""
        if words:
            self._waiting = []
            self._again_at = after(self._clock.now(), AGAIN_AFTER)
            if not self._failure:
                self._sink.emit("telemetry", PartFailed(part="decision journal", words=words))
        self._failure = words


def _written(log: DecisionLog, decisions: list[tuple[World, Plan]]) -> str:
    """Write decisions down; say what went wrong. Runs in the worker, which has no business with the event stream."""
    try:
        log.write(decisions)
    except OSError as error:
        return str(error)
    return ""

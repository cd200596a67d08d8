"""Forking: at steps of trio's scheduler a copy of the process goes on with an appliance that is killed there.

A simulation is one thread without sockets, so that a copy of the process is a copy of the world. The copy plays its
story to the end and answers through a pipe; the process that it was copied from goes on as if nothing had happened.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sim.checkers import Docket
from sim.killing import AtSteps, kill_for_a_moment

if TYPE_CHECKING:
    from sim.fleet import Simulation

T = TypeVar("T")

MOST_WORDS: Final = 1000


class ForkAtSteps(AtSteps, Generic[T]):
    """X1: as KillAtStep, at each of the steps that are due, in so many copies at the same time.

    What `judge` makes of a copy at its end is its answer: small enough for a pipe that nobody reads yet.
    """

    def __init__(self, is_due: Callable[[int], bool], at_once: int, judge: Callable[[Simulation, Docket], T]) -> None:
        super().__init__()
        self._is_due = is_due
        self._at_once = at_once
        self._judge = judge
        self._copied: Simulation | None = None
        """In a copy: its world."""
        self._answer_to = 0
        """In a copy: where its answer goes."""
        self._copies: dict[int, tuple[int, int]] = {}
        """By the copy's process: its step, and where its answer comes from."""
        self._collected: Final[list[tuple[int, T]]] = []

    def reached(self, sim: Simulation) -> None:
        """Copy when it is time."""
        if not self._is_due(self.steps):
            return
        if len(self._copies) >= self._at_once:
            self._collect_one()
        source, target = os.pipe()
        process = os.fork()
        if process:
            os.close(target)
            self._copies[process] = (self.steps, source)
        else:
            self.stop()
            self._copied, self._answer_to = sim, target
            kill_for_a_moment(sim, sim.leading())

    def answer(self, docket: Docket, failed: BaseException | None) -> None:
        """End a copy with its answer, at the end of its story; the process that copies are made of waits for them.

        trio is wound up in that process alone, and when no copy runs any more: it wakes itself over a pipe that it
        shares with its copies, and a copy that read from it would have it sleep for ever.
        """
        if self._copied is None:
            for process in self._copies:
                os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
            return
        if failed is not None:
            docket.accuse("alive", f"the run ended with {type(failed).__name__}: {failed}"[:MOST_WORDS])
        with os.fdopen(self._answer_to, "wb") as pipe:
            pickle.dump(self._judge(self._copied, docket), pipe)
        os._exit(0)

    def collected(self) -> Iterable[tuple[int, T]]:
        """Wait for all copies; give the answer of each, by its step. Errors: EOFError, a copy has died."""
        while self._copies:
            self._collect_one()
        return self._collected

    def _collect_one(self) -> None:
        process, (step, source) = next(iter(self._copies.items()))  # the oldest; other children are not ours to reap
        del self._copies[process]
        os.waitpid(process, 0)
        with os.fdopen(source, "rb") as pipe:
            self._collected.append((step, pickle.load(pipe)))  # noqa: S301  # our own copy wrote it

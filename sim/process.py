"""A simulated process: the tasks of one life of the product; it can be stopped as by SIGSTOP while the world goes on.

Whatever would wake one of its tasks meanwhile (an answer, a deadline, a cancellation) has its effect on the task's
fate, as it would in a real process whose timers are all late; but no task takes a step until the process goes on. Tasks
of the batch that is just being run when the process is stopped still take that one step, at that very instant.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

import trio

from sim.clock import WorldClock
from sim.determinism import put_back, withdraw, withdraw_all

_OWNER: Final[ContextVar[Process | None]] = ContextVar("owner", default=None)
"""The process that a task belongs to; tasks hand it on to those that they start."""


class Process(trio.abc.Instrument):
    """Some tasks, and all that they start."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock: Final = clock
        self._held: list[trio.lowlevel.Task] = []
        self.is_stopped = False

    def adopt(self) -> None:
        """Make the calling task one of the process."""
        _OWNER.set(self)

    def stop(self) -> None:
        """Let no task take a step (SIGSTOP)."""
        if not self.is_stopped:
            self.is_stopped = True
            trio.lowlevel.add_instrument(self)
            self._held += withdraw_all(self._owns)

    def go_on(self) -> None:
        """Let the tasks go on (SIGCONT)."""
        if self.is_stopped:
            self.is_stopped = False
            trio.lowlevel.remove_instrument(self)
            held, self._held = self._held, []
            put_back(held)
            self._clock.note_wake()

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Hold back a task that could run now."""
        if self._owns(task):
            withdraw(task)
            self._held.append(task)

    def _owns(self, task: trio.lowlevel.Task) -> bool:
        return task.context.get(_OWNER) is self

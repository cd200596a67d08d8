"""Virtual time: one heap of callbacks for the world, and the clock that trio and the product see.

The world (registry, cloud, servers) is plain callbacks on the heap; only the control plane runs in trio. When no task
can run, trio asks how long to sleep: then the heap is played up to trio's next deadline, each callback at its own
instant, until one of them wakes a task. No time passes otherwise. The rule to keep: integer nanoseconds; a callback
never waits and never looks at trio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Final, Generic, TypeAlias, TypeVar

import outcome
import trio

from hfs_appliance.model.instants import SECOND, Duration, Instant

T = TypeVar("T")

EPOCH: Final = Instant(1_700_000_000 * SECOND)
"""When every simulation begins."""

Act: TypeAlias = Callable[[], None]


class Timer:
    """A callback that is due at an instant; cancelling it costs nothing."""

    __slots__ = ("act",)

    def __init__(self, act: Act) -> None:
        self.act: Act | None = act

    def cancel(self) -> None:
        """Let nothing happen."""
        self.act = None


class Deadlock(Exception):
    """Nothing can ever happen again: no callback, no deadline, and every task waits."""


class WorldClock(trio.abc.Clock):
    """Implements trio's Clock and the product's Clock port over the heap."""

    def __init__(self) -> None:
        self._now: int = EPOCH
        self._heap: list[tuple[int, int, Timer]] = []
        self._last = 0
        self._scope: trio.CancelScope | None = None
        self._is_woken = False
        self.failure: BaseException | None = None
        """What ended the run from outside of every task."""
        self.played = 0
        """Callbacks carried out so far."""

    # The world's side

    def now(self) -> Instant:
        """Give the present instant."""
        return Instant(self._now)

    def at(self, instant: int, act: Act) -> Timer:
        """Have `act` called at an instant; those of one instant in the order in which they were asked for."""
        timer = Timer(act)
        self._last += 1
        heappush(self._heap, (instant if instant > self._now else self._now, self._last, timer))
        return timer

    def after(self, span: int, act: Act) -> Timer:
        """Have `act` called after a span."""
        return self.at(self._now + span, act)

    # trio's side

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have the block cancelled, and raise, when the world fails or stands still."""
        with trio.CancelScope() as scope:
            self._scope = scope
            try:
                yield
            finally:
                self._scope = None
        if self.failure is not None:
            raise self.failure

    def note_wake(self) -> None:
        """Hear that a task can run: the world stops until it has."""
        self._is_woken = True

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        """Give the present to trio: seconds since the beginning."""
        return (self._now - EPOCH) / SECOND

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Play the world until `deadline`, or until a task can run."""
        limit = self._instant_of(deadline)
        if limit is None and self._scope is None:
            return math.inf  # trio itself winds up, over its own pipe; a world with traffic in it would never end
        heap = self._heap
        self._is_woken = False
        while not self._is_woken:
            if heap and (limit is None or heap[0][0] <= limit):
                self._now, _, timer = heappop(heap)
                if timer.act is not None:
                    self._play(timer.act)
            elif limit is not None:
                self._now = max(self._now, limit)
                break
            else:
                self._stop(Deadlock(f"nothing can ever happen; all tasks wait:\n{all_stacks()}"))
        return 0

    def _play(self, act: Act) -> None:
        self.played += 1
        try:
            act()
        except Exception as error:  # noqa: BLE001  # told to whoever runs the world, in place of trio's internal error
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        if self._scope is None or self.failure is not None:
            raise error  # ended already, and still stuck
        self.failure = error
        self._scope.cancel(reason="the simulated world has failed")

    def _instant_of(self, deadline: float) -> int | None:
        """Give the first instant that trio, which counts in floats, does not take for earlier than its deadline."""
        if deadline == math.inf:
            return None
        instant = EPOCH + math.ceil(deadline * SECOND)
        while (instant - EPOCH) / SECOND < deadline:
            instant += 1
        return instant


class SkewedClock:
    """The clock of a process that was started while its host's wall clock was wrong; implements the product's Clock."""

    def __init__(self, world: WorldClock, ahead: Duration) -> None:
        self._world: Final = world
        self._ahead: Final = ahead

    def now(self) -> Instant:
        """Give the present as this process takes it."""
        return Instant(self._world.now() + self._ahead)


class WakeWatch(trio.abc.Instrument):
    """Tells the clock whenever a task becomes able to run."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # trio's signature
        """Hear of a task."""
        self._clock.note_wake()


class Reply(Generic[T]):
    """One answer of the world that one task waits for; two to three times cheaper than an Event or a channel."""

    __slots__ = ("_outcome", "_task")

    def __init__(self) -> None:
        self._outcome: outcome.Outcome[T] | None = None
        self._task: trio.lowlevel.Task | None = None

    @property
    def is_given(self) -> bool:
        """Tell whether the answer is there."""
        return self._outcome is not None

    def give(self, value: T) -> None:
        """Answer."""
        self._settle(outcome.Value(value))

    def fail(self, error: Exception) -> None:
        """Answer with an error, which the waiter raises."""
        self._settle(outcome.Error(error))

    async def wait(self) -> T:
        """Wait for the answer; cancelled means abandoned."""
        if self._outcome is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        else:
            await trio.lowlevel.checkpoint()
        assert self._outcome is not None
        return self._outcome.unwrap()

    def _settle(self, answer: outcome.Outcome[T]) -> None:
        assert self._outcome is None, "an answer is given once"
        self._outcome = answer
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


def spend(clock: WorldClock, span: int) -> Reply[None]:
    """Give something to wait for that takes `span`."""
    reply: Reply[None] = Reply()
    clock.after(span, lambda: reply.give(None))
    return reply


def all_stacks() -> str:
    """Write where every task of this run waits."""
    root = trio.lowlevel.current_root_task()
    pending = [root] if root is not None else []
    lines: list[str] = []
    while pending:
        task = pending.pop()
        frames = [f"{frame.f_code.co_qualname}:{line}" for frame, line in task.iter_await_frames()]
        lines.append(f"  {task.name}: {' > '.join(frames)}")
        pending.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
    return "\n".join(lines)

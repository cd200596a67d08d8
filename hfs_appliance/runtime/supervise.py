"""Supervision: two combinators over trio nurseries, of which the whole tree is built (app.py).

A part fails by raising. `restarting` starts it again alone, with a pause; past its intensity the failure goes to the
parent, whose other parts are cancelled with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import trio

from hfs_appliance.model.events import PartRestarted
from hfs_appliance.model.instants import Duration, seconds, to_seconds
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink

Part: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How often a part may fail: `intensity` times within `period`, with a pause after each failure."""

    intensity: int = 10
    period: Duration = seconds(60)
    pause: Duration = seconds(0.2)
    pause_max: Duration = seconds(5)


async def together(*parts: Part) -> None:
    """Run parts side by side; the failure of one ends them all."""
    async with trio.open_nursery() as nursery:
        for part in parts:
            nursery.start_soon(part)


def restarting(name: str, part: Part, *, sink: EventSink, clock: Clock, policy: RestartPolicy | None = None) -> Part:
    """Give a part that runs `part` and starts it again whenever it fails; it ends when `part` ends by itself."""
    rule = policy or RestartPolicy()

    async def supervised() -> None:
        failures: deque[int] = deque(maxlen=rule.intensity)
        while True:
            try:
                await part()
            except Exception as error:  # the one place that may catch everything: it decides what lives on
                now = clock.now()
                if len(failures) == rule.intensity and now - failures[0] < rule.period:
                    raise
                failures.append(now)
                sink.emit("supervisor", PartRestarted(part=name, words=describe(error)))
                recent = sum(1 for at in failures if now - at < rule.period)
                pause = Duration(min(rule.pause_max, rule.pause << (recent - 1)))
                await trio.sleep(to_seconds(pause))
            else:
                return

    supervised.__qualname__ = name  # what trio calls its task, in a dump of all tasks
    return supervised


def describe(error: BaseException) -> str:
    """Say in one line what failed: the innermost errors of a group."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    words = str(error) or "no words"
    return f"{type(error).__name__}: {words}"

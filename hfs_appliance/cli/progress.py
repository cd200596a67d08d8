"""The console of `hfs run`: a live view until everything is there, then a line for what is worth one.

Everything is written from a thread of its own: a terminal that stands still (Ctrl-S, a full pipe) holds up the view,
never the appliance.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio
from pydantic_core import to_json
from rich.live import Live

from hfs_appliance.cli import render
from hfs_appliance.cli.failures import program
from hfs_appliance.cli.frame import EVENTS_SHOWN, frame, ready
from hfs_appliance.model.reports import EventReport, Status
from hfs_appliance.web.control import Control

if TYPE_CHECKING:
    from rich.console import Console

FRAME_S: Final = 0.2
_LAST_FRAME_WITHIN_S: Final = 1.0
_NOTEWORTHY: Final = frozenset(
    {"converged", "desired-changed", "leader-changed", "mode-changed", "proxy-restarted", "appliance-stopped"}
)
"""Kinds that get a line in the quiet phase whatever their severity."""
_NOTEWORTHY_PHASES: Final = frozenset({"serving", "suspect", "lost", "quarantined"})


async def show(control: Control, console: Console, *, is_json: bool = False, began_s: float | None = None) -> None:
    """Show what the appliance does, until cancelled; `began_s` is when it began, on the monotonic clock (now)."""
    if is_json:
        await _lines(control, console, lambda event: to_json(event).decode())
    elif not console.is_terminal:
        await _lines(control, console, lambda event: None if event.severity == "debug" else render.plain_event(event))
    else:
        await _live(control, console, time.monotonic() if began_s is None else began_s)


async def _lines(control: Control, console: Console, write: Callable[[EventReport], str | None]) -> None:
    async with aclosing(control.events(0, is_following=True)) as events:
        async for event in events:
            if (line := write(event)) is not None:
                await _in_thread(console.out, line, highlight=False)


@dataclass
class _Story:
    """The newest events."""

    newest: deque[EventReport] = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN))
    last_seq: int = 0

    async def follow(self, control: Control) -> None:
        async with aclosing(control.events(self.last_seq, is_following=True)) as events:
            async for event in events:
                self.last_seq = event.seq
                if not render.is_background(event):
                    self.newest.append(event)


async def _live(control: Control, console: Console, began_s: float) -> None:
    story = _Story()
    await _watch(control, console, story, began_s, lambda status: status.converged or _is_closing(status))
    if not _is_closing(control.status()):
        await _in_thread(console.print, ready(control.status(), time.monotonic() - began_s, program()))
        story.newest.clear()
        await _quiet(control, console, story)
    await _watch(control, console, story, time.monotonic(), lambda _: False)


def _is_closing(status: Status) -> bool:
    return status.mode == "closing"


async def _watch(
    control: Control, console: Console, story: _Story, began_s: float, is_enough: Callable[[Status], bool]
) -> None:
    """Redraw the live view until the status is what is waited for."""

    def draw() -> Any:
        status = control.status()
        servers = control.servers() if status.mode != "sync" else ()  # nothing is known of any before
        return frame("Building", status, servers, list(story.newest), time.monotonic() - began_s)

    async with trio.open_nursery() as nursery, _live_view(console, draw) as view:
        nursery.start_soon(story.follow, control)
        while not is_enough(control.status()):
            await _in_thread(view.update, draw(), refresh=True)
            await trio.sleep(FRAME_S)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _live_view(console: Console, draw: Callable[[], Any]) -> AsyncGenerator[Live, None]:
    view = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    await _in_thread(view.start)
    try:
        yield view
    finally:
        # The last frame stays on the screen and the cursor comes back, unless the terminal stands still.
        with trio.move_on_after(_LAST_FRAME_WITHIN_S, shield=True):
            await _in_thread(view.update, draw(), refresh=True)
            await _in_thread(view.stop)


async def _quiet(control: Control, console: Console, story: _Story) -> None:
    """Write a line for each noteworthy event until the environment is being closed."""
    async with aclosing(control.events(story.last_seq, is_following=True)) as events:
        async for event in events:
            if _is_closing(control.status()):
                return
            story.last_seq = event.seq
            if _is_noteworthy(event):
                await _in_thread(console.print, render.event(event))


def _is_noteworthy(event: EventReport) -> bool:
    is_trouble = event.severity in {"warning", "error"}
    return is_trouble or event.kind in _NOTEWORTHY or event.fields.get("phase") in _NOTEWORTHY_PHASES


_Result = TypeVar("_Result")


async def _in_thread(work: Callable[..., _Result], *arguments: Any, **options: Any) -> _Result:
    return await trio.to_thread.run_sync(lambda: work(*arguments, **options), abandon_on_cancel=True)

"""Waiting for a running appliance to do what was asked: the live view on a terminal, plain event lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rich.live import Live

from hfs_appliance.cli import render
from hfs_appliance.cli.client import Api
from hfs_appliance.cli.failures import INTERRUPTED, Failure, Unavailable
from hfs_appliance.cli.frame import EVENTS_SHOWN, frame
from hfs_appliance.model.reports import EventReport, Status

if TYPE_CHECKING:
    from rich.console import Console

LOOK_EVERY_S: Final = 0.3
RUN_GIVES_UP_S: Final = 60
"""`hfs run` ends once nothing has moved for so long, and leaves what it could not retire (runtime.ending.CLOSE_WITHIN,
which is dear to import)."""
GONE_WITHIN_S: Final = 150
"""When nothing has moved for so long it should have ended, one way or the other: it looks once a RUN_GIVES_UP_S."""


def until_converged(api: Api, console: Console, generation: int, after: int) -> None:
    """Show progress until `generation` (or a later one) is in force and converged. Errors: Failure."""
    _watch(api, console, after, lambda status: status.converged and status.generation >= generation)


def until_gone(api: Api, console: Console, after: int) -> None:
    """Show progress until `hfs run` has ended. Errors: Failure, when it did not end, or not in order."""
    moved = time.monotonic()
    to_do: tuple[int, int] | None = None

    def is_enough(status: Status) -> bool:
        nonlocal to_do, moved
        total = status.servers_total
        now = (total, total - status.servers_by_phase.get("deleting", 0))
        if to_do is None or now < to_do:
            to_do, moved = now, time.monotonic()
        return time.monotonic() - moved > GONE_WITHIN_S

    try:
        _watch(api, console, after, is_enough)
    except Unavailable:
        while api.is_listening() and time.monotonic() - moved <= GONE_WITHIN_S:
            time.sleep(LOOK_EVERY_S)
    if api.is_listening():
        raise Failure(
            f"`hfs run` has not ended, and nothing has moved for {GONE_WITHIN_S} s; it goes on",
            "`hfs status` shows what is left",
        )
    left = to_do[0] if to_do is not None else 0
    if left and time.monotonic() - moved >= RUN_GIVES_UP_S:
        raise Failure(
            f"`hfs run` has ended, but of {left} servers nobody saw the end",
            "its own last words say what is left, and what to do",
        )


def last_seq(api: Api) -> int:
    """Give the number of the newest event."""
    return max((event.seq for event in api.events(0)), default=0)


def _watch(api: Api, console: Console, after: int, is_enough: Callable[[Status], bool]) -> None:
    began = time.monotonic()
    newest: deque[EventReport] = deque(maxlen=EVENTS_SHOWN)
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    if live is not None:
        live.start()
    try:
        while True:
            status = api.status()
            for event in api.events(after):
                after = event.seq
                if render.is_background(event):
                    continue
                newest.append(event)
                if live is None:
                    console.out(render.plain_event(event), highlight=False)
            if live is not None:
                servers = api.servers() if status.mode != "sync" else ()  # nothing is known of any before
                view = frame("Converging", status, servers, list(newest), time.monotonic() - began)
                live.update(view, refresh=True)
            if is_enough(status):
                return
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        raise Failure("no longer waiting; what was asked for goes on", code=INTERRUPTED) from None
    finally:
        if live is not None:
            live.stop()

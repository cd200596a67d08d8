"""Fitness: whether a warm server is good enough for a role, found out before it gets one.

A server that waits for days may lose its disk or half of what it was built with, and nobody would notice before it is
claimed. So its agent asks, again and again: can the disk be written, and what does the pool's own `check` say?
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Never

import trio

from hfs_appliance.adapters.process import replace_file
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError, status_of
from hfs_appliance.model.instants import Duration, format_duration, seconds, to_seconds

EVERY: Final = seconds(60)
_WITHIN: Final = seconds(30)


async def keep_asking(site: Site, log: Log, tell: Callable[[str], None], *, every: Duration = EVERY) -> Never:
    """Ask, and tell whenever the answer is another one; it is empty while all is well."""
    before = ""
    while True:
        found = await _ask(site)
        if found != before:
            log.say(f"unfit for a role: {found}" if found else "fit for a role again")
            tell(found)
        before = found
        await trio.sleep(to_seconds(every))


async def _ask(site: Site) -> str:
    try:
        await trio.to_thread.run_sync(replace_file, site.directory / "fitness", b"")
    except OSError as error:
        return f"its disk cannot be written: {error.strerror}"
    command = site.identity.recipe.check
    if not command:
        return ""
    words = " ".join(command)
    status = None
    try:
        with trio.move_on_after(to_seconds(_WITHIN)):
            status = await status_of(command)
    except StepError as error:
        return str(error)
    if status is None:
        return f"{words} took longer than {format_duration(_WITHIN)}"
    return f"{words} ended with status {status}" if status else ""

"""The factory's stages on this server: updates, then configuration. Each until it succeeds.

What fails is told to the operator and run again after a pause: a mirror comes back, and what Puppet could not do in its
first run it often can in its second. How long that may go on is MCP's decision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from hfs_appliance.agent.log import Log
from hfs_appliance.agent.puppet import run as puppet
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError, run_tool
from hfs_appliance.model.instants import Duration, between, format_duration, seconds, to_seconds
from hfs_appliance.ports.clock import Clock

_PAUSE: Final = seconds(2)
_PAUSE_MAX: Final = seconds(60)


async def build(site: Site, clock: Clock, log: Log, complain: Callable[[StepError | None], None]) -> None:
    """Carry out all stages, and keep how they went. `complain` hears what fails, and None when that is over."""
    told: list[str] = []
    for name, stage in (("updates", _update), ("configuration", _configure)):
        begun = clock.now()
        log.say(f"stage {name}")
        words = await _until_good(name, partial(stage, site, log), log, complain)
        took = format_duration(between(begun, clock.now()))
        told.append(f"{name} {took} ({words})" if words else f"{name} {took}")
    site.note_built(", ".join(told))


async def _until_good(
    name: str, stage: Callable[[], Awaitable[str]], log: Log, complain: Callable[[StepError | None], None]
) -> str:
    pause = _PAUSE
    while True:
        try:
            words = await stage()
        except StepError as error:
            log.say(f"stage {name} has failed: {error}; once more in {format_duration(pause)}")
            complain(StepError(f"stage {name}: {error}", error.report))
            await trio.sleep(to_seconds(pause))
            pause = min(Duration(2 * pause), _PAUSE_MAX)
        else:
            complain(None)
            return words


async def _update(site: Site, log: Log) -> str:
    await trio.sleep(to_seconds(site.identity.updates))
    command = site.identity.recipe.updates
    if command:
        log.say(f"running {' '.join(command)}")
        await run_tool(command)
    return ""


async def _configure(site: Site, log: Log) -> str:
    recipe = site.identity.recipe
    if recipe.puppet is not None:
        return await puppet.build(site, recipe.puppet, log)
    await trio.sleep(to_seconds(site.identity.configuration))
    return ""

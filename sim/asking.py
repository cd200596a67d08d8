"""Asking: what operators want of the control plane that lives now, through its real control, in tasks of their own.

No fault waits for an answer. What the product refuses is written into the journal; who puts something right asks again
until it is done, as a person does who was told that somebody else was quicker, or that nobody answers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from hfs_appliance.config import ConfigError
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.errors import PortError, Unconfirmed, UnknownName
from hfs_appliance.runtime.control import ApplianceControl

if TYPE_CHECKING:
    from sim.fleet import Simulation

AUTHOR: Final = "simulated operator"
ASKS_AGAIN: Final = seconds(10)
"""Well within the time that a story gives hfs to notice its end."""
WAITS: Final = seconds(60)
"""Longer than hfs itself waits for anything on the way to an answer."""

Request = Callable[[ApplianceControl], Awaitable[object]]


async def ask(sim: Simulation, what: str, request: Request, *, insists: bool, whom: str) -> None:
    """Ask an appliance, and note in the journal what became of it; who insists asks again until it is done."""
    while not await _is_done(sim, what, request, whom) and insists:  # noqa: ASYNC110  # a person asks again, nothing tells
        await trio.sleep(to_seconds(ASKS_AGAIN))


async def _is_done(sim: Simulation, what: str, request: Request, whom: str) -> bool:
    asked = sim.appliances.get(whom)
    if asked is None or not asked.is_alive:
        sim.note(f"asked to {what}: nobody answers")
        return False
    try:
        with trio.move_on_after(to_seconds(WAITS)) as waiting:
            await request(asked.control)
    except (PortError, ConfigError, UnknownName, trio.TooSlowError) as error:
        sim.note(f"asked to {what}: {type(error).__name__} {error}")
        return False
    if waiting.cancelled_caught:  # killed with the question, as often as not
        sim.note(f"asked to {what}: no answer")
        return False
    sim.note(f"asked to {what}: done")
    return True


def changing(change: Callable[[str], str], *, is_sure: bool = True) -> Request:
    """Give the request to apply the desired state's source, changed; whoever is sure confirms what it removes."""

    async def apply(control: ApplianceControl) -> object:
        generation, source = await control.desired_source()

        async def once(confirm: str | None) -> object:
            return await control.apply(change(source), "simulated.toml", AUTHOR, generation, confirm=confirm)

        return await confirmed(once, is_sure=is_sure)

    return apply


async def confirmed(request: Callable[[str | None], Awaitable[object]], *, is_sure: bool) -> object:
    """Ask, and once more with the plan's hash when that is asked for. Errors: those of the request."""
    try:
        return await request(None)
    except Unconfirmed as error:
        if not is_sure:
            raise
        return await request(error.hash)


def block_of(service: str) -> re.Pattern[str]:
    """Match a service's part of a source that sim/desired.py wrote."""
    return re.compile(rf"^\[service\.{re.escape(service)}\]\n(?:[^\[\n].*\n)*", re.MULTILINE)

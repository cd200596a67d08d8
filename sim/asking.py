"""Asking: what operators want of the control plane that lives now, through its real control, in tasks of their own.

Nobody waits for an answer: a fault goes on, whatever the product says. What it refuses is written into the journal.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from hfs_appliance.config import ConfigError
from hfs_appliance.ports.errors import PortError, UnknownName
from hfs_appliance.runtime.control import ApplianceControl

if TYPE_CHECKING:
    from sim.fleet import Simulation

AUTHOR: Final = "simulated operator"

Request = Callable[[ApplianceControl], Awaitable[object]]


async def ask(sim: Simulation, what: str, request: Request) -> None:
    """Ask, and note in the journal what became of it."""
    if sim.now is None or not sim.now.is_alive:
        sim.note(f"asked to {what}: nobody answers")
        return
    try:
        await request(sim.now.control)
    except (PortError, ConfigError, UnknownName, trio.TooSlowError) as error:
        sim.note(f"asked to {what}: {type(error).__name__} {error}")
    else:
        sim.note(f"asked to {what}: done")


def changing(change: Callable[[str], str]) -> Request:
    """Give the request to apply the desired state's source, changed."""

    async def apply(control: ApplianceControl) -> object:
        generation, source = await control.desired_source()
        return await control.apply(change(source), "simulated.toml", AUTHOR, generation)

    return apply


def block_of(service: str) -> re.Pattern[str]:
    """Match a service's part of a source that sim/desired.py wrote."""
    return re.compile(rf"^\[service\.{re.escape(service)}\]\n(?:[^\[\n].*\n)*", re.MULTILINE)

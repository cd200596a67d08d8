"""How an appliance ends. Only one that is alone retires an environment unasked: others would want to go on with it.

| | alone | others live |
|---|---|---|
| `hfs down` was asked of the leader | everything is retired | everything is retired, all end |
| a signal, without `--keep` | everything is retired | hands over, and leaves |
| a signal, with `--keep` | lays the office down, leaves all running | hands over, leaves its proxy running |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from hfs_appliance.model.instants import Duration, seconds, to_seconds
from hfs_appliance.model.plan import Phase, Plan
from hfs_appliance.ports.errors import PortError
from hfs_appliance.runtime.leadership import Leadership
from hfs_appliance.runtime.plane import ControlPlane

CLOSE_WITHIN: Final = seconds(60)
"""Ending the environment gives up once nothing has moved for this long, and says what is left."""
HAND_OVER_WITHIN: Final = seconds(10)
"""What is under way has so long to end."""
TAKEN_WITHIN: Final = seconds(3)
"""Whoever stands by takes the office within milliseconds, if it lives."""

Wait: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What goes on when the appliance has ended."""

    words: str
    keeps_servers: bool
    """Servers, and the registry if it is ours."""
    keeps_proxy: bool
    left: tuple[str, ...] = ()
    """Servers that were to end and did not."""


async def end(plane: ControlPlane, *, is_keeping: bool, interrupted: Wait) -> Ending:
    """Do what has to be done before the appliance ends; `interrupted` returns when somebody loses patience."""
    leadership = plane.leadership
    if not plane.desired.is_closing:
        if leadership.others and (name := await _leave(leadership, interrupted)):
            words = f"{name} leads the environment; its servers go on running"
            return Ending(words=words, keeps_servers=True, keeps_proxy=is_keeping)
        if is_keeping:
            await _lay_down(leadership, interrupted)
            words = "servers, proxy and registry go on running"
            return Ending(words=words, keeps_servers=True, keeps_proxy=True)
    left = await _retire(plane, interrupted)
    if left:
        # What could not be ended must not lose its registry and its endpoint.
        words = f"{len(left)} servers, proxy and registry are still running: {', '.join(left)}"
        return Ending(words=words, keeps_servers=True, keeps_proxy=True, left=left)
    return Ending(words="nothing is left running", keeps_servers=False, keeps_proxy=False)


async def _leave(leadership: Leadership, interrupted: Wait) -> str:
    """See to it that another appliance leads, and give its name; empty when there is none after all."""
    if leadership.leads():
        await _hand_over(leadership, interrupted, is_for_good=False)
        with trio.move_on_after(to_seconds(TAKEN_WITHIN)):
            while leadership.followed() is None:
                await leadership.wait_change()
    leader = leadership.followed()
    return leader.name if leader is not None else ""


async def _lay_down(leadership: Leadership, interrupted: Wait) -> None:
    if leadership.leads():
        await _hand_over(leadership, interrupted, is_for_good=True)


async def _hand_over(leadership: Leadership, interrupted: Wait, *, is_for_good: bool) -> None:
    async def hand_over() -> None:
        try:
            await leadership.hand_over(HAND_OVER_WITHIN, is_for_good=is_for_good)
        except (PortError, trio.TooSlowError):
            return  # the end of our session says the same, a little later

    await first_of(hand_over, interrupted)


async def _retire(plane: ControlPlane, interrupted: Wait) -> tuple[str, ...]:
    """Retire every server, and give those that are left when patience is over."""
    plane.close()

    async def patiently() -> None:
        before = None
        while before is None or _to_do(plane) < before:
            before = _to_do(plane)
            with trio.move_on_after(to_seconds(CLOSE_WITHIN)):
                await plane.wait_closed()
                return

    await first_of(patiently, interrupted)
    plan = plane.reconciler.plan
    return tuple(sorted(plan.verdicts)) if plan is not None else ()


def _to_do(plane: ControlPlane) -> tuple[int, int]:
    """Count the servers that are left, and those whose end has not begun."""
    plan = plane.reconciler.plan or Plan()
    return len(plan.verdicts), len(plan.verdicts) - plan.phases.get(Phase.DELETING, 0)


async def first_of(*waits: Wait) -> None:
    """Wait until one of them returns; the others are cancelled."""
    async with trio.open_nursery() as nursery:

        async def run(wait: Wait) -> None:
            await wait()
            nursery.cancel_scope.cancel(reason="another one was first")

        for wait in waits:
            nursery.start_soon(run, wait)


async def wait_built(plane: ControlPlane, built: trio.Event) -> None:
    """Wait until everything is as asked for while this appliance leads, and set `built`."""
    while plane.leadership.acting is None or not plane.convergence.is_reached():
        await first_of(plane.convergence.wait_change, plane.leadership.wait_change)
    built.set()


async def wait_led_by_another(leadership: Leadership, patience: Duration) -> None:
    """Wait until another appliance leads, and goes on: one that was killed leads until its session ends."""
    while True:
        while leadership.followed() is None:
            await leadership.wait_change()
        with trio.move_on_after(to_seconds(patience)):
            while leadership.followed() is not None:
                await leadership.wait_change()
        if leadership.followed() is not None:
            return

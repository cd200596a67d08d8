"""Health: asks this server's own instance again and again, and tells each answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Never

import trio

from hfs_appliance.adapters.probe import ask
from hfs_appliance.model.desired import Health
from hfs_appliance.model.instants import Duration, seconds, to_seconds
from hfs_appliance.model.probes import Answer, Target

_FIRST: Final = seconds(0.1)
_GROWTH: Final = 1.5


async def probe(address: str, port: int, health: Health, tell: Callable[[Answer], None]) -> Never:
    """Ask in quick succession until an answer was good, then at the interval."""
    target = Target(address=address, port=port, path=health.path)
    pause: Duration = min(_FIRST, health.interval)
    while True:
        asked_at = trio.current_time()
        answer = await ask(target, within=health.timeout, who="hfs-agent")
        tell(answer)
        if answer.is_healthy:
            pause = health.interval
        await trio.sleep_until(asked_at + to_seconds(pause))
        pause = min(Duration(round(pause * _GROWTH)), health.interval)

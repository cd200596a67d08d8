"""The way back: from the order to roll back, while the old version is warm, until every proxy has acknowledged it.

On the local environment, under steady load with retries off. Decision and acknowledgement are read from the events;
the whole command is what its user waits for, Python's start included.
"""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import trio

from bench.load import LoadReport, steady
from bench.measure import Spread
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.model.instants import SECOND
from tests.support.appliance import LOCAL, ROOT, Appliance, Json

ROUNDS: Final = 30
RATE: Final = 200.0
CONNECTIONS: Final = 16
SERVICE: Final = "dns"
PATHS: Final = ("/dns/zones", "/domains/domains")
VERSION: Final = "1.0.1"


async def run() -> dict[str, object]:
    """Go forward and back again and again, under load."""
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        appliance = Appliance.prepare([ROOT / "dist" / "hfs"], Path(directory), LOCAL.read_text())
        appliance.start()
        try:
            await appliance.converged(within_s=180)
            return await measure(appliance)
        finally:
            appliance.clean()


async def measure(appliance: Appliance) -> dict[str, object]:
    """Give what each part of the way took, and what became of the requests meanwhile."""
    stop, reports = trio.Event(), list[LoadReport]()
    ways: list[Spread] = []

    async def load() -> None:
        urls = [appliance.endpoint + path for path in PATHS]
        reports.append(await steady(urls, rate=RATE, stop=stop, connections=CONNECTIONS))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        ways.extend(await there_and_back(appliance))
        stop.set()
    forward, back, command = ways
    report = reports[0]
    return {
        "upgrade: the whole command": forward,
        "rollback: order → acknowledged by every proxy": back,
        "rollback: the whole command": command,
        "requests": report.sent,
        "failed": len(report.failures),
        "requests, p99 (ms)": round(report.latency_ms_p99, 1),
    }


async def there_and_back(appliance: Appliance) -> tuple[Spread, Spread, Spread]:
    """Time upgrades, the ways back from the order to the last acknowledgement, and the commands that order them."""
    clock = SystemClock()
    forward, back, commands = list[int](), list[int](), list[int]()
    for _ in range(ROUNDS):
        last = (await appliance.events())[-1]["seq"]
        began = clock.now()
        await ordered(appliance, "upgrade", SERVICE, VERSION)
        forward.append(clock.now() - began)
        began = clock.now()
        await ordered(appliance, "rollback", SERVICE)
        commands.append(clock.now() - began)
        asked = await appliance.told("operator-asked", last, what="abort")
        heard = await appliance.told("rollout-changed", asked["seq"], phase="contract")
        back.append(round((instant(heard) - instant(asked)).total_seconds() * SECOND))
        await appliance.converged(within_s=120)
    return Spread.of(forward), Spread.of(back), Spread.of(commands)


async def ordered(appliance: Appliance, *command: str) -> None:
    """Have a command carried out. Errors: SystemExit, with its words."""
    done = await appliance.hfs(*command)
    if done.returncode:
        raise SystemExit(done.stderr)


def instant(event: Json) -> datetime:
    """Tell when something happened."""
    return datetime.fromisoformat(event["at"])

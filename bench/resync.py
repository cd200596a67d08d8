"""Reading all registrations anew, as after every reconnection: 5,000 below 100 services, through the adapter.

The embedded registry and a real ZooKeeper answer side by side. What a resync costs is mostly kazoo's own CPU time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import trio

from bench.measure import repeat_async
from hfs_appliance.ports.registry import CreateOp, Registry, Znode
from tests.support.registries import connected
from tests.support.zookeeper import Servers, embedded, standalone

SERVICES: Final = 100
INSTANCES: Final = 50
VALUE: Final = b"x" * 300
"""About as long as a registration in Curator's JSON."""
ROOT: Final = "/hfs/bench/services"
REPEATS: Final = 15


async def run() -> dict[str, object]:
    """Read the same tree from both kinds of servers."""
    findings: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as folder:
        findings["embedded"] = await measure(embedded, Path(folder, "embedded"))
        findings["ZooKeeper"] = await measure(standalone, Path(folder, "zookeeper"))
    return findings


async def measure(kind: Callable[[Path], AbstractAsyncContextManager[Servers]], folder: Path) -> dict[str, object]:
    """Fill one server and read it often."""
    async with kind(folder) as servers, connected(*servers.hosts) as registry:
        await fill(registry)
        return {
            "names only": await repeat_async(REPEATS, partial(read_names, registry)),
            "names and values": await repeat_async(REPEATS, partial(read_all, registry)),
            "one value": await repeat_async(100 * REPEATS, partial(registry.get, f"{ROOT}/service-0/instance-0")),
        }


async def fill(registry: Registry) -> None:
    """Register all instances, one transaction a service."""
    for service in range(SERVICES):
        path = f"{ROOT}/service-{service}"
        await registry.create(path)
        await registry.transact(
            [CreateOp(path=f"{path}/instance-{n}", value=VALUE, is_ephemeral=True) for n in range(INSTANCES)]
        )


async def read_names(registry: Registry) -> list[str]:
    """List the instances of all services, the lists on their way together."""
    found: list[str] = []

    async def read(service: str) -> None:
        found.extend(f"{ROOT}/{service}/{name}" for name in await registry.children(f"{ROOT}/{service}"))

    async with trio.open_nursery() as nursery:
        for service in await registry.children(ROOT):
            nursery.start_soon(read, service)
    assert len(found) == SERVICES * INSTANCES
    return found


async def read_all(registry: Registry) -> list[Znode]:
    """Read all instances."""
    found = await registry.get_many(await read_names(registry))
    entries = [entry for entry in found.values() if entry is not None]
    assert len(entries) == SERVICES * INSTANCES
    return entries

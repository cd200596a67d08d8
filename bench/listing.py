"""What 1,000 servers of an OpenStack cloud cost hfs each time it looks: the list, what has changed in it, the plan.

Against the fake the servers are made first. A real control plane (HFS_OPENSTACK) lists what is in the project: most of
the time is the control plane's own then, so a bare GET of the same pages stands beside it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import trio

from bench.cloud import IMAGE, Proxied, proxied, real
from bench.measure import Spread, repeat, repeat_async
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import OpenStackCloud as Settings
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import seconds
from sim.worlds import converged_fleet
from tests.support.clouds import spec

SERVERS: Final = 1_000
ENVIRONMENT: Final = EnvironmentName("listing")
TIMES: Final = 20
TIMES_REAL: Final = 5
AT_ONCE: Final = 16


async def run() -> dict[str, object]:
    """Time a list, another one after it, and a plan."""
    times = TIMES if real() is None else TIMES_REAL
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        async with proxied(Path(directory), 0.0) as cloud:
            if real() is None:
                await make(client(cloud))
            bare = await repeat_async(times, lambda: read(cloud))
            whole = await repeat_async(times, lambda: client(cloud).servers())
            standing = client(cloud)
            there = len((await standing.servers()).servers)
            changes = await repeat_async(times, standing.servers)
    return {
        "bare GET of all pages": bare,
        "the whole list, logging in": whole,
        "what has changed since": changes,
        f"a plan for {SERVERS} servers, all looked at": plans(),
        "servers of the environment": there,
    }


def client(cloud: Proxied) -> OpenStackCloud:
    """Give a client that has read nothing yet."""
    settings = Settings(
        cloud=cloud.entry,
        clouds_file=str(cloud.direct),
        image=IMAGE,
        flavor=str(cloud.terms["flavor"]),
        networks=(cloud.network,),
        call_within=seconds(60),
    )
    return OpenStackCloud(ENVIRONMENT, settings, cloud.past_proxy(), SystemClock())


async def make(cloud: OpenStackCloud) -> None:
    """Ask for the servers."""
    names = iter([ServerId(f"small-{number:04d}") for number in range(1, SERVERS + 1)])

    async def ask() -> None:
        for name in names:
            await cloud.create(spec(ENVIRONMENT, name))

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(ask)


async def read(cloud: Proxied) -> None:
    """Read all pages, and nothing of what they say."""
    door = cloud.past_proxy()
    marker: str | None = None
    while True:
        query = {"marker": marker} if marker is not None else {}
        answer = await door.ask(Call(api=Api.COMPUTE, method="GET", path="/servers/detail", query=query))
        if not answer.body.get("servers_links"):
            return
        marker = answer.body["servers"][-1]["id"]


def plans() -> Spread:
    """Time the first plan of a process, in which every server is looked at."""
    world = converged_fleet(SERVERS).world()
    return repeat(TIMES, lambda: Decider().decide(world))

"""What 1,000 servers of an OpenStack cloud cost hfs each time it looks: the list, what has changed in it, the plan.

Against the fake the servers are made first. On a real control plane (HFS_OPENSTACK) one is made, and the others are
copies in nova's books (copies.py). There most of the time is the control plane's own, so a bare GET of the same pages
stands beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from bench.cloud import IMAGE, Proxied, proxied, real
from bench.copies import Original
from bench.measure import Spread, repeat, repeat_async
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import OpenStackCloud as Settings
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.observed import CloudStatus
from sim.worlds import converged_fleet
from tests.support.clouds import delete_all, spec, wait_status

SERVERS: Final = 1_000
ENVIRONMENT: Final = EnvironmentName("listing")
TIMES: Final = 20
TIMES_REAL: Final = 5
WITHIN_S: Final = 300
ONE: Final = ServerId("small-0001")
AT_ONCE: Final = 16


async def run() -> dict[str, object]:
    """Time a list, another one after it, and a plan."""
    times = TIMES if real() is None else TIMES_REAL
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        async with proxied(Path(directory), 0.0) as cloud, populated(cloud):
            bare = await repeat_async(times, lambda: read(cloud))
            whole = await repeat_async(times, lambda: client(cloud).servers())
            standing = client(cloud)
            there = len((await standing.servers()).servers)
            changes = await repeat_async(times, standing.servers)
    return {
        "cloud": "fake" if real() is None else "real",
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


@asynccontextmanager
async def populated(cloud: Proxied) -> AsyncIterator[None]:
    """Have the servers; on a real control plane they go afterwards."""
    clouds = real()
    if clouds is None:
        await make(client(cloud))
        yield
        return
    one = client(cloud)
    await one.create(spec(ENVIRONMENT, ONE))
    try:
        with trio.fail_after(WITHIN_S):
            made = await wait_status(one, ONE, CloudStatus.ACTIVE)
        original = Original(clouds=clouds, cloud_id=made.cloud_id)
        try:
            original.copy(SERVERS)
            yield
        finally:
            original.remove()
    finally:
        with trio.CancelScope(shield=True):
            await delete_all(client(cloud))


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

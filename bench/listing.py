"""What 1,000 servers of an OpenStack cloud cost hfs each time it looks: the list, what has changed in it, the plan.

The servers are made for it, and deleted in the end; they have no ports, which would take a real control plane
(HFS_OPENSTACK, with HFS_OPENSTACK_HOSTS=3) most of an hour. There most of the time of a list is the control plane's
own, so a bare GET of the same pages stands beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import trio

from bench.cloud import IMAGE, Proxied, proxied, real
from bench.measure import Spread, repeat, repeat_async
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.cloud import VERSION, OpenStackCloud
from hfs_appliance.adapters.openstack.names import Names
from hfs_appliance.adapters.openstack.servers import metadata_of, name_of
from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import OpenStackCloud as Settings
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.cloud import unconditional
from hfs_appliance.ports.errors import PortError
from sim.worlds import converged_fleet
from tests.support.clouds import spec

T = TypeVar("T")

SERVERS: Final = 1_000
ENVIRONMENT: Final = EnvironmentName("listing")
TIMES: Final = 20
TIMES_REAL: Final = 5
AT_ONCE: Final = 8
WITHIN_S: Final = 1_800
LOOK_EVERY_S: Final = 5


async def run() -> dict[str, object]:
    """Time a list, another one after it, and a plan."""
    times = TIMES if real() is None else TIMES_REAL
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as directory:
        async with proxied(Path(directory), 0.0) as cloud:
            try:
                made_s = await make(cloud)
                bare = await repeat_async(times, lambda: read(cloud))
                whole = await repeat_async(times, lambda: client(cloud).servers())
                standing = client(cloud)
                there = len((await standing.servers()).servers)
                changes = await repeat_async(times, standing.servers)
            finally:
                with trio.CancelScope(shield=True):
                    await clear(cloud)
    return {
        "cloud": "real" if real() else "fake",
        "bare GET of all pages": bare,
        "the whole list, logging in": whole,
        "what has changed since": changes,
        f"a plan for {SERVERS} servers, all looked at": plans(),
        "servers of the environment": there,
        "made within (s)": made_s,
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


async def make(cloud: Proxied) -> float:
    """Have the servers and wait until none is being built; give the seconds."""
    door, began = cloud.past_proxy(), trio.current_time()
    names = Names(door, SystemClock())
    image, flavor = await names.image(IMAGE), await names.flavor(str(cloud.terms["flavor"]))

    async def ask(number: int) -> None:
        asked = spec(ENVIRONMENT, f"small-{number:04d}")
        body = {
            "name": name_of(ENVIRONMENT, asked.server),
            "imageRef": image,
            "flavorRef": flavor,
            "metadata": metadata_of(asked),
            "availability_zone": asked.az,
            "networks": "none",
        }
        call = Call(api=Api.COMPUTE, method="POST", path="/servers", body={"server": body}, microversion=VERSION)
        await door.change(call, permit=unconditional)

    await at_once(ask, range(1, SERVERS + 1))
    standing = client(cloud)
    with trio.fail_after(WITHIN_S):
        while CloudStatus.BUILDING in await statuses(standing):  # noqa: ASYNC110  # the cloud's doing
            await trio.sleep(LOOK_EVERY_S)
    return trio.current_time() - began


async def clear(cloud: Proxied) -> None:
    """Delete them all, and wait until none is listed."""
    standing = client(cloud)
    with trio.fail_after(WITHIN_S):
        while await statuses(standing):
            here = (await standing.servers()).servers.items()
            await at_once(standing.delete, [name for name, found in here if found.status is not CloudStatus.DELETING])
            await trio.sleep(LOOK_EVERY_S)


async def statuses(cloud: OpenStackCloud) -> Collection[CloudStatus]:
    """Give the status of each server."""
    return [found.status for found in (await cloud.servers()).servers.values()]


async def at_once(work: Callable[[T], Awaitable[None]], things: Iterable[T]) -> None:
    """Do something with each of many, a few at a time."""
    left = iter(things)

    async def go_on() -> None:
        for thing in left:
            with suppress(PortError):  # what was not made is not in the figures, what is not gone is asked again
                await work(thing)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(go_on)


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

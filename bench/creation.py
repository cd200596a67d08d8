"""Servers a second from one and the same cloud: by hfs, by nodepool, and by a plain loop over openstacksdk, in turn.

Each is a process of its own that is asked for HFS_BENCH_CREATED servers; all calls go through one proxy that counts
them. What is there is looked at past that proxy, once a second for each of them. nodepool comes from PyPI into a
virtual environment of its own below build/, and is configured as its documentation shows it: a launcher, a label with
`min-ready`, one pool. It insists on TLS to ZooKeeper, which bench/tls.py puts before a plain one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import trio

from bench.cloud import IMAGE, Proxied, proxied, real
from bench.creation_loop import ZONES
from bench.tls import certificate, encrypted
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.ports.cloud import unconditional
from hfs_appliance.ports.errors import PortError
from tests.support.appliance import ROOT, Appliance, free_addresses
from tests.support.openstacks import SOURCE
from tests.support.zookeeper import Servers, standalone

COUNT: Final = int(os.environ.get("HFS_BENCH_CREATED", "30"))
WITHIN_S: Final = 1800
NODEPOOL: Final = ("nodepool==11.0.0", "cachetools")  # which it imports and does not name
LIST: Final = Call(api=Api.COMPUTE, method="GET", path="/servers/detail")
VENV: Final = ROOT / "build" / "nodepool"

Contender: TypeAlias = Callable[[Proxied, Servers, Path], AbstractAsyncContextManager[None]]
"""Has somebody make COUNT servers for as long as the block lasts."""

POOL: Final = """
[quota]
max_servers = {room}
max_creating = {count}
[pool.small]
size = {count}
flavor = "{flavor}"
build_within = "1h"
"""


async def run() -> dict[str, object]:
    """Let all of them make servers, one after the other; each finds an empty project."""
    if real() is None:
        return {"not measured": "the fake has only what hfs asks for; HFS_OPENSTACK names a real control plane"}
    make_nodepool()
    findings: dict[str, object] = {"servers": COUNT}
    contenders: Mapping[str, Contender] = {"hfs": hfs, "nodepool": nodepool, "loop over openstacksdk": loop}
    for name, contender in contenders.items():
        with tempfile.TemporaryDirectory(prefix="hfs-bench-") as place:
            directory = Path(place)
            async with proxied(directory, 0.0) as cloud, standalone(directory / "registry") as registry:
                door = cloud.past_proxy()
                await emptied(door)
                try:
                    findings[name] = await measure(contender, cloud, registry, directory)
                finally:
                    await emptied(door)
        print(name, findings[name], flush=True)
    return findings


def make_nodepool() -> None:
    """Install nodepool where it is missing."""
    if not (VENV / "bin" / "nodepool-launcher").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", *NODEPOOL], check=True)


async def measure(contender: Contender, cloud: Proxied, registry: Servers, directory: Path) -> Mapping[str, object]:
    """Give what COUNT servers have taken until the last one was ACTIVE."""
    door, counts = cloud.past_proxy(), cloud.proxy.counts
    started = began = trio.current_time()
    async with contender(cloud, registry, directory):
        with trio.fail_after(WITHIN_S):
            while not counts["POST compute"]:  # noqa: ASYNC110  # another process's doing
                await trio.sleep(0.02)
            began = trio.current_time()
            while await active(door) < COUNT:  # noqa: ASYNC110  # the cloud's doing
                await trio.sleep(1)
        ended, told = trio.current_time(), Counter(counts)
    calls = sum(told[fate] for fate in ("well", "lost", "late", "503"))
    return {
        "servers/s": round(COUNT / (ended - began), 3),
        "first request → last ACTIVE (s)": round(ended - began, 1),
        "start → first request (s)": round(began - started, 1),
        "calls": calls,
        "calls a server": round(calls / COUNT, 2),
        "rejected": f"{told['rejected'] / calls:.1%}",
        "POSTs to nova": told["POST compute"],
    }


async def active(door: Door) -> int:
    """Count the servers that are up."""
    return sum(server["status"] == "ACTIVE" for server in await servers(door))


async def servers(door: Door) -> list[dict[str, Any]]:
    """List the servers of the project."""
    listed: list[dict[str, Any]] = (await door.ask(LIST)).body["servers"]
    return listed


async def emptied(door: Door) -> None:
    """Delete all servers of the project and wait until none is there."""
    with trio.fail_after(WITHIN_S):
        while there := await servers(door):
            async with trio.open_nursery() as nursery:
                for server in there:
                    nursery.start_soon(delete, door, server["id"])
            await trio.sleep(2)


async def delete(door: Door, server: str) -> None:
    """Ask for the end of a server; what does not work is asked for again."""
    with suppress(PortError):
        await door.change(Call(api=Api.COMPUTE, method="DELETE", path=f"/servers/{server}"), permit=unconditional)


@asynccontextmanager
async def hfs(cloud: Proxied, registry: Servers, directory: Path) -> AsyncIterator[None]:
    """Have hfs keep a pool of them."""
    endpoint, admin = free_addresses(2)
    source = (SOURCE + POOL).format(
        name="bench",
        registry=registry.hosts[0],
        azs=json.dumps(ZONES),
        entry=cloud.entry,
        clouds=cloud.clouds,
        network=cloud.network,
        endpoint=endpoint,
        admin=admin,
        count=COUNT,
        room=2 * COUNT,  # a share of it stays free for repairs
        **cloud.terms,
    )
    appliance = Appliance.of_checkout(directory, source, endpoint, admin)
    appliance.start()
    try:
        yield
    finally:
        appliance.clean()


@asynccontextmanager
async def nodepool(cloud: Proxied, registry: Servers, directory: Path) -> AsyncIterator[None]:
    """Have a launcher of nodepool keep a label at `min-ready`."""
    pem = certificate(directory)
    async with encrypted(registry.hosts[0], pem) as port:
        file = directory / "nodepool.yaml"  # JSON is YAML
        file.write_text(json.dumps(nodepool_configuration(cloud, port, pem)))
        with process([VENV / "bin" / "nodepool-launcher", "-f", "-c", file, "--no-webapp"], cloud, directory):
            yield


def nodepool_configuration(cloud: Proxied, port: int, pem: Path) -> Mapping[str, object]:
    """Give the configuration of nodepool; a build is allowed ten minutes as hfs allows it, in place of one."""
    label = {
        "name": "small",
        "cloud-image": IMAGE,
        "flavor-name": cloud.terms["flavor"],
        "host-key-checking": False,  # nothing runs on the servers
    }
    pool = {
        "name": "main",
        "max-servers": COUNT,
        "ignore-provider-quota": True,  # else it asks for the limits of volumes, and there is no cinder
        "availability-zones": ZONES,
        "networks": [cloud.network],
        "auto-floating-ip": False,
        "labels": [label],
    }
    provider = {
        "name": "cloud",
        "driver": "openstack",
        "cloud": cloud.entry,
        "boot-timeout": 600,
        "cloud-images": [{"name": IMAGE, "username": "debian"}],
        "pools": [pool],
    }
    return {
        "zookeeper-servers": [{"host": "127.0.0.1", "port": port}],
        "zookeeper-tls": {"cert": str(pem), "key": str(pem), "ca": str(pem)},
        "labels": [{"name": "small", "min-ready": COUNT}],
        "providers": [provider],
    }


@asynccontextmanager
async def loop(cloud: Proxied, _registry: Servers, directory: Path) -> AsyncIterator[None]:
    """Have a script make them: each is asked for, then each is waited for."""
    arguments = [cloud.entry, IMAGE, str(cloud.terms["flavor"]), cloud.network, str(COUNT)]
    with process([sys.executable, "-m", "bench.creation_loop", *arguments], cloud, directory):
        yield


@contextmanager
def process(command: list[str | Path], cloud: Proxied, directory: Path) -> Iterator[None]:
    """Run a command whose cloud is the one behind the proxy; what it printed is shown if it did not get to its end."""
    log = directory / "process.log"
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.clouds)}
    with log.open("wb") as out:
        running = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT)
    try:
        yield
    except BaseException:
        print(log.read_text(errors="replace")[-5000:], file=sys.stderr)
        raise
    finally:
        running.kill()
        running.wait()

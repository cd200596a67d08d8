"""A whole environment from nothing and back: bootstrap, to 200 servers and back, destroy; then what is left.

On the control plane of tests/openstack when HFS_OPENSTACK names its clouds.yaml (`./build.sh openstack up`), else on
the fake. Once as it is, once with 5 % of all API calls failing on the way (tests/support/fault_proxy.py). Nothing runs
on the servers: bench/crew.py stands in for their agents. What is left is counted by the cloud's API, for the whole
project. bench/kills.py kills hfs on the way.

HFS_BENCH_SERVERS: how many at most; HFS_BENCH_SHARES: the shares of calls that fail, a life each. On the real one each
server costs two seconds of processor time: 200 take a quarter of an hour of two idle cores, and want
HFS_OPENSTACK_HOSTS=3.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from bench.cloud import Proxied, proxied, real
from bench.crew import Crew, answer
from hfs_appliance import founding
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.calls import Api, Call
from hfs_appliance.config import load_file
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.instants import seconds
from sim.wire.openstack.http import serve
from tests.support.appliance import ROOT, Appliance, free_addresses
from tests.support.registries import connected
from tests.support.zookeeper import embedded

SERVERS: Final = int(os.environ.get("HFS_BENCH_SERVERS", "200"))
SHARES: Final = tuple(map(float, os.environ.get("HFS_BENCH_SHARES", "0 0.05").split()))
SERVICES: Final = ("certificates", "dns", "domains", "mail")
FIRST: Final = 5
"""Instances of each, and servers of the pool."""
PROXIES: Final = 3
WITHIN_S: Final = 3600

FILE: Final = """
[environment]
name = "bench"
[registry]
hosts = ["{registry}"]
session_timeout = "4s"
[cloud]
provider = "openstack"
poll = "{poll}"
azs = ["az1", "az2", "az3"]
[cloud.openstack]
cloud = "{entry}"
clouds_file = "{clouds}"
image = "debian-12"
flavor = "{flavor}"
networks = ["inner"]
security_groups = ["web"]
keypair = "team"
server_group = "apart"
call_within = "{within}"
writes = {writes}
executable = {{ in_image = true }}
[cloud.openstack.foundation.network.inner]
cidr = "10.77.0.0/20"
[cloud.openstack.foundation.security_group.web]
allow = ["tcp/9000", "tcp/8080", "icmp"]
[cloud.openstack.foundation.keypair.team]
public_key = "{key}"
[cloud.openstack.foundation.server_group.apart]
[endpoint]
listen = "{endpoint}"
[admin]
listen = "{admin}"
[balancer]
drain = "1s"
[quota]
max_servers = 260
max_creating = 32
max_deleting = 64
[guard]
shrink_confirm = "100%"
destroy_budget = {{ percent = "100%", min = 500, max = 1000, window = "10s" }}
[pool.small]
size = {first}
[service.edge]
pool = "small"
role = "proxy"
port = {edge}
drain = "1s"
run = {{ command = ["{{hfs}}", "proxy"] }}
[service.edge.version."1"]
instances = {proxies}
"""
SERVICE: Final = """
[service.{name}]
pool = "small"
port = {port}
document = ""
drain = "1s"
run = {{ command = ["true"] }}
[service.{name}.version."1"]
instances = {first}
"""
KEY: Final = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsywoyzjAVIDszBvWD/lwKbV6BclnGLltrX6dhIlPVJ bench"  # of nobody's private key
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """One environment on one cloud."""

    appliance: Appliance
    desired: DesiredState
    cloud: Proxied

    async def left(self) -> Mapping[str, int]:
        """Count what the project has of ours, past the proxy; names of ours are on everything but ports."""
        door = self.cloud.past_proxy()
        mine = {"project_id": await door.project()}
        lists = {
            "servers": (Api.COMPUTE, "/servers/detail", {}, "servers"),
            "ports": (Api.NETWORK, "/ports", mine, "ports"),
            "networks": (Api.NETWORK, "/networks", mine, "networks"),
            "security groups": (Api.NETWORK, "/security-groups", mine, "security_groups"),
            "load balancers": (Api.LOAD_BALANCER, "/lbaas/loadbalancers", {}, "loadbalancers"),
            **({"pools and members": (Api.LOAD_BALANCER, "/lbaas/pools", {}, "pools")} if real() else {}),
            "server groups": (Api.COMPUTE, "/os-server-groups", {}, "server_groups"),
        }
        counts = {}
        for what, (api, path, query, key) in lists.items():
            told = (await door.ask(Call(api=api, method="GET", path=path, query=query))).body[key]
            match what:
                case "ports":
                    told = [port for port in told if not port["device_owner"].startswith("network:")]
                case "pools and members":
                    told = [*told, *(member for pool in told for member in pool["members"])]
                case "networks" | "security groups" | "server groups":
                    told = [item for item in told if item["name"].startswith("hfs_")]
            counts[what] = len(told)
        return counts


async def run() -> dict[str, object]:
    """Play all of it."""
    findings: dict[str, object] = {"cloud": "real" if real() else "fake", "servers at most": SERVERS}
    for share in SHARES:
        async with site(share) as found:
            findings[f"{share:.0%} of all calls fail" if share else "no faults"] = await whole_life(found)
    return findings


@asynccontextmanager
async def site(share: float) -> AsyncIterator[Site]:
    """Have a cloud, a proxy before it, a registry, and agents for whatever servers there are."""
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as name:
        directory = Path(name)
        endpoint, admin, edge, port = free_addresses(4)
        async with (
            embedded(directory / "registry") as registry,
            proxied(directory, share) as cloud,
            trio.open_nursery() as nursery,
        ):
            ports = [place.rpartition(":")[2] for place in (edge, port)]
            for each in ports:
                await nursery.start(serve, answer, "0.0.0.0", int(each))  # noqa: S104  # all of 127.0.0.0/8
            source = FILE.format(
                registry=registry.hosts[0],
                entry=cloud.entry,
                clouds=cloud.clouds,
                **cloud.terms,
                key=KEY,
                endpoint=endpoint,
                admin=admin,
                first=FIRST,
                proxies=PROXIES,
                edge=ports[0],
            )
            source += "".join(SERVICE.format(name=name, port=ports[1], first=FIRST) for name in SERVICES)
            appliance = Appliance.of_checkout(directory, source, endpoint, admin)
            desired, _ = load_file(appliance.file)
            direct = load_past_proxy(desired, cloud.direct)
            async with connected(*registry.hosts, session_timeout=seconds(4)) as session:
                nursery.start_soon(Crew(founding.estate(direct, SystemClock()).cloud, session, desired).run)
                try:
                    yield Site(appliance=appliance, desired=desired, cloud=cloud)
                finally:
                    appliance.clean()
                    nursery.cancel_scope.cancel()


def load_past_proxy(desired: DesiredState, clouds: Path) -> DesiredState:
    """Give the desired state with the cloud as it is, for whoever is not under test."""
    settings = replace(desired.cloud.openstack, clouds_file=str(clouds))
    return replace(desired, cloud=replace(desired.cloud, openstack=settings))


async def whole_life(found: Site) -> Mapping[str, object]:
    """Build, grow, shrink, destroy; give seconds of each and what is left."""
    rows: dict[str, object] = {}
    calls = found.cloud.proxy.counts

    async def timed(name: str, work: object) -> None:
        began = trio.current_time()
        await work  # type: ignore[misc]
        rows[f"{name} (s)"] = round(trio.current_time() - began, 1)
        print(name, rows[f"{name} (s)"], await found.left(), dict(calls), flush=True)

    await timed("bootstrap", finished(found.appliance, "bootstrap"))
    await timed("bootstrap again", finished(found.appliance, "bootstrap"))
    there = await found.left()
    assert there["servers"] >= 4 * FIRST + PROXIES + FIRST, there
    found.appliance.start()
    each = (SERVERS - PROXIES - FIRST) // len(SERVICES)
    await timed("start hfs run", found.appliance.converged(WITHIN_S))
    await timed(f"to {SERVERS} servers", scaled(found.appliance, each))
    rows["servers there"] = (await found.left())["servers"]
    await timed("back", scaled(found.appliance, FIRST))
    await found.appliance.end()
    await timed("destroy", finished(found.appliance, "destroy", "--yes"))
    rows["left"] = sum((await found.left()).values())
    rows["calls"] = sum(calls[fate] for fate in ("well", "lost", "late", "503"))
    rows["failed, of them late"] = f"{calls['lost'] + calls['late'] + calls['503']}, {calls['late']}"
    return rows


async def scaled(appliance: Appliance, instances: int) -> None:
    """Have so many instances of each service."""
    for name in SERVICES:
        done = await appliance.hfs("scale", name, str(instances), "--no-wait")
        assert done.returncode == 0, done.stderr
    await appliance.converged(WITHIN_S)


def begin(appliance: Appliance, command: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a command of hfs that builds or destroys."""
    with appliance.log.open("ab") as log:
        arguments = [*appliance.command, command, appliance.file, "--state", appliance.state, *options]
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT)


async def finished(appliance: Appliance, command: str, *options: str) -> None:
    """Run such a command to its end."""
    with trio.fail_after(WITHIN_S):
        running = begin(appliance, command, *options)
        status = await trio.to_thread.run_sync(running.wait, abandon_on_cancel=True)
    assert status == 0, appliance.log.read_text()[-5000:]

"""The cloud that a benchmark asks, real or fake, behind a proxy that counts calls and lets some of them fail.

HFS_OPENSTACK names the clouds.yaml of the real one (`./build.sh openstack up`); without it, the fake is served here.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.session import Session
from hfs_appliance.model.instants import seconds
from sim.wire.openstack.http import serve
from sim.wire.openstack.network import NETWORK
from sim.wire.openstack.whole import openstack, write_clouds_yaml
from tests.support.fault_proxy import REAL, FaultProxy, through
from tests.support.openstacks import REAL as VARIABLE

IMAGE: Final = "debian-12"

QUICK: Final[Mapping[str, str | int]] = {"flavor": "m1.small", "poll": "1s", "within": "6s", "writes": 16}
"""How the fake is asked, …"""
SLOW: Final[Mapping[str, str | int]] = {"flavor": "m1.tiny", "poll": "3s", "within": "60s", "writes": 8}
"""… and a control plane that takes seconds for a list, and 30 s for a creation, when it is busy."""


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """A cloud and the way to it."""

    entry: str
    """Its name in both files."""
    direct: Path
    """The clouds.yaml that leads past the proxy."""
    clouds: Path
    """The one that leads through it."""
    proxy: FaultProxy
    terms: Mapping[str, str | int]
    """QUICK or SLOW."""
    network: str
    """One that is there."""

    def past_proxy(self) -> Door:
        """Give a way into it for whoever is not under test."""
        return Door(Session(self.entry, str(self.direct)), SystemClock(), within=seconds(60), writes=8)


def real() -> Path | None:
    """Give the clouds.yaml of the real control plane, if there is one."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


@asynccontextmanager
async def proxied(directory: Path, share: float) -> AsyncIterator[Proxied]:
    """Have a cloud, and a proxy before it that lets a share of all calls fail."""
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client, trio.open_nursery() as nursery:
        direct, entry, upstreams, network = real(), "hfs", REAL, "private"
        if direct is None:
            behind = await nursery.start(serve, openstack().cloud.handle, "127.0.0.1", 0)
            direct, entry, network = write_clouds_yaml(directory, behind), "fake", NETWORK
            upstreams = {service: f"http://127.0.0.1:{behind}/{service}" for service in REAL}
        proxy = FaultProxy(client, upstreams, share=share)
        port = await nursery.start(serve, proxy.handle, "127.0.0.1", 0)
        yield Proxied(
            entry=entry,
            direct=direct,
            clouds=through(direct, entry, port, directory),
            proxy=proxy,
            terms=QUICK if real() is None else SLOW,
            network=network,
        )
        nursery.cancel_scope.cancel()

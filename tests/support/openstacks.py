"""OpenStack for tests: the fake on a socket, and clients of it over the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.balancer import OctaviaBalancer
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.session import Session
from hfs_appliance.model import desired
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import seconds
from sim.wire.openstack.compute import FLAVORS
from sim.wire.openstack.http import serve
from sim.wire.openstack.image import IMAGE
from sim.wire.openstack.network import NETWORK
from sim.wire.openstack.whole import OpenStack, write_clouds_yaml

SETTINGS: Final = desired.OpenStackCloud(
    cloud="fake", image=IMAGE, flavor=next(iter(FLAVORS)), networks=(NETWORK,), call_within=seconds(10)
)


BALANCER: Final = desired.BalancerSettings()


SOURCE: Final = """
[environment]
name = "{name}"
[registry]
hosts = ["{registry}"]
[cloud]
provider = "openstack"
poll = "{poll}"
azs = {azs}
[cloud.openstack]
cloud = "{entry}"
clouds_file = "{clouds}"
image = "debian-12"
networks = ["{network}"]
call_within = "{within}"
executable = {{ in_image = true }}
[endpoint]
listen = "{endpoint}"
[admin]
listen = "{admin}"
"""
"""How `hfs run` is told of a project that has an image and a network; quotas and pools follow."""

REAL: Final = "HFS_OPENSTACK"
"""Environment variable that names the clouds.yaml of a real control plane (tests/openstack)."""
REAL_SETTINGS: Final = replace(SETTINGS, cloud="hfs", image="debian-12", flavor="m1.tiny", call_within=seconds(60))
REAL_MARKS: Final = (pytest.mark.openstack, pytest.mark.timeout(900))
"""Of a test that asks it: it is slow where other work takes the processors."""


@asynccontextmanager
async def serving(fake: OpenStack, directory: Path) -> AsyncIterator[Path]:
    """Have the fake on a socket; gives the clouds.yaml that names it."""
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, fake.cloud.handle, "127.0.0.1", 0)
        yield write_clouds_yaml(directory, port)
        nursery.cancel_scope.cancel()


def door_of(clouds_file: Path, settings: desired.OpenStackCloud = SETTINGS) -> Door:
    """Give a way into a cloud."""
    session = Session(settings.cloud, str(clouds_file))
    return Door(session, SystemClock(), within=settings.call_within, writes=settings.writes)


def client(
    clouds_file: Path, environment: EnvironmentName, settings: desired.OpenStackCloud = SETTINGS
) -> OpenStackCloud:
    """Give a client, as a process of its own would be."""
    return OpenStackCloud(environment, settings, door_of(clouds_file, settings), SystemClock())


def octavia(
    clouds_file: Path,
    environment: EnvironmentName,
    settings: desired.BalancerSettings = BALANCER,
    cloud: desired.OpenStackCloud = SETTINGS,
) -> OctaviaBalancer:
    """Give a client of the load balancer, as a process of its own would be."""
    return OctaviaBalancer(environment, settings, cloud.networks, door_of(clouds_file, cloud), SystemClock())

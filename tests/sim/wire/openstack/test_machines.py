"""Servers of the fake on which something really runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.process import is_alive, read_pidfile
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.registry.formats import read_identity
from sim.wire.openstack.machines import Machines
from sim.wire.openstack.network import NETWORK
from sim.wire.openstack.whole import openstack
from tests.support.clouds import IDLE_AGENT, spec, wait_gone, wait_status
from tests.support.openstacks import client, serving

ENVIRONMENT = EnvironmentName("machines")
ONE = ServerId("small-0001")
PATIENCE_SECONDS = 20


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path / "servers", IDLE_AGENT)


@pytest.fixture
async def cloud(machines: Machines, tmp_path: Path) -> AsyncIterator[OpenStackCloud]:
    fake = openstack(birth=machines.birth, networks={NETWORK: "127.79.0.0/16"})
    machines.servers = fake.compute.servers
    async with serving(fake, tmp_path) as clouds_file:
        yield client(clouds_file, ENVIRONMENT)
    machines.clear()


def places(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "servers").glob("*/small-*"))


async def test_a_server_runs_with_its_identity_and_ends_with_its_deletion(
    cloud: OpenStackCloud, tmp_path: Path
) -> None:
    await cloud.create(spec(ENVIRONMENT, ONE))
    with trio.fail_after(PATIENCE_SECONDS):
        active = await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    (place,) = places(tmp_path)
    identity = read_identity((place / "identity.json").read_bytes())
    assert (identity.server, identity.address) == (ONE, active.address)
    assert active.address.startswith("127.79.")
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)
    assert places(tmp_path) == []


async def test_the_next_fake_ends_what_a_killed_one_has_left(cloud: OpenStackCloud, tmp_path: Path) -> None:
    await cloud.create(spec(ENVIRONMENT, ONE))
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    (place,) = places(tmp_path)
    process = read_pidfile(place / "init.pid")
    assert process is not None
    Machines(tmp_path / "servers", IDLE_AGENT).clear()
    assert places(tmp_path) == []
    assert not is_alive(process)

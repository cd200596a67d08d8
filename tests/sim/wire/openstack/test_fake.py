"""The fake against openstacksdk's own layer of resources, which no code of ours uses: what a person would try first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openstack.config
import openstack.connection
import openstack.exceptions
import pytest
import trio

from sim.wire.openstack.compute import FLAVORS, ZONES
from sim.wire.openstack.image import IMAGE
from sim.wire.openstack.keys import GROUPS, KEYS
from sim.wire.openstack.network import NETWORK
from sim.wire.openstack.whole import OpenStack
from sim.wire.openstack.whole import openstack as fake_openstack
from tests.support.openstacks import serving

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # the SDK warns of itself


def visit(clouds_file: Path, fake: OpenStack) -> None:
    """Do what a person does who wants a server."""
    region = openstack.config.OpenStackConfig(config_files=[str(clouds_file)]).get_one("fake")
    cloud: Any = openstack.connection.Connection(config=region)
    assert [flavor.name for flavor in cloud.compute.flavors(details=False)] == list(FLAVORS)
    assert [zone.name for zone in cloud.compute.availability_zones()] == list(ZONES)
    assert [key.name for key in cloud.compute.keypairs()] == list(KEYS)
    assert [group.name for group in cloud.compute.server_groups()] == list(GROUPS)
    image, network = cloud.image.find_image(IMAGE), cloud.network.find_network(NETWORK)
    flavor = next(iter(cloud.compute.flavors(details=False)))
    server = cloud.compute.create_server(
        name="by-hand", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}], metadata={"a": "b"}
    )
    server = cloud.compute.wait_for_server(server, interval=0.02, wait=20)
    assert (server.status, server.metadata) == ("ACTIVE", {"a": "b"})
    assert cloud.compute.get_limits().absolute.total_instances_used == 1
    (port,) = cloud.network.ports(device_id=server.id)
    assert port.fixed_ips[0]["ip_address"] == server.addresses[NETWORK][0]["addr"]
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, interval=0.02, wait=20)
    assert list(cloud.compute.servers()) == list(cloud.network.ports()) == []
    wait_until_forgotten(cloud, server.id)
    assert fake.network.ports == {}


def wait_until_forgotten(cloud: Any, server: str) -> None:
    """Ask for a deleted server until it is not known any more: as DELETED, it is told of for a moment longer."""
    while True:
        try:
            found = cloud.compute.get_server(server)
        except openstack.exceptions.NotFoundException:
            return
        assert found.status == "DELETED"


async def test_the_sdk_makes_a_server_and_takes_it_away(tmp_path: Path) -> None:
    fake = fake_openstack()
    async with serving(fake, tmp_path) as clouds_file:
        await trio.to_thread.run_sync(visit, clouds_file, fake)

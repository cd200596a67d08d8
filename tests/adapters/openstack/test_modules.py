"""Puppet's modules that lie on the appliance's machine: a new server is told where it fetches them."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.openstack.userdata import IDENTITY_FILE
from hfs_appliance.adapters.shelf import Shelf
from hfs_appliance.model.recipe import Archive, Puppet, Recipe
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.ports.errors import Rejected
from hfs_appliance.registry.formats import read_identity
from sim.wire.openstack.whole import OpenStack
from tests.adapters.openstack.parts import ENVIRONMENT, asked
from tests.support.openstacks import SETTINGS, door_of

MODULES = b"modules"
SHA256 = hashlib.sha256(MODULES).hexdigest()


@pytest.fixture
def spec(tmp_path: Path) -> ServerSpec:
    """Ask for a server of a pool whose modules lie here."""
    file = tmp_path / "puppet.tar"
    file.write_bytes(MODULES)
    return replace(asked(), recipe=Recipe(puppet=Puppet(archive=Archive(sha256=SHA256, file=str(file)))))


def cloud_with(clouds_file: Path, shelf: Shelf | None) -> OpenStackCloud:
    return OpenStackCloud(ENVIRONMENT, SETTINGS, door_of(clouds_file), SystemClock(), shelf=shelf)


async def test_a_server_fetches_them_from_the_appliance(
    fake: OpenStack, clouds_file: Path, tmp_path: Path, spec: ServerSpec
) -> None:
    shelf = Shelf(tmp_path / "shelf", "http://10.0.0.9:8082")
    await cloud_with(clouds_file, shelf).create(spec)
    (record,) = fake.compute.servers.records.values()
    config = json.loads(base64.b64decode(record.asked.user_data).decode().partition("\n")[2])
    (identity,) = (file["content"] for file in config["write_files"] if file["path"] == IDENTITY_FILE)
    told = read_identity(identity.encode()).recipe.puppet
    assert told == Puppet(archive=Archive(sha256=SHA256, url=f"http://10.0.0.9:8082/modules/{SHA256}"))
    assert (tmp_path / "shelf" / SHA256).read_bytes() == MODULES


async def test_nothing_is_made_without_them(
    fake: OpenStack, clouds_file: Path, tmp_path: Path, spec: ServerSpec
) -> None:
    with pytest.raises(Rejected, match="pool small: this hfs serves no modules: start it again"):
        await cloud_with(clouds_file, None).create(spec)
    (tmp_path / "puppet.tar").write_bytes(b"another")
    with pytest.raises(Rejected, match=r"puppet\.tar has sha256 .*, not"):
        await cloud_with(clouds_file, Shelf(tmp_path / "shelf", "")).create(spec)
    assert not fake.compute.servers.records

"""What operators call things, against what the cloud calls them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hfs_appliance.model.desired import OpenStackCloud as Settings
from hfs_appliance.model.recipe import Recipe
from hfs_appliance.ports.errors import Rejected
from sim.wire.openstack.compute import FLAVORS
from sim.wire.openstack.network import fixed_id
from sim.wire.openstack.whole import OpenStack, openstack
from tests.adapters.openstack.parts import ENVIRONMENT, asked, sent
from tests.support.openstacks import SETTINGS, client, serving

NOTHING = "no-such-thing"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(SETTINGS, image=NOTHING), "this project has no image 'no-such-thing'"),
        (replace(SETTINGS, flavor=NOTHING), "this project has no flavor 'no-such-thing'"),
        (replace(SETTINGS, networks=(NOTHING,)), "this project has no network 'no-such-thing'"),
        (replace(SETTINGS, server_group=NOTHING), "this project has no server group 'no-such-thing'"),
        (replace(SETTINGS, security_groups=(NOTHING,)), "Unable to find security_group"),
        (replace(SETTINGS, keypair=NOTHING), "Invalid key_name"),
        (replace(SETTINGS, image=""), "pool small has no image, nor has"),
        (replace(SETTINGS, flavor=""), "pool small has no flavor, nor has"),
        (replace(SETTINGS, cloud=NOTHING), "clouds.yaml: Cloud no-such-thing was not found"),
    ],
)
async def test_what_is_not_there_is_said_by_name(clouds_file: Path, settings: Settings, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        await client(clouds_file, ENVIRONMENT, settings).create(asked())


async def test_a_server_is_made_of_all_that_is_asked_for(fake: OpenStack, clouds_file: Path) -> None:
    settings = replace(
        SETTINGS, security_groups=("web",), keypair="operators", server_group="spread", config_drive=True
    )
    spec = replace(asked(), recipe=Recipe(flavor="m1.large"))
    made = await client(clouds_file, ENVIRONMENT, settings).create(spec)
    found = fake.compute.servers.records[made.cloud_id].asked
    assert (found.groups, found.key, found.group) == (["web"], "operators", fixed_id("spread"))
    assert found.flavor == fixed_id("m1.large") != fixed_id(next(iter(FLAVORS)))
    assert found.has_config_drive


async def test_names_are_asked_for_once_and_anew_after_a_refusal(fake: OpenStack, clouds_file: Path) -> None:
    cloud = client(clouds_file, ENVIRONMENT)
    await cloud.create(asked())
    await cloud.create(replace(asked(), server=type(asked().server)("small-0002")))
    assert sent(fake, "GET", "/images") == 1
    fake.image.images[0] = {**fake.image.images[0], "id": fixed_id("the next image")}
    third = replace(asked(), server=type(asked().server)("small-0003"))
    with pytest.raises(Rejected, match="Can not find requested image"):
        await cloud.create(third)
    await cloud.create(third)
    assert sent(fake, "GET", "/images") == 2


async def test_an_id_needs_no_name(fake: OpenStack, clouds_file: Path) -> None:
    settings = replace(SETTINGS, image=fake.image.images[0]["id"])
    await client(clouds_file, ENVIRONMENT, settings).create(asked())
    assert sent(fake, "GET", "/images") == 0


async def test_one_name_for_two_things_is_no_name(tmp_path: Path) -> None:
    fake = openstack(images=("debian-12", "debian-12"))
    async with serving(fake, tmp_path) as clouds_file:
        with pytest.raises(Rejected, match="2 images are called 'debian-12': name one by its id"):
            await client(clouds_file, ENVIRONMENT).create(asked())

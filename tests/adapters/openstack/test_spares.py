"""OS3: a creation whose answer was lost comes late: two servers of one identity, until one is swept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.cloud import unconditional
from hfs_appliance.ports.errors import Fenced
from sim.wire.openstack.whole import OpenStack
from tests.adapters.openstack.parts import ONE, TWO, asked, living
from tests.support.clouds import wait_status


def come_late(fake: OpenStack) -> str:
    """Let the creation of the one server that there is happen once more; give the id of the second one."""
    (record,) = [
        record for record in fake.compute.servers.records.values() if record.asked.metadata["hfs_server"] == ONE
    ]
    late = replace(record.asked, id=fake.compute.servers.new_id())
    fake.compute.servers.create(late)
    fake.compute.servers.records[late.id].created = record.created + 1_000_000_000  # type: ignore[assignment]
    return late.id


async def test_the_second_one_goes_and_the_one_that_counts_stays(fake: OpenStack, cloud: OpenStackCloud) -> None:
    for server in (ONE, TWO):
        await cloud.create(asked(server))
    await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    kept = (await cloud.servers()).servers[ONE].cloud_id
    late = come_late(fake)
    seen = (await cloud.servers()).servers[ONE].cloud_id
    assert seen == kept
    assert await cloud.sweep(permit=unconditional) == (ONE,)
    with trio.fail_after(10):
        while not fake.compute.servers.records[late].is_gone:
            await cloud.servers()
    assert len(living(fake)) == 2
    await cloud.servers()
    assert await cloud.sweep(permit=unconditional) == (), "what is gone is not asked for again"
    assert (await cloud.servers()).servers[ONE].cloud_id == kept


async def test_nothing_is_swept_upon_a_list_with_holes(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    come_late(fake)
    fake.compute.servers.down_zones.add(AvailabilityZone("az2"))
    await cloud.create(asked(TWO))
    (two,) = [record for record in fake.compute.servers.records.values() if record.asked.metadata["hfs_server"] == TWO]
    two.machine.spec = replace(two.machine.spec, az=AvailabilityZone("az2"))
    assert not (await cloud.servers()).is_complete
    assert await cloud.sweep(permit=unconditional) == ()
    assert len(living(fake)) == 3


async def test_who_does_not_lead_sweeps_nothing(fake: OpenStack, cloud: OpenStackCloud) -> None:
    def refuse() -> None:
        raise Fenced("somebody else leads")

    await cloud.create(asked())
    come_late(fake)
    await cloud.servers()
    with pytest.raises(Fenced):
        await cloud.sweep(permit=refuse)
    assert len(living(fake)) == 2

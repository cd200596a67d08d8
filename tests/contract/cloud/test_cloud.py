"""The contract of the Cloud port: what the runtime relies on, whatever the provider."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import pytest
import trio

from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.instants import MINUTE
from hfs_appliance.model.observed import CloudServer, CloudStatus
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import Conflict, Fenced, Missing, Rejected, Unsupported
from tests.contract.cloud.conftest import ENVIRONMENT, Door
from tests.support.clouds import OWN_NONCE, spec, wait_gone, wait_status
from tests.support.guests import GUESTS
from tests.support.openstacks import REAL

ONE = ServerId("small-0001")
PATIENCE_SECONDS = 200 if REAL in os.environ or GUESTS in os.environ else 20


def identity(server: CloudServer) -> tuple[str, ...]:
    """Give what is known of a server from the first answer on, and never changes in its life."""
    return (server.cloud_id, server.server, server.nonce, server.pool, server.az, server.uuid)


async def test_an_empty_cloud_lists_nothing_and_is_sure_of_it(cloud: Cloud) -> None:
    view = await cloud.servers()
    assert view.servers == {}
    assert view.is_complete
    assert view.project


async def test_every_list_says_for_which_project_it_is(door: Door) -> None:
    first = (await door().servers()).project
    await door().create(spec(ENVIRONMENT, ONE))
    assert first == (await door().servers()).project != ""


async def test_a_new_server_is_listed_with_what_was_asked_for(cloud: Cloud) -> None:
    asked = spec(ENVIRONMENT, ONE)
    made = await cloud.create(asked)
    assert (made.server, made.nonce, made.pool, made.az) == (asked.server, asked.nonce, asked.pool, asked.az)
    assert made.uuid == asked.uuid
    view = await cloud.servers()
    assert list(view.servers) == [ONE]
    assert identity(view.servers[ONE]) == identity(made) == identity(await cloud.server(ONE))


async def test_a_server_is_built_before_it_is_active(cloud: Cloud) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    assert made.status is CloudStatus.BUILDING
    with trio.fail_after(PATIENCE_SECONDS):
        active = await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    assert identity(active) == identity(made)


async def test_an_active_server_has_an_address_and_a_time_that_stay(cloud: Cloud) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    with trio.fail_after(PATIENCE_SECONDS):
        active = await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    assert active.address
    assert made.address in ("", active.address), "some clouds know it only later"
    assert abs(active.created_at - made.created_at) <= MINUTE, "a cloud's own clock may differ from ours"
    listed = (await cloud.servers()).servers[ONE]
    assert (listed.address, listed.created_at) == (active.address, active.created_at)


async def test_asking_again_gives_the_same_server(cloud: Cloud) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    again = await cloud.create(spec(ENVIRONMENT, ONE))
    assert identity(again) == identity(made)
    assert list((await cloud.servers()).servers) == [ONE]


async def ask_at_once(clouds: Sequence[Cloud]) -> list[CloudServer]:
    """Ask all of them for the same server."""
    made: list[CloudServer] = []

    async def ask(cloud: Cloud) -> None:
        made.append(await cloud.create(spec(ENVIRONMENT, ONE)))

    async with trio.open_nursery() as nursery:
        for cloud in clouds:
            nursery.start_soon(ask, cloud)
    return made


async def test_asking_many_times_at_once_gives_one_server(door: Door) -> None:
    made = await ask_at_once([door()] * 5)
    assert len({identity(server) for server in made}) == 1
    assert list((await door().servers()).servers) == [ONE]


async def test_what_many_clients_have_made_at_once_is_one_server_to_all_and_goes_as_one(door: Door) -> None:
    made = await ask_at_once([door() for _ in range(5)])
    found = {identity(await door().server(ONE)) for _ in range(2)}
    found |= {identity(server) for server in (await door().servers()).servers.values()}
    assert len(found) == 1
    assert found <= {identity(server) for server in made}
    cloud = door()
    with trio.fail_after(PATIENCE_SECONDS):
        while (await cloud.servers()).servers:
            with suppress(Missing):
                await cloud.delete(ONE)
        await wait_gone(door(), ONE)


async def test_what_is_not_permitted_at_the_last_instant_is_not_done(cloud: Cloud) -> None:
    def refuse() -> None:
        raise Fenced("another appliance leads")

    with pytest.raises(Fenced):
        await cloud.create(spec(ENVIRONMENT, ONE), permit=refuse)
    assert (await cloud.servers()).servers == {}
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    for mutation in (cloud.delete, cloud.kill):
        with pytest.raises((Fenced, Unsupported)):
            await mutation(ONE, permit=refuse)
    assert (await cloud.server(ONE)).status is not CloudStatus.DELETING
    assert identity(await cloud.server(ONE)) == identity(made)


async def test_an_id_is_not_taken_over_by_another_nonce(cloud: Cloud) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE, nonce=f"a{OWN_NONCE}"))
    with pytest.raises(Conflict):
        await cloud.create(spec(ENVIRONMENT, ONE, nonce=f"b{OWN_NONCE}"))
    assert identity(await cloud.server(ONE)) == identity(made)


async def test_a_server_of_another_environment_is_refused(cloud: Cloud) -> None:
    with pytest.raises(Rejected):
        await cloud.create(spec(EnvironmentName("somebody-else"), ONE))
    assert (await cloud.servers()).servers == {}


async def test_every_server_has_an_address_of_its_own(door: Door) -> None:
    made = [ServerId(f"small-{number:04d}") for number in range(1, 11)]
    async with trio.open_nursery() as nursery:
        for server in made:
            nursery.start_soon(door().create, spec(ENVIRONMENT, server))
    cloud = door()
    with trio.fail_after(PATIENCE_SECONDS):
        addresses = {(await wait_status(cloud, server, CloudStatus.ACTIVE)).address for server in made}
    assert set((await cloud.servers()).servers) == set(made)
    assert len(addresses) == 10


async def test_a_client_that_starts_later_finds_everything(door: Door) -> None:
    made = await door().create(spec(ENVIRONMENT, ONE))
    later = door()
    assert identity((await later.servers()).servers[ONE]) == identity(made)
    assert identity(await later.create(spec(ENVIRONMENT, ONE))) == identity(made)


async def test_a_server_that_is_deleted_while_it_is_built_goes_too(cloud: Cloud) -> None:
    # What is told of it meanwhile is the cloud's affair: nova ends the build first, and calls it ACTIVE for a moment.
    await cloud.create(spec(ENVIRONMENT, ONE))
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)
    assert (await cloud.servers()).servers == {}


async def test_a_deleted_server_is_on_its_way_out_until_it_is_gone(cloud: Cloud) -> None:
    await cloud.create(spec(ENVIRONMENT, ONE))
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_status(cloud, ONE, CloudStatus.ACTIVE)
    await cloud.delete(ONE)
    left = (await cloud.servers()).servers
    assert all(server.status is CloudStatus.DELETING for server in left.values())
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)
    assert (await cloud.servers()).servers == {}
    with pytest.raises(Missing):
        await cloud.delete(ONE)


async def test_deletion_goes_on_for_a_client_that_starts_later(door: Door) -> None:
    await door().create(spec(ENVIRONMENT, ONE))
    await door().delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(door(), ONE)


async def test_deleting_one_server_leaves_the_others_alone(cloud: Cloud) -> None:
    other = await cloud.create(spec(ENVIRONMENT, "small-0002"))
    await cloud.create(spec(ENVIRONMENT, ONE))
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)
        assert identity(await wait_status(cloud, other.server, CloudStatus.ACTIVE)) == identity(other)


async def test_what_is_not_there_is_missing(cloud: Cloud) -> None:
    for call in (cloud.server, cloud.delete, lambda server: cloud.log(server, 10)):
        with pytest.raises((Missing, Unsupported)):
            await call(ONE)


async def test_a_killed_server_stops_and_keeps_its_identity(cloud: Cloud) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    try:
        await cloud.kill(ONE)
    except Unsupported:
        return
    with trio.fail_after(PATIENCE_SECONDS):
        stopped = await wait_status(cloud, ONE, CloudStatus.STOPPED)
    assert identity(stopped) == identity(made)
    assert stopped.fault
    again = await cloud.create(spec(ENVIRONMENT, ONE))
    assert (identity(again), again.status) == (identity(made), CloudStatus.STOPPED), "asking again is no repair"
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)


async def test_the_log_is_bounded_by_lines(cloud: Cloud) -> None:
    await cloud.create(spec(ENVIRONMENT, ONE))
    try:
        tail = await cloud.log(ONE, 3)
    except Unsupported:
        return
    assert len(tail.splitlines()) <= 3

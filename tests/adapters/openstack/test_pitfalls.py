"""Pitfalls of OpenStack's clients and APIs, each shown and each guarded against; numbers as in docs/openstack.md.

Where the pitfall is the SDK's, a plain SDK call falls into it first.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import openstack.config
import openstack.connection
import pytest
import trio
from keystoneauth1 import exceptions

from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.openstack.servers import metadata_of
from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.instants import MINUTE, SECOND, seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.cloud import unconditional
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, Rejected, Transient
from sim.wire.openstack.compute import FLAVORS
from sim.wire.openstack.http import Ending
from sim.wire.openstack.identity import PROJECT, project_id
from sim.wire.openstack.mishaps import Mishap
from sim.wire.openstack.network import fixed_id
from sim.wire.openstack.whole import OpenStack, write_clouds_yaml
from tests.adapters.openstack.parts import ENVIRONMENT, ONE, TWO, asked, living, sent
from tests.adapters.openstack.test_words import check
from tests.support.clouds import wait_gone, wait_status
from tests.support.openstacks import SETTINGS, client

PATIENCE_SECONDS = 20

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'service_type' parameter"
)  # the SDK's own proxies warn of themselves

LOST = Mishap(ending=Ending.RESET, is_late=True)
BUSY = Mishap(status=503, is_late=True)


class Plain:
    """openstacksdk's own client, as its documentation shows it."""

    def __init__(self, clouds_file: Path, fake: OpenStack) -> None:
        connection = openstack.connection.Connection(
            config=openstack.config.OpenStackConfig(config_files=[str(clouds_file)]).get_one("fake")
        )
        self.session: Any = connection.session
        self.compute: Any = connection.compute
        self._image = fake.image.images[0]["id"]

    def create(self, **options: Any) -> None:
        """Make a server in the way of a plain script."""
        flavor = fixed_id(next(iter(FLAVORS)))
        body = {"name": "plain", "imageRef": self._image, "flavorRef": flavor, "networks": "none"}
        self.compute.post("/servers", json={"server": body}, microversion="2.69", **options)


@pytest.fixture
async def plain(clouds_file: Path, fake: OpenStack) -> Plain:
    """Give the SDK as it is."""
    return await trio.to_thread.run_sync(Plain, clouds_file, fake)


async def test_os1_a_cloud_that_says_nothing_holds_nobody(plain: Plain, fake: OpenStack, clouds_file: Path) -> None:
    assert plain.session.timeout is None, "the SDK would wait for ever"
    cloud = client(clouds_file, ENVIRONMENT)
    await cloud.servers()
    fake.cloud.faults.hangs = True
    with trio.move_on_after(0.3) as scope:
        await cloud.servers()
    assert scope.cancelled_caught
    fake.cloud.faults.hangs = False
    assert (await cloud.servers()).is_complete


async def test_os1_a_call_ends_within_its_own_time_when_nobody_else_sets_one(
    fake: OpenStack, clouds_file: Path
) -> None:
    from dataclasses import replace

    cloud = client(clouds_file, ENVIRONMENT, replace(SETTINGS, call_within=seconds(0.5)))
    await cloud.servers()
    fake.cloud.mishaps.next("POST", "/servers$", Mishap(ending=Ending.SILENCE, is_late=True))
    with pytest.raises(Ambiguous, match=r"no answer within 0\.5 s"):
        await cloud.create(asked())
    assert len(living(fake)) == 1


async def test_os2_a_lost_answer_makes_no_second_server(plain: Plain, fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.mishaps.next("POST", "/servers$", LOST, times=3)
    with pytest.raises(exceptions.ConnectFailure):
        await trio.to_thread.run_sync(partial(plain.create, connect_retries=2))
    assert living(fake) == ["plain"] * 3, "the SDK's retries have made three"

    fake.cloud.mishaps.next("POST", "/servers$", LOST)
    with pytest.raises(Ambiguous):
        await cloud.create(asked())
    assert living(fake) == ["pitfalls-small-0001", *["plain"] * 3]
    again = await cloud.create(asked())
    assert living(fake) == ["pitfalls-small-0001", *["plain"] * 3], "asking again finds it"
    assert again.nonce == asked().nonce


async def test_os3_a_gateway_that_is_busy_makes_no_second_server(
    plain: Plain, fake: OpenStack, cloud: OpenStackCloud
) -> None:
    fake.cloud.mishaps.next("POST", "/servers$", BUSY, times=3)
    retrying = partial(plain.create, status_code_retries=2, status_code_retry_delay=0.01, raise_exc=True)
    with pytest.raises(exceptions.ServiceUnavailable):
        await trio.to_thread.run_sync(retrying)
    assert living(fake) == ["plain"] * 3, "the SDK's retries have made three"

    fake.cloud.mishaps.next("POST", "/servers$", BUSY)
    with pytest.raises(Ambiguous, match="503"):
        await cloud.create(asked())
    await cloud.create(asked())
    assert living(fake).count("pitfalls-small-0001") == 1


async def test_os3_a_creation_that_comes_late_is_one_with_its_repetition(
    fake: OpenStack, cloud: OpenStackCloud
) -> None:
    fake.cloud.faults.late_creates = 1000
    with pytest.raises(Ambiguous):
        await cloud.create(asked())
    fake.cloud.faults.late_creates = 0
    made = await cloud.create(asked())
    fake.cloud.skip(10 * MINUTE)
    assert living(fake) == ["pitfalls-small-0001"] * 2
    assert (await cloud.server(ONE)).cloud_id == made.cloud_id, "the oldest counts"
    with trio.fail_after(PATIENCE_SECONDS):
        await delete_until_gone(cloud)
    assert living(fake) == []


async def delete_until_gone(cloud: OpenStackCloud) -> None:
    while ONE in (await cloud.servers()).servers:
        with suppress(Missing):
            await cloud.delete(ONE)
    await wait_gone(cloud, ONE)


async def test_os5_many_servers_cost_one_call_a_look(fake: OpenStack, cloud: OpenStackCloud) -> None:
    for number in range(8):
        await cloud.create(asked(type(ONE)(f"small-{number:04d}")))
    await cloud.servers()
    fake.cloud.calls.clear()
    with trio.fail_after(PATIENCE_SECONDS):
        looks = 1
        while any(found.status is not CloudStatus.ACTIVE for found in (await cloud.servers()).servers.values()):
            looks += 1
    assert sent(fake, "GET", "/servers/detail") == looks == len(fake.cloud.calls)


async def test_os5_between_whole_lists_only_changes_are_told(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    await cloud.servers()
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        while (await cloud.servers()).servers:
            pass
    fake.cloud.calls.clear()
    assert (await cloud.servers()).is_complete
    assert fake.cloud.calls == [("GET", "/compute/v2.1/servers/detail")]


async def test_os7_what_a_cell_that_is_down_knows_is_not_gone(fake: OpenStack, cloud: OpenStackCloud) -> None:
    made = await cloud.create(asked())
    assert (await cloud.servers()).is_complete
    fake.compute.servers.down_zones.add(AvailabilityZone("az1"))
    whole = await renewed(cloud)
    assert not whole.is_complete
    assert whole.servers[ONE].status is CloudStatus.UNKNOWN
    assert whole.servers[ONE].nonce == made.nonce
    with pytest.raises(Transient, match="does not answer"):
        await cloud.server(ONE)
    fake.compute.servers.down_zones.clear()
    assert (await renewed(cloud)).is_complete


async def test_os7_a_client_that_never_knew_it_does_not_take_it_for_gone(
    fake: OpenStack, cloud: OpenStackCloud, clouds_file: Path
) -> None:
    await cloud.create(asked())
    fake.compute.servers.down_zones.add(AvailabilityZone("az1"))
    stranger = client(clouds_file, ENVIRONMENT)
    with pytest.raises(Transient, match="a part of the cloud does not answer"):
        await stranger.server(ONE)
    with pytest.raises(Transient, match="a part of the cloud does not answer"):
        await stranger.delete(ONE)
    assert not (await stranger.servers()).is_complete


async def renewed(cloud: OpenStackCloud) -> Any:
    """Give a whole list, however young the last one is."""
    cloud._listing._whole_at = None
    return await cloud.servers()


async def test_os8_all_pages_are_read(fake: OpenStack, cloud: OpenStackCloud) -> None:
    for number in range(5):
        await cloud.create(asked(type(ONE)(f"small-{number:04d}")))
    fake.compute.page = 2
    fake.cloud.calls.clear()
    view = await cloud.servers()
    assert len(view.servers) == 5
    assert sent(fake, "GET", "/servers/detail") == 3


async def test_os8_a_list_whose_next_page_is_lost_is_no_list(fake: OpenStack, cloud: OpenStackCloud) -> None:
    for number in range(3):
        await cloud.create(asked(type(ONE)(f"small-{number:04d}")))
    fake.compute.page = 1
    gone = Mishap(status=400, raw=b'{"badRequest": {"message": "marker [x] not found", "code": 400}}')
    await cloud.servers()
    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(is_late=True))
    fake.cloud.mishaps.next("GET", "/servers/detail", gone)
    with pytest.raises(Transient, match=r"broke off.*marker"):
        await renewed(cloud)


async def test_a_server_that_is_told_of_as_deleted_is_gone(fake: OpenStack, cloud: OpenStackCloud) -> None:
    made = await cloud.create(asked())
    await cloud.servers()
    body = b'{"server": {"id": "%s", "status": "DELETED", "metadata": {}}}' % made.cloud_id.encode()
    fake.cloud.mishaps.next("GET", "/servers/[0-9a-f-]+$", Mishap(status=200, raw=body))
    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(status=200, raw=b'{"servers": []}'))
    with pytest.raises(Missing):
        await cloud.server(ONE)


async def test_a_server_that_is_told_of_as_deleted_is_nobody_elses_answer(
    fake: OpenStack, cloud: OpenStackCloud
) -> None:
    # For a moment nova calls it DELETED, and its metadata are still there.
    former = {"id": "gone", "status": "DELETED", "created": "2026-01-01T00:00:00Z", "metadata": metadata_of(asked())}
    body = json.dumps({"servers": [former]}).encode()
    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(status=200, raw=body))
    assert (await cloud.create(asked())).cloud_id != "gone"
    assert len(living(fake)) == 1


async def test_a_server_without_a_console_has_an_empty_log(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.stalled_builds = 1000
    await cloud.create(asked())
    assert await cloud.log(ONE, 10) == ""


async def test_os9_a_name_is_no_identity(plain: Plain, fake: OpenStack, cloud: OpenStackCloud) -> None:
    made = await cloud.create(asked())
    record = fake.compute.servers.records[made.cloud_id]
    await trio.to_thread.run_sync(plain.create)
    stranger = next(found for found in fake.compute.servers.records.values() if found.asked.name == "plain")
    stranger.asked = replace(stranger.asked, name=record.asked.name)
    assert list((await cloud.servers()).servers) == [ONE]
    assert (await cloud.server(ONE)).cloud_id == made.cloud_id
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)
    assert not stranger.is_gone


async def test_os10_a_token_is_renewed_before_it_ends(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.token_life = seconds(600)
    await cloud.servers()
    _, http = cloud._door._session._open()
    auth: Any = http.auth
    issued = auth.auth_ref.issued
    auth.auth_ref._data["token"]["issued_at"] = "2020-01-01T00:00:00.000000Z"  # most of its life is over
    fake.cloud.calls.clear()
    await cloud.servers()
    assert sent(fake, "POST", "/auth/tokens") == 1
    assert auth.auth_ref.issued >= issued
    fake.cloud.calls.clear()
    await cloud.servers()
    assert sent(fake, "POST", "/auth/tokens") == 0


async def test_os10_an_old_token_serves_while_keystone_is_away(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.servers()
    _, http = cloud._door._session._open()
    auth: Any = http.auth
    auth.auth_ref._data["token"]["issued_at"] = "2020-01-01T00:00:00.000000Z"
    fake.cloud.faults.denies_logins = True
    assert (await cloud.servers()).is_complete


async def test_os10_a_creation_is_not_sent_again_with_a_new_token(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked(TWO))
    fake.cloud.calls.clear()
    fake.cloud.mishaps.next("POST", "/servers$", Mishap(status=401))
    with pytest.raises(Transient, match="401"):
        await cloud.create(asked())
    assert sent(fake, "POST", "/servers") == 1
    await cloud.create(asked())
    assert sent(fake, "POST", "/auth/tokens") == 1, "the token was dropped"


async def test_os11_quota_is_weather_and_no_failure(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.quota = 1
    await cloud.create(asked())
    with pytest.raises(Exhausted, match="Quota exceeded"):
        await cloud.create(asked(TWO))
    assert living(fake) == ["pitfalls-small-0001"]


async def test_os11_no_valid_host_comes_later_in_the_clouds_own_words(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.full_zones.add(AvailabilityZone("az1"))
    await cloud.create(asked())
    with trio.fail_after(PATIENCE_SECONDS):
        failed = await wait_status(cloud, ONE, CloudStatus.ERROR)
    assert "No valid host" in failed.fault


async def test_os14_a_deletion_that_is_ignored_can_be_asked_for_again(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    fake.cloud.faults.ignored_deletes = 1000
    await cloud.delete(ONE)
    assert (await cloud.server(ONE)).status is not CloudStatus.DELETING
    fake.cloud.faults.ignored_deletes = 0
    await cloud.delete(ONE)
    with trio.fail_after(PATIENCE_SECONDS):
        await wait_gone(cloud, ONE)


async def test_os15_calls_that_are_stuck_stay_few(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    fake.cloud.faults.hangs = True
    fake.cloud.calls.clear()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(give_up_on, cloud)
    assert len(fake.cloud.calls) <= 4
    fake.cloud.faults.hangs = False


async def test_os15_what_only_waited_for_others_was_not_sent(fake: OpenStack, clouds_file: Path) -> None:
    cloud = client(clouds_file, ENVIRONMENT, replace(SETTINGS, call_within=seconds(0.5), writes=1))
    made = await cloud.create(asked())
    fake.cloud.mishaps.next("DELETE", "/servers/", Mishap(ending=Ending.SILENCE))
    errors: list[Exception] = []

    async def delete() -> None:
        try:
            await cloud._delete(made.cloud_id, unconditional)
        except (Ambiguous, Exhausted) as error:
            errors.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(delete)
        nursery.start_soon(delete)
    assert {type(error) for error in errors} == {Ambiguous, Exhausted}, "too much at once, and nobody's fault"
    (waited,) = [str(error) for error in errors if isinstance(error, Exhausted)]
    check("more is asked for than is answered", "action-failed", waited)
    assert [method for method, _ in fake.cloud.calls].count("DELETE") == 1


async def give_up_on(cloud: OpenStackCloud) -> None:
    with trio.move_on_after(0.3):
        await cloud.server(ONE)


async def test_os16_a_server_that_is_busy_is_looked_at_again(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked())
    fake.cloud.faults.conflicting_calls = 1000
    with pytest.raises(Conflict, match="409"):
        await cloud.delete(ONE)


async def test_os17_who_asks_to_be_left_alone_is_left_alone_but_not_for_an_hour(
    fake: OpenStack, cloud: OpenStackCloud
) -> None:
    await cloud.servers()
    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(status=429, headers={"retry-after": "3600"}))
    with pytest.raises(Exhausted) as refused:
        await cloud.servers()
    now = cloud._clock.now()
    assert refused.value.until is not None
    assert now + 50 * SECOND < refused.value.until <= now + 60 * SECOND
    fake.cloud.calls.clear()
    with pytest.raises(Exhausted, match="held back until"):
        await cloud.servers()
    assert fake.cloud.calls == []


@pytest.mark.parametrize(
    ("mishap", "on_read", "on_write"),
    [
        pytest.param(Mishap(raw=b"<html>It works!</html>", is_late=True), Transient, Ambiguous, id="html"),
        pytest.param(Mishap(ending=Ending.CUT, is_late=True), Transient, Ambiguous, id="cut"),
        pytest.param(Mishap(raw=b"[]", is_late=True), Transient, Ambiguous, id="no-object"),
        pytest.param(Mishap(raw=b"{}", is_late=True), Transient, Ambiguous, id="empty"),
        pytest.param(Mishap(status=406), Rejected, Rejected, id="microversion"),
        pytest.param(Mishap(status=500, is_late=True), Transient, Ambiguous, id="500"),
        pytest.param(Mishap(status=403, raw=b'{"forbidden": {"message": "Policy"}}'), Rejected, Rejected, id="policy"),
    ],
)
async def test_o11_an_answer_that_makes_no_sense_is_none(
    fake: OpenStack, cloud: OpenStackCloud, mishap: Mishap, on_read: type[Exception], on_write: type[Exception]
) -> None:
    fake.cloud.mishaps.next("GET", "/servers/detail", mishap)
    with pytest.raises(on_read):
        await cloud.servers()
    fake.cloud.mishaps.next("POST", "/servers$", mishap)
    with pytest.raises(on_write):
        await cloud.create(asked())


async def test_h14_wrong_credentials_are_said(fake: OpenStack, cloud: OpenStackCloud) -> None:
    fake.cloud.faults.denies_credentials = True
    with pytest.raises(Rejected, match=r"keystone.*401"):
        await cloud.servers()


async def test_a_login_that_never_ends_holds_up_nobody_for_ever(fake: OpenStack, cloud: OpenStackCloud) -> None:
    # Found here: keystoneauth takes its lock to log in, hears 401 from discovery, and logs in again under its lock.
    fake.cloud.mishaps.next("GET", "/v3$", Mishap(status=401))
    with trio.move_on_after(0.3) as scope:
        await cloud.servers()
    assert scope.cancelled_caught
    assert (await cloud.servers()).is_complete


async def test_o14_an_api_that_is_away_is_away_and_nothing_was_sent(tmp_path: Path) -> None:
    cloud = client(write_clouds_yaml(tmp_path, port=1), ENVIRONMENT)
    for call in (cloud.servers(), cloud.create(asked()), cloud.delete(ONE)):
        with pytest.raises(Transient, match="keystone"):
            await call


async def test_o15_a_list_of_another_project_is_not_believed(fake: OpenStack, cloud: OpenStackCloud) -> None:
    made = await cloud.create(asked())
    assert (await cloud.servers()).project == project_id(PROJECT)
    body = b'{"servers": [{"id": "%s", "tenant_id": "other", "status": "ACTIVE"}]}' % made.cloud_id.encode()
    fake.cloud.mishaps.next("GET", "/servers/detail", Mishap(status=200, raw=body))
    with pytest.raises(Transient, match="is of project other"):
        await cloud.servers()


async def test_a_caller_who_has_gone_sends_nothing(fake: OpenStack, cloud: OpenStackCloud) -> None:
    await cloud.create(asked(TWO))
    fake.cloud.tokens.clear()
    _, http = cloud._door._session._open()
    http.invalidate()
    fake.cloud.mishaps.next("POST", "/auth/tokens", Mishap(ending=Ending.SILENCE))
    with trio.move_on_after(0.2):
        await cloud.create(asked())
    assert living(fake) == ["pitfalls-small-0002"]


def test_the_identity_of_a_server_fits_into_novas_metadata() -> None:
    assert all(len(text) <= 255 for pair in metadata_of(asked()).items() for text in pair)


async def test_what_is_missing_is_missing_by_list_and_by_id(cloud: OpenStackCloud) -> None:
    with pytest.raises(Missing):
        await cloud.delete(ONE)
    with pytest.raises(Missing) as missing:
        await cloud.server(ONE)
    assert missing.value.project == (await cloud.servers()).project, "where it was looked for"

"""The pure parts of the OpenStack adapter: what answers mean, how fast to go, what servers are told."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from hfs_appliance.adapters.openstack import failures, servers
from hfs_appliance.adapters.openstack.listing import Listing, first, overlapped
from hfs_appliance.adapters.openstack.pace import Pace
from hfs_appliance.adapters.openstack.servers import Told, read
from hfs_appliance.adapters.openstack.userdata import IDENTITY_FILE, Download, user_data
from hfs_appliance.model.ids import CloudId
from hfs_appliance.model.instants import SECOND, Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.recipe import Archive, Puppet, Recipe, Repository
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, PortError, Rejected, Transient
from hfs_appliance.registry.formats import read_identity
from tests.adapters.openstack.parts import ENVIRONMENT, ONE, asked

NOW = Instant(1_700_000_000 * SECOND)


@pytest.mark.parametrize(
    ("status", "body", "on_read", "on_write"),
    [
        (400, {"badRequest": {"message": "Invalid imageRef"}}, Rejected, Rejected),
        (401, {}, Transient, Transient),
        (403, {"forbidden": {"message": "Quota exceeded for cores"}}, Exhausted, Exhausted),
        (403, {"forbidden": {"message": "Policy doesn't allow it"}}, Rejected, Rejected),
        (404, {}, Missing, Missing),
        (409, {"conflictingRequest": {"message": "Cannot 'delete' while it is in task_state"}}, Conflict, Conflict),
        (409, {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for port"}}, Exhausted, Exhausted),
        (413, {"overLimit": {"message": "Quota exceeded"}}, Exhausted, Exhausted),
        (413, {}, Rejected, Rejected),
        (500, {"computeFault": {"message": "Unexpected API Error"}}, Transient, Ambiguous),
        (502, {}, Transient, Ambiguous),
        (599, {}, Transient, Ambiguous),
    ],
)
def test_a_refusal_says_what_the_loop_must_do(
    status: int, body: dict[str, Any], on_read: type[PortError], on_write: type[PortError]
) -> None:
    for is_mutation, wanted in ((False, on_read), (True, on_write)):
        found = failures.refusal(
            "compute POST /servers", status, {}, json.dumps(body).encode(), is_mutation=is_mutation, now=NOW
        )
        assert type(found) is wanted
        assert str(status) in found.words


def test_the_clouds_own_words_are_told() -> None:
    octavia = b'{"faultcode": "Client", "faultstring": "Load Balancer is immutable", "debuginfo": null}'
    assert failures.said(octavia) == "Load Balancer is immutable"
    assert failures.said(b"<html>") == ""
    assert failures.said(b'["message"]') == ""


@pytest.mark.parametrize(("text", "wanted"), [("7", seconds(7)), ("3600", seconds(60)), ("soon", None), ("-1", None)])
def test_retry_after_is_believed_within_reason(text: str, wanted: int | None) -> None:
    assert failures.retry_after({"Retry-After": text}) == wanted


def test_the_pace_rises_with_success_and_is_halved_once_for_many_failures() -> None:
    pace = Pace(8)
    for _ in range(100):
        pace.succeeded()
    assert pace.limit == 8
    for _ in range(5):
        pace.overloaded(NOW)
    assert pace.limit == 4
    for later in range(1, 9):
        pace.overloaded(Instant(NOW + later * SECOND))
    assert pace.limit == 1


def test_whoever_does_not_say_when_is_left_alone_longer_each_time() -> None:
    pace = Pace(8)
    waits = [pace.refused(Instant(NOW + at * 100 * SECOND), None) - NOW - at * 100 * SECOND for at in range(8)]
    assert waits == [seconds(span) for span in (1, 2, 4, 8, 16, 32, 60, 60)]
    pace.succeeded()
    later = Instant(NOW + 1_000 * SECOND)
    assert pace.refused(later, None) == later + SECOND


def test_an_earlier_end_does_not_shorten_a_wait() -> None:
    pace = Pace(8)
    long = pace.refused(NOW, seconds(30))
    assert pace.refused(NOW, seconds(1)) == long
    assert pace.is_held(Instant(long - 1))
    assert not pace.is_held(long)


def body(**changes: Any) -> dict[str, Any]:
    """Give a server as nova tells it."""
    return {
        "id": "c1",
        "status": "ACTIVE",
        "tenant_id": "p1",
        "created": "2026-11-26T02:00:00Z",
        "metadata": dict(servers.metadata_of(asked())),
        "addresses": {
            "backup": [{"addr": "10.9.0.4", "version": 4, "OS-EXT-IPS:type": "fixed"}],
            "private": [
                {"addr": "fd00::4", "version": 6, "OS-EXT-IPS:type": "fixed"},
                {"addr": "203.0.113.9", "version": 4, "OS-EXT-IPS:type": "floating"},
                {"addr": "10.0.0.4", "version": 4, "OS-EXT-IPS:type": "fixed"},
            ],
        },
        "OS-EXT-AZ:availability_zone": "az1",
        "OS-EXT-STS:task_state": None,
        **changes,
    }


def told(**changes: Any) -> Told:
    """Read that."""
    return read(body(**changes), ENVIRONMENT, ("private",))


@pytest.mark.parametrize(
    ("status", "task", "wanted"),
    [
        ("BUILD", "spawning", CloudStatus.BUILDING),
        ("ACTIVE", None, CloudStatus.ACTIVE),
        ("ACTIVE", "deleting", CloudStatus.DELETING),
        ("ERROR", "deleting", CloudStatus.DELETING),
        ("HARD_REBOOT", "reboot_started_hard", CloudStatus.ACTIVE),
        ("VERIFY_RESIZE", None, CloudStatus.ACTIVE),
        ("SHUTOFF", None, CloudStatus.STOPPED),
        ("SHELVED_OFFLOADED", None, CloudStatus.STOPPED),
        ("PAUSED", None, CloudStatus.STOPPED),
        ("SOFT_DELETED", None, CloudStatus.DELETING),
        ("ERROR", None, CloudStatus.ERROR),
        ("UNKNOWN", None, CloudStatus.UNKNOWN),
        ("SOMETHING_NEW", None, CloudStatus.UNKNOWN),
    ],
)
def test_every_status_is_one_of_ours(status: str, task: str | None, wanted: CloudStatus) -> None:
    found = told(status=status, **{"OS-EXT-STS:task_state": task}).ours
    assert found is not None
    assert found.status is wanted
    assert bool(found.fault) == (wanted in (CloudStatus.STOPPED, CloudStatus.ERROR, CloudStatus.UNKNOWN))


@pytest.mark.parametrize(
    ("status", "message", "wanted"),
    [
        ("ERROR", "Quota exceeded for instances: Requested 1, but already used 20 of 20 instances", True),
        ("ERROR", "Maximum number of ports exceeded", True),
        ("ERROR", "No valid host was found. There are not enough hosts available.", False),
        ("ERROR", "Exceeded maximum number of retries. Exhausted all hosts available for retrying", False),
        ("SHUTOFF", "Quota exceeded for instances: Requested 1, but already used 20 of 20 instances", False),
    ],
)
def test_a_fault_of_quota_is_told_apart(status: str, message: str, wanted: bool) -> None:  # noqa: FBT001  # a table
    found = told(status=status, fault={"code": 403, "message": message}).ours
    assert found is not None
    assert found.is_exhausted is wanted


def test_the_address_is_the_fixed_one_of_our_first_network() -> None:
    found = told().ours
    assert found is not None
    assert found.address == "10.0.0.4"
    nowhere = told(addresses={}).ours
    assert nowhere is not None
    assert nowhere.address == ""


def test_who_does_not_carry_our_identity_is_a_stranger() -> None:
    assert told(metadata={}).ours is None
    assert told(metadata={**servers.metadata_of(asked()), servers.ENVIRONMENT: "other"}).ours is None
    assert told(metadata={**servers.metadata_of(asked()), servers.NONCE: ""}).ours is None


def test_of_several_the_one_that_stays_counts_then_the_oldest() -> None:
    old, young = told().ours, told(id="c0", created="2026-11-26T02:00:01Z").ours
    leaving = told(id="c2", created="2026-11-26T01:00:00Z", **{"OS-EXT-STS:task_state": "deleting"}).ours
    assert old is not None
    assert young is not None
    assert leaving is not None
    assert first([young, old, leaving]) is old
    listing = Listing()
    listing.take_whole([told(id="c0", created="2026-11-26T02:00:01Z"), told()], now=NOW, since=NOW)
    assert listing.shown()[ONE].cloud_id == "c1"
    assert listing.ids(ONE) == ["c0", "c1"]


def test_changes_add_mend_and_take_away_and_silence_takes_nothing_away() -> None:
    listing = Listing()
    assert listing.changes_since(NOW) is None
    listing.take_whole([told(status="BUILD")], now=NOW, since=NOW)
    assert listing.changes_since(NOW) == NOW
    listing.take_changes([], since=NOW)
    assert listing.shown()[ONE].status is CloudStatus.BUILDING
    listing.take_changes([told()], since=NOW)
    assert listing.shown()[ONE].status is CloudStatus.ACTIVE
    listing.take_changes([told(status="DELETED")], since=NOW)
    assert listing.shown() == {}
    assert listing.changes_since(Instant(NOW + seconds(31))) is None, "a whole list is due now and then"


def test_a_hidden_server_makes_the_list_incomplete_and_whole_lists_due() -> None:
    listing = Listing()
    listing.take_whole([told()], now=NOW, since=NOW)
    hidden = Told(id=CloudId("c1"), status="UNKNOWN", project="p1", updated_at=None, ours=None)
    listing.take_whole([hidden], now=NOW, since=NOW)
    assert not listing.is_complete
    assert listing.shown()[ONE].status is CloudStatus.UNKNOWN
    assert listing.changes_since(NOW) is None


def test_the_time_of_a_list_is_the_clouds_own() -> None:
    updated = told(updated="2023-11-14T22:13:20Z")
    assert updated.updated_at == NOW
    assert overlapped(NOW, []) == NOW - seconds(10)
    assert overlapped(None, [told(), updated]) == NOW - seconds(10), "answers without a date tell of changes"
    assert overlapped(None, [told()]) is None


def config(text: str) -> dict[str, Any]:
    """Read user data as cloud-init would."""
    head, _, rest = base64.b64decode(text).decode().partition("\n")
    assert head == "#cloud-config"
    found = json.loads(rest)
    assert isinstance(found, dict)
    return found


def test_user_data_carries_the_identity_and_starts_the_agent() -> None:
    files = {file["path"]: file for file in config(user_data(asked(), None))["write_files"]}
    identity = read_identity(files[IDENTITY_FILE]["content"].encode())
    assert (identity.server, identity.nonce, identity.address) == (ONE, asked().nonce, "")
    assert files[IDENTITY_FILE]["permissions"] == "0600"
    (unit,) = [file["content"] for path, file in files.items() if path.endswith(".service")]
    assert f"hfs agent --identity {IDENTITY_FILE}" in unit
    assert "ExecStartPre" not in unit


@pytest.mark.parametrize(
    ("puppet", "packages"),
    [
        (None, []),
        (Puppet(archive=Archive(url="http://10.0.0.1/m.tar", sha256="0" * 64)), ["puppet-agent"]),
        (Puppet(repository=Repository(url="https://10.0.0.1/m.git", revision="0" * 40)), ["puppet-agent", "git"]),
    ],
)
def test_user_data_brings_what_the_stages_need(puppet: Puppet | None, packages: list[str]) -> None:
    recipe = Recipe(updates=("apt-get", "upgrade"), puppet=puppet)
    told = config(user_data(replace(asked(), recipe=recipe), None))
    assert told.get("packages", []) == packages
    files = {file["path"]: file for file in told["write_files"]}
    assert read_identity(files[IDENTITY_FILE]["content"].encode()).recipe == recipe


def test_user_data_fetches_the_very_file_that_is_meant() -> None:
    download = Download(url="http://10.0.0.1:8081/hfs", sha256="0" * 64)
    files = {file["path"]: file["content"] for file in config(user_data(asked(), download))["write_files"]}
    (script,) = [text for path, text in files.items() if path.endswith("hfs-fetch")]
    assert download.url in script
    assert download.sha256 in script
    assert any("ExecStartPre=/usr/local/sbin/hfs-fetch" in text for text in files.values())

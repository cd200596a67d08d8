"""Registrations as Curator's JSON: what is written is read again, and nothing odd gets in."""

from __future__ import annotations

import json

import pytest

from hfs_appliance.model.ids import Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.observed import InstanceStatus, Registration
from hfs_appliance.registry.curator import UNKNOWN_VERSION, read_registration, write_registration
from hfs_appliance.registry.formats import FormatError

DNS = ServiceName("dns")
ENTRY = Registration(
    service=DNS,
    instance="small-0001",
    version=Version("1.0.0"),
    address="10.0.0.1",
    port=9000,
    status=InstanceStatus.DRAINING,
    server=ServerId("small-0001"),
    nonce=Nonce("ab12"),
    slot=0,
    boot="7f",
    document="/openapi.json",
    czxid=5,
)


def test_what_is_written_is_read_again() -> None:
    content = write_registration(ENTRY, Instant(seconds(1)))
    assert read_registration(DNS, "small-0001", content, czxid=5) == ENTRY


def test_what_others_write_need_not_say_more_than_where_it_is() -> None:
    found = read_registration(DNS, "one", b'{"address": "10.0.0.2", "port": 80}', czxid=1)
    assert (found.version, found.status, found.server, found.nonce, found.slot) == (
        UNKNOWN_VERSION,
        InstanceStatus.UP,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("slot", [-1, True, "3", 1.0, 10**9, [0]])
def test_a_slot_is_a_number_or_not_said(slot: object) -> None:
    entry = json.loads(write_registration(ENTRY, Instant(0)))
    entry["payload"]["slot"] = slot
    with pytest.raises(FormatError, match="slot"):
        read_registration(DNS, "small-0001", json.dumps(entry).encode(), czxid=1)

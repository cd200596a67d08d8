"""Lists with gaps: what a client gets, list after list, is what looking at all servers anew would give."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.ids import AvailabilityZone, CloudId, Nonce, PoolName, ServerId, server_id
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from sim.cloudfaults import CloudFaults
from sim.listing import Listing

POOL = PoolName("small")
ZONES = tuple(map(AvailabilityZone, ("az1", "az2", "az3")))


def machine(serial: int) -> CloudServer:
    return CloudServer(
        cloud_id=CloudId(f"sim-{serial}"),
        server=server_id(POOL, serial),
        nonce=Nonce(f"{serial:016x}"),
        pool=POOL,
        az=ZONES[serial % 3],
        status=CloudStatus.ACTIVE,
        address=f"10.0.0.{serial}",
        created_at=Instant(0),
    )


def afresh(view: CloudView, faults: CloudFaults) -> dict[ServerId, CloudServer]:
    return dict(Listing(lambda: Instant(0), lambda: view, replace(faults)).view().servers)


def test_each_list_is_as_if_it_were_made_anew() -> None:
    servers: Map[ServerId, CloudServer] = Map({server_id(POOL, n): machine(n) for n in range(1, 90)})
    whole, faults = [CloudView(servers=servers)], CloudFaults()
    listing = Listing(lambda: Instant(0), lambda: whole[0], faults)
    seen: set[int] = set()

    def look() -> None:
        listed = listing.view().servers
        assert listed == afresh(whole[0], faults)
        seen.add(len(listed))

    def change(serial: int, found: CloudServer | None) -> None:
        whole[0] = CloudView(servers=Map(whole[0].servers).updated({server_id(POOL, serial): found}))
        look()

    for turn in ({"unlisted": 300}, {"unlisted": 300, "unlisted_zones": {ZONES[0]}}, {"unknown": 400}, {"unlisted": 0}):
        for name, value in turn.items():
            setattr(faults, name, value)
        look()
        for serial in range(1, 12):
            change(serial, None)
            change(serial + 20, replace(machine(serial + 20), status=CloudStatus.STOPPED))
            change(serial, machine(serial))
        faults.unlisted_zones = set()
    assert len(seen) > 5


def test_a_list_that_was_given_out_stays_as_it_was_and_one_of_the_same_is_the_same() -> None:
    servers: Map[ServerId, CloudServer] = Map({server_id(POOL, n): machine(n) for n in range(1, 30)})
    whole = [CloudView(servers=servers)]
    listing = Listing(lambda: Instant(0), lambda: whole[0], CloudFaults(unlisted=500))
    first = listing.view().servers
    kept = dict(first)
    assert listing.view().servers is first
    gone = min(first)
    whole[0] = CloudView(servers=servers.updated({gone: None}))
    assert gone not in listing.view().servers
    assert first == kept

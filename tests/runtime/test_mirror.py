"""The mirror of the registry: what is read again, and what of it need not be."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.ids import EnvironmentName, Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import PoolEntry, Registration, RegistryView
from hfs_appliance.ports.registry import Znode
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.mirror import Mirror
from tests.support.parts import Sink

LAYOUT = Layout(EnvironmentName("test"))
ONE, DNS = ServerId("small-0001"), ServiceName("dns")
ENTRY = PoolEntry(server=ONE, nonce=Nonce("n"), pool=PoolName("small"), address="10.0.0.1")


def entry(path: str, value: bytes, *, zxid: int = 1) -> dict[str, Znode | None]:
    return {path: Znode(path=path, value=value, version=0, czxid=zxid, mzxid=zxid, pzxid=zxid, ephemeral_owner=7)}


def shown(mirror: Mirror, found: dict[str, Znode | None], at: int = 1) -> RegistryView:
    mirror.take(found, Instant(at))
    return mirror.view(synced_at=Instant(0), removals_believed_at=Instant(0))


def test_what_is_read_again_as_it_was_changes_nothing() -> None:
    mirror, found = Mirror(LAYOUT, Sink()), entry(LAYOUT.pool_entry(ONE), write(ENTRY))
    assert shown(mirror, found) is shown(mirror, found)


def test_other_content_is_read_though_a_registry_that_was_rolled_back_counts_it_alike() -> None:
    mirror, path = Mirror(LAYOUT, Sink()), LAYOUT.pool_entry(ONE)
    shown(mirror, entry(path, write(ENTRY)))
    moved = replace(ENTRY, address="10.0.0.2")
    assert shown(mirror, entry(path, write(moved))).pool[ONE] == moved


def test_a_registration_that_was_made_anew_tells_when() -> None:
    made = Registration(service=DNS, instance=ONE, version=Version("1"), address="10.0.0.1", port=80, server=ONE)
    mirror, path, value = Mirror(LAYOUT, Sink()), LAYOUT.registration(DNS, ONE), write_registration(made, Instant(1))
    before = shown(mirror, entry(path, value)).registrations[DNS][ONE]
    after = shown(mirror, entry(path, value, zxid=2)).registrations[DNS][ONE]
    assert (before.czxid, after.czxid) == (1, 2)


def test_a_broken_entry_is_told_each_time_and_gone_ones_are_forgotten() -> None:
    sink = Sink()
    mirror, path = Mirror(LAYOUT, sink), LAYOUT.pool_entry(ONE)
    shown(mirror, entry(path, b"{broken"))
    shown(mirror, entry(path, b"{broken"))
    assert [event.kind for event in sink.told] == ["entry-refused"] * 2
    assert mirror.unlike(LAYOUT.pool, [ONE]) == []
    shown(mirror, {path: None})
    assert mirror.is_in_step(path, None)
    assert mirror.unlike(LAYOUT.pool, [ONE, "other"]) == ["other", ONE]


def test_an_entry_that_is_as_it_was_tells_that_its_server_is_there_though_another_one_of_it_went() -> None:
    made = Registration(service=DNS, instance=ONE, version=Version("1"), address="10.0.0.1", port=80, server=ONE)
    mirror = Mirror(LAYOUT, Sink())
    pool = entry(LAYOUT.pool_entry(ONE), write(ENTRY))
    registration = LAYOUT.registration(DNS, ONE)
    shown(mirror, {**pool, **entry(registration, write_registration(made, Instant(1)))})
    assert shown(mirror, {registration: None}, at=5).departed == {ONE: Instant(5)}
    assert shown(mirror, pool).departed == {}

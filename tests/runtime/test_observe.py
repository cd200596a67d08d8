"""The observers: what they show, when it was true, and what they do about gaps and broken entries."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.events import ResyncFoundDrift
from hfs_appliance.model.ids import AvailabilityZone, Nonce, PoolName, ServerId, ServiceName
from hfs_appliance.model.instants import SECOND, between, seconds
from hfs_appliance.model.observed import Observation, PoolEntry, RegistryView, ServerRecord
from hfs_appliance.model.traffic import ProxyServes
from hfs_appliance.ports.mischief import Site
from hfs_appliance.ports.registry import SessionState
from hfs_appliance.registry.formats import read_pool_entry, write
from hfs_appliance.runtime.observe_registry import PORTION
from hfs_appliance.runtime.tunables import Tunables
from tests.support.parts import Bench, pass_time, running, simulated
from tests.support.registries import wait_state

ONE = ServerId("small-0001")
RECORD = ServerRecord(
    server=ONE,
    nonce=Nonce("n"),
    pool=PoolName("small"),
    az=AvailabilityZone("az1"),
    created_at=1,  # type: ignore[arg-type]  # any instant
    cause="meet-demand",
)
ENTRY = write(PoolEntry(server=ONE, nonce=Nonce("n"), pool=PoolName("small"), address="10.0.0.1"))


class Rereading:
    """Mischief that has everything read anew at each mark."""

    def strikes(self, site: Site) -> bool:
        return site is Site.REREAD


async def seen(bench: Bench, count: int) -> RegistryView:
    """Wait until the view has so many entries of the pool."""
    while (observation := bench.view.observation()) is None or len(observation.value.pool) != count:
        await bench.dirty.wait()
    return observation.value


@simulated
async def test_nothing_is_shown_before_the_first_whole_read(bench: Bench) -> None:
    assert bench.view.observation() is None
    await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
    async with running(bench.view.run):
        assert list((await seen(bench, 1)).pool) == [ONE]


@simulated
async def test_what_changes_is_seen_and_what_leaves_is_remembered(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
        assert (await seen(bench, 1)).departed == {}
        await bench.other.delete(bench.layout.pool_entry(ONE))
        assert list((await seen(bench, 0)).departed) == [ONE]
        await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
        assert (await seen(bench, 1)).departed == {}


@simulated
async def test_a_large_tree_may_take_longer_to_read_than_any_part_of_it(bench: Bench) -> None:
    for path in ("/hfs", bench.layout.root, *bench.layout.parents):
        bench.ensemble.put(path, b"")
    entries = 3 * PORTION
    for number in range(entries):
        entry = replace(read_pool_entry(ENTRY), server=ServerId(f"small-{number:04d}"))
        bench.ensemble.put(bench.layout.pool_entry(entry.server), write(entry))
    view = bench.observer(tunables=Tunables(read_within=seconds(1)))
    began = bench.clock.now()
    async with running(view.run):
        while (observation := view.observation()) is None:
            await bench.dirty.wait()
        assert len(observation.value.pool) == entries
        assert between(began, bench.clock.now()) > SECOND


@simulated
async def test_while_cut_off_the_view_grows_old_and_stays(bench: Bench) -> None:
    await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
    async with running(bench.view.run):
        await seen(bench, 1)
        bench.registry.link.cut()
        await bench.other.delete(bench.layout.pool_entry(ONE))
        await pass_time(600)
        old = bench.view.observation()
        assert old is not None
        assert list(old.value.pool) == [ONE]
        assert not old.is_fresh(bench.clock.now(), 599 * SECOND)  # type: ignore[arg-type]  # a span
        bench.registry.link.heal()
        await seen(bench, 0)
        assert not bench.view.are_removals_believed()
        await pass_time(10)
        assert bench.view.are_removals_believed()


@simulated
async def test_who_wants_to_be_sure_in_the_same_session_need_not_wait_to_believe_removals(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        await pass_time(10)
        assert bench.view.are_removals_believed()
        await bench.view.read_anew()
        assert bench.view.are_removals_believed()


@simulated
async def test_mischief_that_reads_everything_anew_leaves_no_gap(bench: Bench) -> None:
    view = bench.observer(mischief=Rereading())
    async with running(view.run):
        await pass_time(10)
        assert view.are_removals_believed()
        await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
        await pass_time(1)
        assert (observed := view.observation()) is not None
        assert list(observed.value.pool) == [ONE]
        assert view.are_removals_believed()


@simulated
async def test_who_wants_to_be_sure_over_a_gap_waits_to_believe_removals(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        await pass_time(10)
        bench.registry.link.cut()
        await wait_state(bench.registry, SessionState.SUSPENDED)
        async with running(bench.view.read_anew):
            bench.registry.link.heal()
            await bench.view.read_anew()
            assert not bench.view.are_removals_believed()


@simulated
async def test_noticing_a_silence_renews_no_lease(bench: Bench) -> None:
    timeout = bench.desired.registry.session_timeout
    await pass_time(100)
    silent_since = bench.clock.now()
    bench.registry.link.go_silent()
    await wait_state(bench.registry, SessionState.SUSPENDED)
    assert bench.registry.session().lease_until <= silent_since + timeout * 2 // 3


@simulated
async def test_a_quiet_view_is_as_fresh_as_the_heartbeats(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        for _ in range(100):
            await pass_time(1)
            observation: Observation[RegistryView] | None = bench.view.observation()
            assert observation is not None
            assert bench.clock.now() - observation.observed_at <= 2 * SECOND + SECOND // 10


@simulated
async def test_a_broken_entry_is_told_and_hides_nobody_else(bench: Bench) -> None:
    await bench.other.create(bench.layout.registration(ServiceName("dns"), "x"), b"{broken")
    await bench.other.create(bench.layout.record(ServerId("small-0002")), b"[]")
    await bench.other.create(bench.layout.record(ONE), write(RECORD))
    async with running(bench.view.run):
        view = await seen(bench, 0)
        await bench.sink.wait("entry-refused", 2)
        assert list(view.records) == [ONE]
        assert view.registrations == {}


@simulated
async def test_what_a_watch_has_missed_is_found_within_a_minute(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        await pass_time(130)  # everything was found to be as known, and is not listed again
        bench.ensemble.core.watches.drop(bench.registry.link.number)
        await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
        await bench.other.create(bench.layout.registration(ServiceName("dns"), "x"), b"{broken")
        assert list((await seen(bench, 1)).pool) == [ONE]
        (drift,) = await bench.sink.wait("resync-found-drift")
        assert isinstance(drift, ResyncFoundDrift)
        assert drift.entries == 2
        await pass_time(300)
        assert len(await bench.sink.wait("resync-found-drift")) == 1


@simulated
async def test_what_a_watch_has_missed_of_what_is_rewritten_is_found_within_a_minute(bench: Bench) -> None:
    dns, path = ServiceName("dns"), bench.layout.proxy("mcp-1")

    def told(epoch: int) -> bytes:
        return write(ProxyServes(proxy="mcp-1", epochs={dns: epoch}))

    async def served(epoch: int) -> None:
        while (shown := bench.view.observation()) is None or shown.value.proxies["mcp-1"].epochs != {dns: epoch}:
            await bench.dirty.wait()

    await bench.other.create(path, told(1))
    async with running(bench.view.run):
        await served(1)
        bench.ensemble.core.watches.drop(bench.registry.link.number)
        await bench.other.set(path, told(2))
        await served(2)
        (drift,) = await bench.sink.wait("resync-found-drift")
        assert isinstance(drift, ResyncFoundDrift)
        assert (drift.entries, drift.words) == (1, path)
        await bench.other.set(path, told(3))
        await pass_time(1)
        await served(3)
        assert len(await bench.sink.wait("resync-found-drift")) == 1, "the watch was asked for again"


@simulated
async def test_a_watch_that_has_missed_something_is_asked_for_again(bench: Bench) -> None:
    async with running(bench.view.run):
        await seen(bench, 0)
        bench.ensemble.core.watches.drop(bench.registry.link.number)
        await bench.other.create(bench.layout.pool_entry(ONE), ENTRY)
        await bench.sink.wait("resync-found-drift")
        await pass_time(1)
        await bench.other.delete(bench.layout.pool_entry(ONE))
        await pass_time(1)
        assert list((await seen(bench, 0)).departed) == [ONE], "at once, not with the next resync"
        assert len(await bench.sink.wait("resync-found-drift")) == 1


@simulated
async def test_the_list_of_servers_is_dated_at_its_question(bench: Bench) -> None:
    bench.datacentre.faults.slowness = 10
    asked = bench.clock.now()
    async with running(bench.servers.run):
        await bench.dirty.wait()
        observation = bench.servers.observation()
        assert observation is not None
        assert observation.observed_at == asked < bench.clock.now()


@simulated
async def test_an_api_that_hangs_is_told_once_and_asked_again(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    async with running(bench.servers.run):
        await pass_time(120)
        assert len(await bench.sink.wait("cloud-unreachable")) == 1
        bench.datacentre.faults.hangs = False
        await bench.dirty.wait()
        before = bench.servers.observation()
        assert before is not None
        bench.datacentre.faults.hangs = True
        await pass_time(60)
        bench.datacentre.faults.hangs = False
        await bench.dirty.wait()  # the same list, and fresh again: that is news
        again = bench.servers.observation()
        assert again is not None
        assert again.value is before.value
        assert again.observed_at > before.observed_at

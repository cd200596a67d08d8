"""The desired store: what is offered, applied, scaled, and refused."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from hfs_appliance.config import ConfigError
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.ports.errors import Conflict, Transient, Unconfirmed
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.own_file import OwnFile
from tests.support.parts import SOURCE, Bench, running, simulated

DNS, V1 = ServiceName("dns"), Version("1.0.0")


def wanted(bench: Bench) -> int:
    assert bench.store.current is not None
    return bench.store.current.services[DNS].versions[V1]


@simulated
async def test_a_file_is_news_only_once(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    await bench.store.scale(DNS, V1, 5, "me")
    await bench.store.offer(SOURCE, "a.toml", "run")
    assert wanted(bench) == 5, "what was scaled since stays"
    await bench.store.offer(SOURCE.replace("instances = 2", "instances = 4"), "a.toml", "run")
    assert wanted(bench) == 4, "another file is news, and ends what was scaled"
    assert bench.store.stored is not None
    assert bench.store.stored.generation == 3


@simulated
async def test_applying_on_an_old_generation_is_a_conflict(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    applied = await bench.store.apply(SOURCE.replace("instances = 2", "instances = 4"), "a.toml", "me", 1)
    assert applied.generation == 2
    assert [change.after for change in applied.changes] == ["4"]
    with pytest.raises(Conflict, match="generation 2 is in force"):
        await bench.store.apply(SOURCE, "a.toml", "me", 1)
    assert wanted(bench) == 4


@simulated
async def test_a_version_that_somebody_else_has_replaced_is_not_scaled_back_beside_the_new_one(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    two = Version("2.0.0")
    await bench.store.change_versions(DNS, {V1: 0, two: 2}, "ann", "hfs upgrade dns 2.0.0", seen={V1: 2})
    for late in (
        partial(bench.store.scale, DNS, V1, 5, "bob", seen={V1: 2}),
        partial(bench.store.change_versions, DNS, {V1: 0, Version("3.0.0"): 2}, "bob", "hfs upgrade", seen={V1: 2}),
    ):
        with pytest.raises(Conflict, match="dns has been changed meanwhile, by ann: look again"):
            await late()
    assert bench.store.current is not None
    assert bench.store.current.services[DNS].versions == {V1: 0, two: 2}
    await bench.store.scale(DNS, two, 3, "bob", seen={V1: 0, two: 2})
    assert bench.store.current.services[DNS].versions == {V1: 0, two: 3}


@simulated
async def test_what_removes_much_is_stored_only_when_it_is_confirmed(bench: Bench) -> None:
    await bench.store.offer(SOURCE.replace("instances = 2", "instances = 8"), "a.toml", "run")
    for change in (
        partial(bench.store.apply, SOURCE, "a.toml", "me", None),
        partial(bench.store.scale, DNS, V1, 0, "me"),
        partial(bench.store.offer, SOURCE, "a.toml", "run"),
    ):
        with pytest.raises(Unconfirmed, match="of 8 instances of dns"):
            await change()
    assert wanted(bench) == 8
    await bench.store.scale(DNS, V1, 0, "me", is_confirmed=True)
    assert wanted(bench) == 0
    await bench.store.apply(SOURCE, "a.toml", "me", None)
    assert wanted(bench) == 2


@simulated
async def test_a_file_that_removes_much_is_told_and_not_offered_again(bench: Bench) -> None:
    await bench.store.offer(SOURCE.replace("instances = 2", "instances = 8"), "a.toml", "run")
    file = OwnFile(bench.store, bench.sink)
    file.start_with(SOURCE, "a.toml")
    await file.offer()
    assert wanted(bench) == 8
    (hold,) = file.holds()
    assert (hold.rule, "6 of 8 instances of dns" in hold.words) == ("file-not-applied", True)
    await bench.store.apply(SOURCE, "a.toml", "me", None, is_confirmed=True)
    file.come_late()
    assert file.holds() == ()
    await bench.store.scale(DNS, V1, 3, "me")
    await file.offer()
    assert wanted(bench) == 3


@simulated
async def test_an_older_generation_is_refused_and_can_be_replaced_by_what_is_in_force(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    early = await bench.registry.get(bench.layout.desired)
    await bench.store.scale(DNS, V1, 5, "me")
    await bench.registry.set(bench.layout.desired, early.value)
    async with running(bench.view.run):
        (refused,) = await bench.sink.wait("desired-refused")
        assert "generation 1 is older than 2" in refused.words  # type: ignore[union-attr]
        assert wanted(bench) == 5
        await bench.store.restore()
        assert bench.store.stored is not None
        later = DesiredStore(bench.registry, bench.layout, clock=bench.clock, sink=bench.sink, dirty=())
        later.hear(await bench.registry.get(bench.layout.desired))
        assert later.stored == bench.store.stored


@simulated
async def test_an_entry_that_is_gone_is_written_anew_when_it_is_asked_for(bench: Bench) -> None:
    await bench.store.restore()
    assert (await bench.registry.get_many([bench.layout.desired]))[bench.layout.desired] is None
    await bench.store.offer(SOURCE, "a.toml", "run")
    await bench.registry.delete(bench.layout.desired)
    bench.store.hear(None)
    assert wanted(bench) == 2
    await bench.store.restore()
    await bench.store.restore()
    assert (await bench.registry.get(bench.layout.desired)).version == 0


@simulated
async def test_a_bad_source_changes_nothing(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    with pytest.raises(ConfigError):
        await bench.store.apply("nonsense", "a.toml", "me", None)
    with pytest.raises(ConfigError):
        await bench.store.scale(DNS, Version("9;"), 1, "me")
    assert wanted(bench) == 2
    assert bench.store.stored is not None
    assert bench.store.stored.generation == 1


@simulated
async def test_a_broken_entry_is_told_once_and_the_former_state_stays(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    async with running(bench.view.run):
        await bench.other.set(bench.layout.desired, b"{broken")
        await bench.sink.wait("desired-refused")
        assert wanted(bench) == 2


@simulated
async def test_without_a_connection_nothing_is_believed_to_be_stored(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    bench.registry.link.cut()
    with pytest.raises(Transient):
        await bench.store.scale(DNS, V1, 5, "me")
    assert wanted(bench) == 2


@simulated
async def test_what_is_being_ended_is_ended_by_everyone_who_was_there_and_begun_anew_by_who_comes(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    await bench.store.scale(DNS, V1, 5, "me")
    late = DesiredStore(bench.other, bench.layout, clock=bench.clock, sink=bench.sink, dirty=())
    there = DesiredStore(bench.other, bench.layout, clock=bench.clock, sink=bench.sink, dirty=())
    there.hear(await bench.other.get(bench.layout.desired))
    await bench.store.close("me")
    for store in (there, late):
        store.hear(await bench.other.get(bench.layout.desired))
    assert [store.is_closing for store in (bench.store, there, late)] == [True, True, False]
    assert [store.current is None for store in (bench.store, there, late)] == [False, False, True]
    with trio.fail_after(30):
        await there.wait_closing()
    await late.offer(SOURCE, "a.toml", "run")
    assert late.current is not None
    assert late.current.services[DNS].versions[V1] == 2, "what was scaled is forgotten"
    assert late.current.generation == 4
    assert not late.is_closing


@simulated
async def test_a_file_is_news_unless_it_was_offered_or_applied(bench: Bench) -> None:
    other = SOURCE.replace("instances = 2", "instances = 4")
    assert not bench.store.is_news(SOURCE), "nothing is there that it could differ from"
    await bench.store.offer(SOURCE, "a.toml", "run")
    assert not bench.store.is_news(SOURCE)
    assert bench.store.is_news(other)
    await bench.store.apply(other, "a.toml", "me", None)
    assert not bench.store.is_news(other)
    assert not bench.store.is_news(SOURCE)


@simulated
async def test_an_environment_whose_stored_state_is_spoilt_can_be_ended(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    await bench.other.set(bench.layout.desired, b"{broken")
    await bench.store.close("me")
    assert bench.store.is_closing

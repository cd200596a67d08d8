"""The desired store: what is offered, applied, scaled, and refused."""

from __future__ import annotations

import pytest

from hfs_appliance.config import ConfigError
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.ports.errors import Conflict, Transient
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
    await bench.store.offer(SOURCE.replace("instances = 2", "instances = 3"), "a.toml", "run")
    assert wanted(bench) == 3, "another file is news, and ends what was scaled"
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
async def test_a_bad_source_changes_nothing(bench: Bench) -> None:
    await bench.store.offer(SOURCE, "a.toml", "run")
    with pytest.raises(ConfigError):
        await bench.store.apply("nonsense", "a.toml", "me", None)
    with pytest.raises(ConfigError):
        await bench.store.scale(DNS, Version("9"), 1, "me")
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

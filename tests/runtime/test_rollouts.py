"""Moves of rollouts: written as a whole or not at all, from what was seen and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import trio

from hfs_appliance.model.events import PartFailed
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.observed import RegistryView
from hfs_appliance.model.rollout import Move, Rollout, RolloutPhase
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged
from hfs_appliance.model.traffic import Carrier, Match, ProxyServes, Share, Traffic
from hfs_appliance.ports.errors import PortError
from hfs_appliance.registry.formats import read_proxy, read_rollout, read_traffic, write
from hfs_appliance.runtime.acknowledge import Acknowledgement
from hfs_appliance.runtime.rollouts import RolloutStore
from sim.desired import configuration
from tests.support.parts import Bench, pass_time, running, simulated

DNS = ServiceName("dns")
V1, V2 = Version("1.0.0"), Version("2.0.0")
SOURCE = configuration({"dns": {"1.0.0": 2}}, poll="1s")


def store(bench: Bench) -> RolloutStore:
    return RolloutStore(bench.registry, bench.layout, bench.store, bench.view, bench.sink)


async def prepare(bench: Bench) -> None:
    for path in (bench.layout.rollouts, bench.layout.traffic, bench.layout.proxies):
        await bench.registry.create(path)
    await bench.store.offer(SOURCE, "a.toml", "run")


def state(bench: Bench, phase: RolloutPhase, **changes: object) -> Rollout:
    rollout = Rollout(
        service=DNS, phase=phase, number=1, before={V1: 2}, target={V2: 2}, since=bench.clock.now(), words="so it is"
    )
    return replace(rollout, **changes)  # type: ignore[arg-type]


def traffic(epoch: int, weights: Mapping[Version, int], matches: tuple[Match, ...] = ()) -> Traffic:
    shares = tuple(Share(version=v, weight=weight, instances=2, matches=matches) for v, weight in weights.items())
    return Traffic(service=DNS, epoch=epoch, shares=shares)


async def read(bench: Bench) -> None:
    while bench.view.observation() is None:
        await bench.dirty.wait()


def seen(bench: Bench) -> RegistryView:
    view = bench.view.observation()
    assert view is not None
    return view.value


def told(bench: Bench) -> list[object]:
    kinds = (RolloutChanged, RolloutGivenUp, TrafficChanged, PartFailed)
    return [event for event in bench.sink.told if isinstance(event, kinds)]


@simulated
async def test_a_move_is_one_transaction_and_is_seen_and_told(bench: Bench) -> None:
    await prepare(bench)
    async with running(bench.view.run):
        await read(bench)
        move = Move(service=DNS, rollout=state(bench, RolloutPhase.EXPAND, epoch=1), traffic=traffic(1, {V1: 1000}))
        await store(bench).carry_out((move,), seen(bench))
        assert seen(bench).rollouts == {DNS: move.rollout}
        assert seen(bench).traffic == {DNS: move.traffic}
        entries = [await bench.registry.get(path) for path in (bench.layout.rollout(DNS), bench.layout.traffic_of(DNS))]
        assert entries[0].mzxid == entries[1].mzxid
        assert read_rollout(entries[0].value) == move.rollout
        assert read_traffic(entries[1].value) == move.traffic
        changed, divided = told(bench)
        assert isinstance(changed, RolloutChanged)
        assert (changed.old, changed.new, changed.phase, changed.words) == (V1, V2, "expand", "so it is")
        assert isinstance(divided, TrafficChanged)
        assert (divided.epoch, divided.words) == (1, "1.0.0 100 %")


@simulated
async def test_what_was_changed_meanwhile_is_looked_at_again_first(bench: Bench) -> None:
    await prepare(bench)
    async with running(bench.view.run):
        await read(bench)
        before = seen(bench)
        other = state(bench, RolloutPhase.SOAK)
        await bench.other.create(bench.layout.rollout(DNS), write(other))
        move = Move(service=DNS, rollout=state(bench, RolloutPhase.EXPAND), traffic=traffic(1, {V1: 1000}))
        await store(bench).carry_out((move,), before)
        assert seen(bench).rollouts == {DNS: other}
        assert seen(bench).traffic == {}
        assert told(bench) == []
        await bench.other.create(bench.layout.traffic_of(DNS), write(traffic(7, {V2: 1000})))
        await store(bench).carry_out((replace(move, rollout=other),), before)
        assert seen(bench).traffic[DNS].epoch == 7


@simulated
async def test_a_failed_rollout_takes_its_wish_back_in_the_same_move(bench: Bench) -> None:
    await prepare(bench)
    upgraded = SOURCE.replace('"1.0.0" = { instances = 2 }', '"2.0.0" = { instances = 2 }')
    await bench.store.apply(upgraded, "a.toml", "me", None)
    async with running(bench.view.run):
        await read(bench)
        assert bench.store.current is not None
        assert bench.store.current.services[DNS].former == {V1: 2}
        aborted = state(bench, RolloutPhase.ABORT, words="too many errors")
        move = Move(service=DNS, rollout=aborted, traffic=traffic(3, {V1: 1000, V2: 0}), versions={V2: 0, V1: 2})
        await store(bench).carry_out((move,), seen(bench))
        assert bench.store.current.services[DNS].versions == {V1: 2, V2: 0}
        assert bench.store.stored is not None
        assert (bench.store.stored.generation, bench.store.stored.author) == (3, "hfs")
        assert bench.store.stored.source == upgraded
        given_up, divided = told(bench)
        assert isinstance(given_up, RolloutGivenUp)
        assert isinstance(divided, TrafficChanged)
        assert divided.words == "1.0.0 100 %, 2.0.0 stands by"


@simulated
async def test_requests_go_back_even_where_the_desired_state_cannot(bench: Bench) -> None:
    await prepare(bench)
    async with running(bench.view.run):
        await read(bench)
        versions = {V1: 1_000_000}
        move = Move(service=DNS, rollout=state(bench, RolloutPhase.ABORT), traffic=None, versions=versions)
        await store(bench).carry_out((move,), seen(bench))
        assert seen(bench).rollouts[DNS].phase is RolloutPhase.ABORT
        assert bench.store.stored is not None
        assert bench.store.stored.generation == 1
        assert [event.part for event in told(bench) if isinstance(event, PartFailed)] == ["going back of dns"]


@simulated
async def test_what_cannot_be_read_is_written_over_and_what_is_over_is_removed(bench: Bench) -> None:
    await prepare(bench)
    await bench.other.create(bench.layout.rollout(DNS), b"nonsense")
    await bench.other.create(bench.layout.traffic_of(DNS), b"[]")
    async with running(bench.view.run):
        await read(bench)
        assert (seen(bench).rollouts, seen(bench).traffic) == ({}, {})
        paused = state(bench, RolloutPhase.CANARY, paused_at=bench.clock.now())
        beta = Match(carrier=Carrier.HEADER, name="X-Beta", value="yes")
        move = Move(service=DNS, rollout=paused, traffic=traffic(2, {V2: 55, V1: 945}))
        await store(bench).carry_out((move,), seen(bench))
        assert [event.words for event in told(bench)[-2:]] == ["paused", "2.0.0 5.5 %, 1.0.0 94.5 %"]  # type: ignore[attr-defined]
        matched = replace(move, traffic=traffic(3, {V2: 1000}, (beta,)))
        await store(bench).carry_out((matched,), seen(bench))
        assert told(bench)[-1].words == "2.0.0 100 % and what matches"  # type: ignore[attr-defined]
        await store(bench).carry_out((Move(service=DNS, rollout=None, traffic=None),), seen(bench))
        assert (seen(bench).rollouts, seen(bench).traffic) == ({}, {})
        assert told(bench)[-1].words == "evenly over all instances"  # type: ignore[attr-defined]


@simulated
async def test_a_registry_that_refuses_is_no_conflict(bench: Bench) -> None:
    await prepare(bench)
    async with running(bench.view.run):
        await read(bench)
        before = seen(bench)
        bench.ensemble.stop()
        move = Move(service=DNS, rollout=state(bench, RolloutPhase.EXPAND), traffic=None)
        with pytest.raises((trio.TooSlowError, PortError)):
            await store(bench).carry_out((move,), before)


@simulated
async def test_a_proxy_tells_the_epochs_that_it_follows_and_nothing_else(bench: Bench) -> None:
    await prepare(bench)
    us = Candidate(appliance="a", name="A", address="http://a")
    acknowledgement = Acknowledgement(bench.registry, bench.layout, us, bench.sink)
    path = bench.layout.proxy(us.appliance)
    async with running(acknowledgement.keep):
        acknowledgement.serve({})
        await pass_time(1)
        first = await bench.registry.get(path)
        assert read_proxy(first.value) == ProxyServes(proxy=us.name)
        acknowledgement.serve({})
        await pass_time(1)
        assert (await bench.registry.get(path)).mzxid == first.mzxid
        acknowledgement.serve({DNS: 4})
        await pass_time(1)
        assert read_proxy((await bench.registry.get(path)).value).epochs == {DNS: 4}

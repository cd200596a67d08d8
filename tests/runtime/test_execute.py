"""The executor: lanes, deadlines, and what a failure leaves behind."""

from __future__ import annotations

import trio

from hfs_appliance.model.events import ActionFailed
from hfs_appliance.model.ids import ServerId
from hfs_appliance.registry.formats import read_record
from hfs_appliance.runtime.tunables import PRODUCTION
from tests.support.parts import Bench, create, pass_time, running, simulated


@simulated
async def test_a_creation_writes_its_record_before_the_cloud_is_asked(bench: Bench) -> None:
    bench.datacentre.faults.is_down = True
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.sink.wait("action-failed")
    record = read_record((await bench.registry.get(bench.layout.record(ServerId("small-0001")))).value)
    assert bench.datacentre.ever_made == 0
    (failure,) = bench.executor.take_failures()
    assert (failure.server, failure.pool) == (record.server, record.pool)
    assert bench.executor.take_failures() == ()


@simulated
async def test_a_retry_asks_for_the_nonce_of_the_record(bench: Bench) -> None:
    bench.datacentre.faults.lost_creates = 1_000
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.sink.wait("action-failed")
        bench.datacentre.faults.lost_creates = 0
        await pass_time(2)
        bench.submit(create(1, is_retry=True))
        await bench.sink.wait("action-done")
    assert bench.datacentre.ever_made == 1


@simulated
async def test_a_cloud_that_does_not_answer_costs_one_deadline_and_no_lane_for_ever(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    began = bench.clock.now()
    async with running(bench.executor.run):
        bench.submit(create(1))
        (failed,) = await bench.sink.wait("action-failed")
        assert isinstance(failed, ActionFailed)
        assert bench.clock.now() - began < 31 * 10**9
        assert list(bench.executor.in_flight) == ["small-0001"], "taken for a moment longer: no spinning"
        await pass_time(2)
        assert not bench.executor.in_flight


@simulated
async def test_a_registry_that_is_away_fails_the_action_before_the_cloud_is_asked(bench: Bench) -> None:
    bench.registry.link.cut()
    async with running(bench.executor.run):
        bench.submit(create(1))
        (failed,) = await bench.sink.wait("action-failed")
    assert isinstance(failed, ActionFailed)
    assert failed.error == "Transient"
    assert bench.cloud.calls == 0
    assert bench.executor.take_failures() == (), "not the pool's fault"


@simulated
async def test_so_many_actions_go_on_at_once_and_all_are_done(bench: Bench) -> None:
    actions = [create(serial) for serial in range(1, 3 * PRODUCTION.actions_at_once)]
    async with running(bench.executor.run):
        bench.submit(*actions)
        assert len(bench.executor.in_flight) == len(actions)
        await bench.sink.wait("action-started")
        await bench.sink.wait("action-done")
        assert len(await bench.sink.wait("action-started")) <= PRODUCTION.actions_at_once + len(
            await bench.sink.wait("action-done")
        )
        await bench.sink.wait("action-done", len(actions))
        await trio.lowlevel.checkpoint()
    assert not bench.executor.in_flight
    assert len(bench.datacentre.machines) == len(actions)


@simulated
async def test_after_a_restart_no_lane_is_taken_any_more(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.sink.wait("action-started")
    async with running(bench.executor.run):
        await pass_time(0.1)
        assert not bench.executor.in_flight

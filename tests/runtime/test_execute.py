"""The executor: lanes, deadlines, and what a failure leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from hfs_appliance.model.events import ActionDone, ActionFailed
from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName, Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.leadership import Term
from hfs_appliance.model.plan import Adopt, Cause, Claim, ConfirmBuilt, Delete, Forget, Reason
from hfs_appliance.registry.curator import write_registration
from hfs_appliance.registry.formats import read_assignment, read_record
from hfs_appliance.runtime.execute import Executor
from hfs_appliance.runtime.fence import FencedRegistry
from hfs_appliance.runtime.tunables import PRODUCTION, patient
from sim.presence import registration_of
from tests.support.parts import REASON, Bench, create, pass_time, running, simulated

DNS = ServiceName("dns")


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
async def test_it_remembers_when_it_asked_until_there_is_nothing_to_ask_for(bench: Bench) -> None:
    server = ServerId("small-0001")
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.executor.wait_idle()
        assert dict(bench.executor.answered) == {server: bench.clock.now()}
        bench.submit(Delete(server=server, reason=REASON))
        await bench.executor.wait_idle()
        assert dict(bench.executor.answered) == {server: bench.clock.now()}
        bench.submit(Forget(server=server, reason=REASON))
        await bench.executor.wait_idle()
        assert not bench.executor.answered


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
async def test_what_waits_for_a_slow_cloud_for_too_long_is_left_to_the_next_plan(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    actions = [create(serial) for serial in range(1, 2 * PRODUCTION.actions_at_once)]
    async with running(bench.executor.run):
        bench.submit(*actions)
        await bench.executor.wait_idle()
        assert len(await bench.sink.wait("action-started")) == PRODUCTION.actions_at_once
        bench.datacentre.faults.hangs = False
        bench.submit(actions[-1])
        await bench.executor.wait_idle()
    assert list(bench.datacentre.machines) == [actions[-1].server]


@simulated
async def test_what_the_registry_is_asked_for_does_not_wait_for_a_slow_cloud(bench: Bench) -> None:
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.executor.wait_idle()
        bench.datacentre.faults.hangs = True
        bench.submit(*(create(serial) for serial in range(2, 2 + PRODUCTION.actions_at_once)))
        await bench.sink.wait("action-started", 1 + PRODUCTION.actions_at_once)
        bench.submit(ConfirmBuilt(server=ServerId("small-0001"), reason=REASON))
        done = await bench.sink.wait("action-done", 2)
    assert [event.action for event in done if isinstance(event, ActionDone)] == ["create", "confirm-built"]


def test_an_action_has_the_time_of_a_look_and_a_mutation_of_its_cloud() -> None:
    assert patient(seconds(0)) == PRODUCTION
    slow = patient(seconds(60))
    assert 2 * seconds(60) < slow.cloud_within < slow.action_within


@simulated
async def test_after_a_restart_no_lane_is_taken_any_more(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.sink.wait("action-started")
    async with running(bench.executor.run):
        await pass_time(0.1)
        assert not bench.executor.in_flight


@simulated
async def test_what_is_abandoned_is_not_finished_and_what_comes_after_is(bench: Bench) -> None:
    bench.datacentre.faults.hangs = True
    async with running(bench.executor.run):
        bench.submit(*(create(serial) for serial in range(1, 2 * PRODUCTION.actions_at_once)))
        await bench.sink.wait("action-started", PRODUCTION.actions_at_once)
        bench.executor.abandon()
        await bench.executor.wait_idle()
        bench.datacentre.faults.hangs = False
        bench.submit(create(1, is_retry=True))
        assert list(bench.executor.in_flight) == ["small-0001"]
        await bench.executor.wait_idle()
        assert len(await bench.sink.wait("action-done")) == 1
        await pass_time(60)
    assert list(bench.datacentre.machines) == ["small-0001"]
    assert len(await bench.sink.wait("action-started")) == PRODUCTION.actions_at_once + 1


@simulated
async def test_whoever_is_deposed_asks_the_cloud_for_nothing_that_was_intended_before(bench: Bench) -> None:
    async with running(bench.executor.run):
        bench.submit(create(1))
        await bench.sink.wait("action-done")
        bench.submit(Delete(server=ServerId("small-0001"), reason=REASON))
        await bench.sink.wait("action-done", 2)
        bench.submit(create(2))
        await bench.sink.wait("action-done", 3)
    calls = bench.cloud.calls
    await bench.registry.create(bench.layout.epoch)
    over = Term(epoch=-2, seat=bench.layout.root, session_id=bench.registry.session().session_id)
    doubted: list[Term] = []
    fenced = FencedRegistry(bench.registry, bench.layout, lambda: over, doubted.append)
    deposed = Executor(replace(bench.parts, registry=fenced), (), bench.dirty)
    async with running(deposed.run):
        # Both records say already what is intended: nothing is written, and yet the registry is asked.
        again = (Delete(server=ServerId("small-0001"), reason=REASON), create(2, is_retry=True))
        deposed.submit((*again, create(3)), bench.desired, {})
        failed = await bench.sink.wait("action-failed", 3)
    assert {event.error for event in failed if isinstance(event, ActionFailed)} == {"Fenced"}
    assert doubted == [over] * 3
    assert bench.cloud.calls == calls
    assert deposed.take_failures() == (), "not the pool's fault"


async def unlisted(bench: Bench) -> Delete:
    """Have a server that the list leaves out; give what takes it for dead."""
    bench.submit(create(1))
    await bench.sink.wait("action-done")
    bench.datacentre.faults.unlisted_zones = {AvailabilityZone("az1")}
    await pass_time(10)
    return Delete(server=ServerId("small-0001"), reason=Reason(cause=Cause.REMEDIATION, words="not listed"))


@simulated
async def test_a_list_that_leaves_a_server_out_is_not_believed_without_the_clouds_word_by_id(bench: Bench) -> None:
    async with running(bench.executor.run, bench.servers.run):
        dead = await unlisted(bench)
        bench.submit(dead)
        (failed,) = await bench.sink.wait("action-failed")
        assert isinstance(failed, ActionFailed)
        assert failed.error == "Conflict"
        assert bench.datacentre.deletions == 0
        bench.datacentre.vanish(dead.server)
        await pass_time(10)
        bench.submit(dead)
        await bench.sink.wait("action-done", 2)
    record = read_record((await bench.registry.get(bench.layout.record(dead.server))).value)
    assert record.delete_at is not None


@simulated
async def test_a_cloud_that_has_come_to_answer_for_another_project_is_no_witness(bench: Bench) -> None:
    async with running(bench.executor.run, bench.servers.run):
        dead = await unlisted(bench)
        bench.datacentre.faults.is_other_project = True
        for action in (dead, Forget(server=dead.server, reason=REASON)):
            bench.submit(action)
            await bench.executor.wait_idle()
        failed = await bench.sink.wait("action-failed", 2)
    assert {event.words for event in failed if isinstance(event, ActionFailed)} == {
        "the cloud answers for project 'other', but the fleet lives in 'simulated'"
    }
    record = read_record((await bench.registry.get(bench.layout.record(dead.server))).value)
    assert record.delete_at is None


@simulated
async def test_what_was_taken_for_gone_is_not_deleted_when_it_is_there(bench: Bench) -> None:
    server = ServerId("small-0001")
    async with running(bench.executor.run, bench.servers.run):
        bench.submit(create(1))
        await bench.executor.wait_idle()
        await bench.servers.wait_listed(bench.clock.now())
        bench.submit(Delete(server=server, reason=REASON, is_unlisted=True))
        (failed,) = await bench.sink.wait("action-failed")
    assert isinstance(failed, ActionFailed)
    assert failed.error == "Conflict"
    assert server in bench.datacentre.machines
    record = read_record((await bench.registry.get(bench.layout.record(server))).value)
    assert record.delete_at is None


@pytest.mark.parametrize("is_role_left", [True, False], ids=["role left", "role lost"])
def test_an_adopted_instance_is_of_the_slot_that_it_was_told(*, is_role_left: bool) -> None:
    server = ServerId("small-0001")
    claim = Claim(server=server, service=DNS, version=Version("1.0.0"), slot=3, reason=REASON)

    @simulated
    async def story(bench: Bench) -> None:
        path, role = bench.layout.record(server), bench.layout.assignment(server)
        async with running(bench.executor.run, bench.view.run):
            bench.submit(create(1))
            await bench.executor.wait_idle()
            await bench.other.create(bench.layout.assignments)
            await bench.other.create(bench.layout.pool_entry(server))
            bench.submit(claim)
            await bench.executor.wait_idle()
            given = read_assignment((await bench.registry.get(role)).value)
            entry = registration_of(given, "10.0.0.1", boot=1, is_draining=False, is_confused=False)
            content = write_registration(entry, bench.clock.now())
            await bench.other.create(bench.layout.registration(DNS, server), content)
            await bench.other.delete(path)
            if not is_role_left:
                await bench.other.delete(role)
            await pass_time(1)
            bench.submit(Adopt(server=server, reason=REASON))
            await bench.executor.wait_idle()
        record = read_record((await bench.registry.get(path)).value)
        assert (record.service, record.version, record.slot) == (DNS, "1.0.0", 3)

    story()

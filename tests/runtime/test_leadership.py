"""Leadership: terms begin behind the barrier and end with the lease; who leaves makes room, who restarts comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from hfs_appliance.model.events import HoldChanged, ModeChanged
from hfs_appliance.model.ids import Nonce, ServerId
from hfs_appliance.model.instants import SECOND, Duration, seconds, to_seconds
from hfs_appliance.model.leadership import Mode
from hfs_appliance.ports.errors import Fenced, Missing, Standby
from hfs_appliance.ports.registry import Znode
from hfs_appliance.runtime.fence import LeasedCloud
from hfs_appliance.runtime.leadership import LOOK_EVERY
from sim.registry import SimRegistry
from tests.support.clouds import spec
from tests.support.offices import Office
from tests.support.parts import ANCHOR, ENVIRONMENT, Bench, pass_time, running, simulated

TIMEOUT = seconds(6)


def office(bench: Bench, name: str, registry: SimRegistry | None = None) -> Office:
    own = registry or SimRegistry(bench.ensemble, session_timeout=TIMEOUT)
    return Office(name, own, TIMEOUT, bench.clock, bench.layout)


@simulated
async def test_nothing_is_done_before_the_barrier_is_passed(bench: Bench) -> None:
    one = office(bench, "one")
    one.barrier = trio.Event()
    async with one.standing():
        await one.until(lambda leadership: leadership.mode is Mode.SYNC)
        await pass_time(60)
        assert not one.is_acting
        with pytest.raises(Fenced):
            one.leadership.demand_lease()
        with pytest.raises(Standby, match="has just taken over"):
            one.leadership.demand_office()
        await one.leadership.entries.create(bench.layout.services)  # the barrier itself writes
        one.barrier.set()
        await one.active()
        one.leadership.demand_office()
        one.leadership.demand_lease()
    modes = [event.mode for event in await one.sink.wait("mode-changed", 3) if isinstance(event, ModeChanged)]
    assert modes == ["sync", "active", "standby"]
    assert one.laid_down == 1


@simulated
async def test_a_suspended_session_mutates_nothing_and_its_term_ends_with_the_lease(bench: Bench) -> None:
    one = office(bench, "one")
    assert isinstance(one.registry, SimRegistry)
    cloud = LeasedCloud(bench.cloud, one.leadership.demand_lease)
    async with one.standing():
        await one.active()
        await cloud.create(spec(ENVIRONMENT, "small-0001"))
        one.registry.link.cut()
        cut_at = bench.clock.now()
        with pytest.raises(Fenced):
            await cloud.create(spec(ENVIRONMENT, "small-0002"))
        with pytest.raises(Fenced):
            await cloud.delete(ServerId("small-0001"))
        with pytest.raises(Fenced):
            await cloud.kill(ServerId("small-0001"))
        assert list((await cloud.servers()).servers) == [(await cloud.server(ServerId("small-0001"))).server]
        assert await cloud.log(ServerId("small-0001"), 1)
        assert one.is_acting, "it may come back within its lease"
        await one.until(lambda leadership: leadership.mode is Mode.STANDBY)
        assert bench.clock.now() - cut_at <= TIMEOUT * 2 // 3
        epoch = one.leadership.leader.epoch
        one.registry.link.heal()
        await one.active()
        assert one.leadership.leader.epoch == epoch, "the session has lived on: nobody else led meanwhile"
    assert (bench.datacentre.ever_made, bench.datacentre.deletions) == (1, 0)


@simulated
async def test_whoever_is_started_again_on_the_same_state_does_not_wait_for_its_dead_session(bench: Bench) -> None:
    first, again, other = office(bench, "one"), office(bench, "one"), office(bench, "two")
    assert isinstance(first.registry, SimRegistry)
    async with first.standing():
        await first.active()
        first.registry.sever()
    began = bench.clock.now()
    async with other.standing():
        await other.follows("one")
        async with again.standing():
            await again.active()
            assert bench.clock.now() - began < SECOND
            await other.until(lambda leadership: leadership.leader.epoch == 2 and len(leadership.others) == 1)
            assert other.leadership.leader.name == "one"


@simulated
async def test_a_dead_leader_is_followed_when_its_session_has_ended(bench: Bench) -> None:
    one, two = office(bench, "one"), office(bench, "two")
    assert isinstance(one.registry, SimRegistry)
    async with two.standing(), one.standing():
        await two.until(lambda leadership: bool(leadership.leader.name))
        leads, waits = (one, two) if one.leadership.mode is not Mode.STANDBY else (two, one)
        await leads.active()
        assert isinstance(leads.registry, SimRegistry)
        await leads.until(lambda leadership: bool(leadership.others))
        assert [candidate.name for candidate in leads.leadership.others] == [waits.leadership._us.name]
        died_at = bench.clock.now()
        leads.registry.sever()
        await waits.active()
        assert TIMEOUT <= bench.clock.now() - died_at <= TIMEOUT + 3 * SECOND
        assert waits.leadership.leader.epoch == 2


@simulated
async def test_handing_over_lets_what_is_under_way_end_but_not_for_ever(bench: Bench) -> None:
    one, two = office(bench, "one"), office(bench, "two")
    async with one.standing():
        await one.active()
        async with two.standing():
            await two.follows("one")
            with pytest.raises(Standby, match="one leads the environment"):
                await two.leadership.hand_over(seconds(5))
            one.idle = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.leadership.hand_over, seconds(5))
                await pass_time(1)
                assert not one.is_acting
                with pytest.raises(Standby, match="handing over"):
                    one.leadership.demand_office()
                one.leadership.demand_lease()  # what is under way may go on
                await pass_time(3)
                assert one.leadership.leader.name == "one"
            await two.active()
            await one.follows("two")
            await pass_time(60)
            assert two.is_acting, "it does not take back what it gave"


@simulated
async def test_an_office_that_nobody_takes_is_taken_back(bench: Bench) -> None:
    one = office(bench, "one")
    async with one.standing():
        await one.active()
        await one.leadership.hand_over(seconds(5))
        await one.active()
        assert one.leadership.leader.epoch == 3
        await one.leadership.hand_over(seconds(5), is_for_good=True)
        await pass_time(600)
        assert not one.is_acting


class _LateReader(SimRegistry):
    """A registry whose answers to reads come late, once that is asked for."""

    late: trio.Event | None = None

    async def get(self, path: str) -> Znode:
        found = await super().get(path)
        if self.late is not None:
            await self.late.wait()
        return found


@simulated
async def test_what_was_read_before_a_hand_over_does_not_begin_the_term_again(bench: Bench) -> None:
    registry = _LateReader(bench.ensemble, session_timeout=TIMEOUT)
    one = office(bench, "one", registry)
    async with one.standing():
        await one.active()
        registry.late = trio.Event()
        await pass_time(to_seconds(LOOK_EVERY) + 0.5)  # it looks now, and has no answer yet
        await one.leadership.hand_over(seconds(1), is_for_good=True)
        registry.late.set()
        await pass_time(60)
    modes = [event.mode for event in await one.sink.wait("mode-changed", 3) if isinstance(event, ModeChanged)]
    assert modes == ["sync", "active", "standby"]


@simulated
async def test_a_hand_over_that_the_registry_does_not_hear_leaves_things_as_they_were(bench: Bench) -> None:
    one = office(bench, "one")
    assert isinstance(one.registry, SimRegistry)
    async with one.standing():
        await one.active()
        epoch = one.leadership.leader.epoch
        one.registry.link.cut()
        with trio.move_on_after(1), pytest.raises(Exception, match="no connection"):
            await one.leadership.hand_over(seconds(5))
        one.registry.link.heal()
        await one.active()
        assert one.leadership.leader.epoch == epoch


@simulated
async def test_a_registry_that_was_emptied_is_not_led(bench: Bench) -> None:
    one, new = office(bench, "one"), office(bench, "new")
    async with one.standing():
        await one.active()
        bench.ensemble.restore(None)
        (hold,) = await one.sink.wait("hold-changed")
        assert isinstance(hold, HoldChanged)
        assert [held.rule for held in one.leadership.holds()] == [hold.rule] == ["registry-rolled-back"]
        await pass_time(600)
        assert not one.is_acting
        with pytest.raises(Missing):
            await bench.other.get(bench.layout.epoch)
        async with new.standing():
            await new.active()
            await one.follows("new")
            assert one.leadership.holds() == ()


@simulated
async def test_a_registry_that_was_emptied_is_led_when_an_operator_accepts_it(bench: Bench) -> None:
    one, two = office(bench, "one"), office(bench, "two")
    async with one.standing(), two.standing():
        await one.until(lambda leadership: bool(leadership.leader.name))
        await two.until(lambda leadership: leadership.leader == one.leadership.leader)
        for appliance in (one, two):
            appliance.leadership.hear_anchor(ANCHOR)
        bench.ensemble.restore(None)
        for appliance in (one, two):
            await appliance.sink.wait("hold-changed")
        await pass_time(60)
        assert not one.is_acting
        assert not two.is_acting
        one.leadership.accept_registry()
        await one.active()
        two.leadership.hear_anchor(replace(ANCHOR, incarnation=Nonce("2")))
        await two.follows("one")
        assert two.leadership.holds() == ()


@simulated
async def test_an_entry_that_is_not_of_the_session_that_it_names_is_nobodys_seat(bench: Bench) -> None:
    one = office(bench, "one")
    async with one.standing():
        await one.active()
    foreign = bench.layout.candidate(one.registry.session().session_id + 1_000)
    await bench.other.create(foreign, b"{}", is_ephemeral=True)
    await bench.other.set(bench.layout.epoch, b'{"seat": "%s", "name": "x", "since": 1}' % foreign[-16:].encode())
    two = office(bench, "two")
    async with two.standing():
        await two.active()


@simulated
async def test_the_observers_give_what_is_asked_for_from_now_on(bench: Bench) -> None:
    async with running(bench.view.run, bench.servers.run):
        await bench.view.read_anew()
        assert bench.view.observation() is not None
        for _ in range(3):
            since = bench.clock.now()
            await bench.servers.wait_listed(since)
            listed = bench.servers.observation()
            assert listed is not None
            assert since <= listed.observed_at
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bench.view.read_anew)
                nursery.start_soon(bench.view.read_anew)
        bench.registry.link.cut()
        with trio.move_on_after(30) as waiting:
            await bench.view.read_anew()
        assert waiting.cancelled_caught
        bench.registry.link.heal()
        with trio.fail_after(float(Duration(10))):
            await bench.view.read_anew()

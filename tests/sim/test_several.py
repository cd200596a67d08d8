"""Several appliances in one world: one acts at a time, and losing it costs a takeover and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio

from hfs_appliance.model.explained import ServerExplanation
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, seconds, to_seconds
from hfs_appliance.model.leadership import Mode
from hfs_appliance.ports.errors import Rejected, Standby
from hfs_appliance.runtime.ending import CLOSE_WITHIN, Ending, end
from sim.checkers.leadership import OneLeader
from sim.desired import configuration
from sim.fleet import Simulation, simulate
from sim.incarnation import Incarnation
from sim.panel import Panel
from sim.scenario import Scenario
from sim.streams import Table
from tests.support.fleets import QUICK, QUICK_SERVERS, SMALL, SOON, demand_whole, quick, settled

ONE, TWO = "mcp-1", "mcp-2"
SERVERS = 7
"""Of the small environment: five instances and a pool of two."""
TAKEOVER = Duration(25 * SECOND)
"""Session timeout, tick, and a cloud that takes its time to list."""


class World:
    """A simulation under the eyes of the checkers."""

    def __init__(self, seed: int = 1, **services: int) -> None:
        wanted = {name: {"1.0.0": count} for name, count in services.items()}
        self.sim = quick(seed, wanted, pool_size=1) if wanted else quick(seed)
        scenario = Scenario(name="several", words="")
        self.docket = Panel(scenario, self.sim.clock.now, self.sim.truth, self.sim.bus).docket

    def demand_order(self) -> None:
        """Demand that nobody wrote, or asked the cloud for anything, in a term that was over."""
        assert not self.docket.by_checker[OneLeader.name], self.docket.violations


async def both(sim: Simulation) -> None:
    """Have a whole environment with the first appliance in office, and the second one standing by."""
    await settled(sim)
    sim.start(TWO)
    await sim.until(lambda: sim.appliances[TWO].plane.reconciler.plan is not None, SOON, "the second one sees nothing")
    await sim.pass_time(SECOND)


async def led_by(sim: Simulation, name: str) -> Incarnation:
    """Wait until an appliance acts."""
    appliance = sim.appliances[name]
    await sim.until(lambda: appliance.is_acting, TAKEOVER, f"{name} does not act")
    return appliance


async def whole_again(sim: Simulation) -> None:
    await sim.pass_time(MINUTE)
    await sim.converged(SOON)
    demand_whole(sim)


def lose(sim: Simulation, name: str, loss: str) -> Callable[[], None]:
    """Lose an appliance, and give the way back."""
    link = sim.appliances[name].registry.link
    match loss:
        case "killed":
            sim.kill(name)
            return lambda: sim.start(name)
        case "frozen":
            sim.freeze(name)
            return lambda: sim.resume(name)
        case "silent":
            link.go_silent()
        case "deaf":
            link.go_silent(requests=False)
        case _:
            link.cut()
    return link.heal


@pytest.mark.parametrize("loss", ["killed", "frozen", "silent", "deaf", "cut"])
def test_losing_the_leader_every_half_minute_destroys_and_duplicates_nothing(loss: str) -> None:
    world = World()

    async def story(sim: Simulation) -> None:
        await both(sim)
        killed = 0
        for number in range(12):
            await sim.until(lambda: sim.acting() is not None, TAKEOVER, "nobody acts")
            acting = sim.acting()
            assert acting is not None
            if number % 4 == 0:  # what may be taken away within a while is limited
                sim.datacentre.kill(sim.serving("dns")[0])
                killed += 1
            await sim.pass_time(seconds(0.3 * number))
            back = lose(sim, acting.place.name, loss)
            await sim.pass_time(Duration(30 * SECOND))
            back()
            await sim.pass_time(SECOND)
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + killed, killed)

    simulate(world.sim, story)
    world.demand_order()


def test_a_leader_that_was_frozen_believes_that_it_leads_and_changes_nothing() -> None:
    """X5: stopped for twice its session timeout in the midst of its work, and again at another instant of it."""
    world = World()

    async def story(sim: Simulation) -> None:
        await both(sim)
        for number in range(9):
            one = await led_by(sim, ONE)
            if number % 3 == 0:
                sim.datacentre.kill(sim.serving("dns")[0])
            await sim.pass_time(seconds(0.7 * number))
            sim.freeze(ONE)
            believed = one.plane.leadership.leader.epoch
            await led_by(sim, TWO)
            await sim.pass_time(Duration(2 * SECOND))
            assert one.is_acting, "it is stopped, and so is its belief"
            sim.resume(ONE)
            await sim.until(lambda: not one.is_acting, SECOND, "it goes on believing")  # noqa: B023  # waited for here
            assert one.plane.leadership.leader.epoch >= believed
            await sim.pass_time(Duration(20 * SECOND))
            await sim.appliances[TWO].control.hand_over()
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + 3, 3)

    simulate(world.sim, story)
    world.demand_order()


def test_a_freeze_that_the_session_survives_is_no_loss() -> None:
    world = World()

    async def story(sim: Simulation) -> None:
        await both(sim)
        one = sim.appliances[ONE]
        epoch = one.plane.leadership.leader.epoch
        sim.freeze(ONE)
        await sim.pass_time(seconds(4.5))
        sim.resume(ONE)
        await sim.until(lambda: one.plane.leadership.mode is Mode.SYNC, SECOND, "its lease has ended")
        await led_by(sim, ONE)
        assert one.plane.leadership.leader.epoch == epoch
        sim.freeze(ONE)
        await sim.pass_time(seconds(1))
        sim.resume(ONE)
        await sim.pass_time(seconds(1))
        assert one.is_acting

    simulate(world.sim, story)
    world.demand_order()


def test_a_leader_cut_off_from_the_registry_stops_before_the_next_one_begins() -> None:
    world = World()

    async def story(sim: Simulation) -> None:
        await both(sim)
        one, two = sim.appliances[ONE], sim.appliances[TWO]
        one.registry.link.go_silent()
        sim.datacentre.kill(sim.serving("dns")[0])
        both_at_once = False

        def look() -> bool:
            nonlocal both_at_once
            both_at_once |= one.is_acting and two.is_acting
            return two.is_acting

        await sim.until(look, TAKEOVER, "the second one does not take over")
        assert not both_at_once
        assert not one.is_acting
        calls = one.cloud.calls
        await sim.pass_time(Duration(2 * MINUTE))
        assert one.cloud.calls > calls, "it reaches the cloud, and looks at it"
        one.registry.link.heal()
        await whole_again(sim)

    simulate(world.sim, story)
    world.demand_order()


def test_a_leader_that_reads_from_a_server_that_lags_catches_up_first() -> None:
    """Z7, K17: what the former leader did is known to the registry, but not to the member that the next one asks."""
    world = World()

    async def story(sim: Simulation) -> None:
        await both(sim)
        link = sim.appliances[TWO].registry.link
        link.fall_behind()
        await sim.appliances[ONE].control.scale(ServiceName("dns"), None, 2, "test")
        await sim.pass_time(Duration(2 * SECOND))
        sim.kill(ONE)
        sim.clock.after(30 * SECOND, link.catch_up)
        await whole_again(sim)
        assert sim.datacentre.ever_made == SERVERS

    simulate(world.sim, story)
    world.demand_order()


def steps_until_built(step: int, hurt: Callable[[Simulation], None], seed: int = 1) -> int:
    """Hurt the first appliance at a step of its building, have the second one finish it; give the number of steps."""
    world = World(seed, dns=2)
    at_step = AtStep(step, world.sim, hurt)

    async def story(sim: Simulation) -> None:
        sim.start(ONE)
        sim.start(TWO)
        await sim.until(lambda: at_step.is_over or sim.is_converged(), SOON, "nothing happened")
        at_step.is_over = True
        if step:
            await led_by(sim, TWO)
            if sim.appliances[ONE].is_alive:
                sim.resume(ONE)
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (3, 0)

    simulate(world.sim, story, [at_step])
    world.demand_order()
    return at_step.steps


class AtStep(trio.abc.Instrument):
    """Does something after so many steps that the scheduler took since the first appliance leads; 0 only counts."""

    def __init__(self, step: int, sim: Simulation, act: Callable[[Simulation], None]) -> None:
        self._step = step
        self._sim = sim
        self._act = act
        self.steps = 0
        self.is_over = False

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # trio's signature
        one = self._sim.now
        if self.is_over or one is None or not one.plane.leadership.leads():
            return
        self.steps += 1
        if self.steps == self._step:
            self.is_over = True
            self._act(self._sim)


@pytest.mark.parametrize("hurt", [Simulation.kill, Simulation.freeze], ids=["killed", "frozen"])
def test_whatever_step_the_leader_is_lost_at_the_other_one_goes_on(
    hurt: Callable[[Simulation], None],
) -> None:
    """Of the whole build, every 67th step: no duplicate, nothing left over, nothing destroyed."""
    for step in range(7, steps_until_built(0, hurt), 67):
        steps_until_built(step, hurt)


def test_whoever_stands_by_shows_what_it_would_do_and_names_the_one_to_ask() -> None:
    async def story(sim: Simulation) -> None:
        await both(sim)
        control = sim.appliances[TWO].control
        await sim.until(lambda: control.status().converged, SOON, "the second one does not see that all is well")
        status = control.status()
        assert (status.mode, status.converged, status.standing_by) == ("standby", True, (TWO,))
        assert status.leader is not None
        assert (status.leader.name, status.leader.epoch) == (ONE, 1)
        assert sim.appliances[ONE].control.status().mode == "active"
        assert sum(status.routed.values()) == 5, "its own host's endpoint is served"
        planned = await control.plan(sim.source.replace("instances = 3", "instances = 4"), "x.toml")
        verbs = [step.verb for step in planned.steps]
        assert verbs[:2] == ["claim", "create"]
        assert sorted(verbs[2:]) == ["confirm-built", "confirm-ready"], "whichever takes longer"
        assert (planned.outcome, planned.servers_now, planned.servers_peak) == ("quiet", 7, 8)
        server = ServerId(sim.serving("dns")[0])
        for change in (
            control.scale(ServiceName("dns"), None, 9, "me"),
            control.apply(sim.source, "x.toml", "me", None),
            control.kill(server),
            control.down(),
            control.hand_over(),
        ):
            with pytest.raises(Standby, match="mcp-1 leads") as refused:
                await change
            assert refused.value.leader == status.leader
        explained = await control.explain(server)
        assert isinstance(explained, ServerExplanation)
        assert explained.report.phase == "serving"
        assert len(sim.serving("dns")) == 3

    simulate(quick(1), story)


def test_an_office_is_handed_over_and_back_without_a_word_lost() -> None:
    world = World()

    async def story(sim: Simulation) -> None:
        await settled(sim)
        with pytest.raises(Rejected, match="no other appliance"):
            await sim.appliances[ONE].control.hand_over()
        sim.start(TWO)
        await sim.pass_time(Duration(5 * SECOND))
        for giver, taker in ((ONE, TWO), (TWO, ONE), (ONE, TWO)):
            await led_by(sim, giver)
            sim.datacentre.kill(sim.serving("dns")[0])
            await sim.pass_time(seconds(0.1))
            began = sim.clock.now()
            handed = await sim.appliances[giver].control.hand_over()
            assert handed.leader.name == taker
            assert sim.clock.now() - began < 15 * SECOND
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + 3, 3)

    simulate(world.sim, story)
    world.demand_order()


def test_another_file_than_the_one_in_force_is_told_and_not_applied() -> None:
    async def story(sim: Simulation) -> None:
        await both(sim)
        sim.kill(TWO)
        sim.source = sim.source.replace("instances = 3", "instances = 4")
        sim.start(TWO)
        await sim.pass_time(Duration(10 * SECOND))
        two = sim.appliances[TWO].control
        assert [hold.rule for hold in two.status().holds] == ["file-not-applied"]
        sim.kill(ONE)
        await led_by(sim, TWO)
        await whole_again(sim)
        assert len(sim.serving("dns")) == 3
        await two.apply(sim.source, "x.toml", "me", None)
        await whole_again(sim)
        assert len(sim.serving("dns")) == 4
        assert two.status().holds == ()

    simulate(quick(1), story)


def test_an_environment_that_is_being_ended_is_ended_by_who_is_left() -> None:
    async def story(sim: Simulation) -> None:
        await both(sim)
        two = sim.appliances[TWO].plane
        await sim.appliances[ONE].control.down()
        await sim.pass_time(seconds(0.5))
        sim.kill(ONE)
        assert sim.datacentre.machines
        with trio.fail_after(300):
            await two.desired.wait_closing()
            ending = await end(two, is_keeping=True, interrupted=trio.sleep_forever)
        assert ending == Ending(words="nothing is left running", keeps_servers=False, keeps_proxy=False)
        assert not sim.datacentre.machines
        assert sim.records() == []

    simulate(quick(1), story)


@pytest.mark.parametrize("is_keeping", [True, False])
def test_an_appliance_that_is_not_alone_leaves_the_environment_to_the_others(*, is_keeping: bool) -> None:
    async def story(sim: Simulation) -> None:
        await both(sim)
        for name, other in ((TWO, ONE), (ONE, TWO)):
            sim.datacentre.kill(sim.serving("dns")[0])
            ending = await end(sim.appliances[name].plane, is_keeping=is_keeping, interrupted=trio.sleep_forever)
            assert (ending.keeps_servers, ending.keeps_proxy) == (True, is_keeping)
            assert ending.words == f"{other} leads the environment; its servers go on running"
            sim.kill(name)
            await led_by(sim, other)
            await whole_again(sim)
            sim.start(name)
            await sim.pass_time(Duration(30 * SECOND))
        assert sim.datacentre.ever_made == SERVERS + 2

    simulate(quick(1), story)


@pytest.mark.parametrize("is_keeping", [True, False])
def test_an_appliance_whose_companions_are_dead_is_alone(*, is_keeping: bool) -> None:
    async def story(sim: Simulation) -> None:
        await both(sim)
        sim.kill(TWO)
        ending = await end(sim.appliances[ONE].plane, is_keeping=is_keeping, interrupted=trio.sleep_forever)
        assert (ending.keeps_servers, ending.keeps_proxy) == (is_keeping, is_keeping)
        assert bool(sim.datacentre.machines) is is_keeping

    simulate(quick(1), story)


def test_patience_with_an_ending_may_end_first() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        ending = await end(sim.appliances[ONE].plane, is_keeping=False, interrupted=trio.lowlevel.checkpoint)
        assert len(ending.left) == SERVERS
        assert ending.keeps_servers
        assert ending.words.startswith(f"{SERVERS} servers, proxy and registry are still running: small-0001")

    simulate(quick(1), story)


def one_after_the_other() -> Simulation:
    """Give an environment that takes three minutes to end: a deletion takes 25 s, and only one may be under way."""
    pace = replace(QUICK, deleting=Table.of_ms((0, 25_000), (1000, 25_001)))
    return Simulation(1, configuration(SMALL, poll="1s", at_once=1), pace=pace, server_pace=QUICK_SERVERS)


def test_an_ending_is_waited_for_as_long_as_something_moves() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        ending = await end(sim.appliances[ONE].plane, is_keeping=False, interrupted=trio.sleep_forever)
        assert ending.left == ()
        assert not sim.datacentre.machines

    simulate(one_after_the_other(), story)


def test_an_ending_in_which_nothing_moves_is_given_up() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.datacentre.faults.ignored_deletes = 1000
        with trio.fail_after(3 * to_seconds(CLOSE_WITHIN)):
            ending = await end(sim.appliances[ONE].plane, is_keeping=False, interrupted=trio.sleep_forever)
        assert len(ending.left) == SERVERS

    simulate(quick(1), story)


def test_whoever_comes_while_an_environment_is_ended_ends_with_it() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.appliances[ONE].control.down()
        sim.start(TWO)
        two = sim.appliances[TWO].plane
        with trio.fail_after(300):
            await sim.appliances[ONE].plane.reconciler.wait_closed()
            await two.desired.wait_closing()
            sim.kill(ONE)
            assert (await end(two, is_keeping=False, interrupted=trio.sleep_forever)).left == ()
        assert not sim.datacentre.machines

    simulate(quick(1), story)

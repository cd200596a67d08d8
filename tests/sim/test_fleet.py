"""The whole control plane in a simulated world: it builds, repairs, and destroys nothing that it only thinks gone."""

from __future__ import annotations

import pytest

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import AvailabilityZone, ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, seconds
from hfs_appliance.model.observed import CloudStatus
from sim.fleet import Simulation, simulate
from sim.killing import KillAtStep
from tests.support.fleets import SOON, demand_whole, play, quick, scale, settled

SEEDS = (1, 2)
SERVERS = 7
"""Of the small environment: five instances and a pool of two."""

pytestmark = pytest.mark.parametrize("seed", SEEDS)


async def whole_again(sim: Simulation, within: Duration = SOON) -> None:
    await sim.pass_time(Duration(MINUTE))
    await sim.converged(within)
    demand_whole(sim)


def untouched(sim: Simulation) -> bool:
    return (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS, 0)


def test_a_hundred_servers_from_nothing(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.datacentre.ever_made == 102
        assert sim.datacentre.deletions == 0

    play(story, {"dns": {"1.0.0": 60}, "domains": {"1.0.0": 30, "2.0.0": 10}}, seed=seed)


def test_killed_servers_are_replaced(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        for number in range(5):
            sim.datacentre.kill(list(sim.datacentre.machines)[number])
            await sim.pass_time(seconds(7))
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + 5, 5)

    play(story, seed=seed)


def test_servers_that_somebody_else_deleted_are_replaced(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        await sim.pass_time(Duration(2 * MINUTE))
        for server in list(sim.datacentre.machines)[:3]:
            sim.datacentre.vanish(server)
        await whole_again(sim)
        assert sim.datacentre.ever_made == SERVERS + 3

    play(story, seed=seed)


@pytest.mark.parametrize("absence", ["away", "cut", "silent", "expired", "slow"])
def test_a_registry_out_of_reach_destroys_nothing(seed: int, absence: str) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        link = sim.now.registry.link
        match absence:
            case "away":
                sim.ensemble.stop()
            case "cut":
                link.cut()
            case "silent":
                link.go_silent()
            case "expired":
                sim.ensemble.expire(link.session_id)
            case _:
                sim.ensemble.slowness = 1_000
        await sim.pass_time(Duration(10 * MINUTE))
        assert untouched(sim)
        assert len(sim.serving("dns")) == 3
        sim.ensemble.slowness = 1
        sim.ensemble.start()
        link.heal()
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_a_grace_that_passes_while_the_registry_is_away_again_unroutes_nobody(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        victim, plane = sim.serving("domains")[0], sim.now.registry.link
        agent = sim.server(victim).link
        assert agent is not None
        plane.cut()
        agent.cut()
        sim.ensemble.expire(agent.session_id)
        plane.heal()
        await sim.pass_time(seconds(5))
        plane.cut()
        await sim.pass_time(MINUTE)
        assert sim.proxy.table is not None
        assert victim in {member.instance for member in sim.proxy.table.routes[ServiceName("domains")].members}
        agent.heal()
        plane.heal()
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_sessions_that_flap_destroy_nothing(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        for _ in range(20):
            sim.ensemble.expire(sim.now.registry.link.session_id)
            await sim.pass_time(seconds(3))
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_a_wiped_registry_takes_nobody_out_of_service(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.ensemble.restore(None)
        await sim.pass_time(Duration(30 * MINUTE))
        assert (len(sim.serving("dns")), len(sim.serving("domains"))) == (3, 2)
        assert sim.datacentre.deletions == 0

    play(story, seed=seed)


def test_a_wiped_registry_and_a_new_appliance_take_nobody_out_of_service(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.ensemble.restore(None)
        sim.kill()
        sim.start()
        for _ in range(30):
            await sim.pass_time(MINUTE)
            # What was added before all were adopted leaves within the budget.
            assert len(sim.serving("dns")) >= 3
            assert len(sim.serving("domains")) >= 2

    play(story, seed=seed)


def test_a_registry_rolled_back_to_the_beginning_of_the_build_is_built_on(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        sim.start()
        await sim.pass_time(seconds(4))
        early = sim.ensemble.snapshot()
        await sim.converged(SOON)
        sim.ensemble.restore(early)
        await sim.pass_time(Duration(15 * MINUTE))
        await whole_again(sim)

    play(story, seed=seed)


@pytest.mark.parametrize("admits", [True, False], ids=["admitted", "denied"])
@pytest.mark.parametrize("hidden", ["az1", "everything"])
def test_a_list_that_leaves_servers_out_destroys_and_builds_nothing(seed: int, hidden: str, *, admits: bool) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        faults = sim.datacentre.faults
        faults.admits_gaps = admits
        zones = ("az1", "az2", "az3") if hidden == "everything" else (hidden,)
        faults.unlisted_zones = {AvailabilityZone(zone) for zone in zones}
        await sim.pass_time(Duration(20 * MINUTE))
        assert untouched(sim)
        faults.unlisted_zones = set()
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


@pytest.mark.parametrize("trouble", ["down", "hangs"])
def test_an_api_that_is_away_stops_building_and_nothing_else(seed: int, trouble: str) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.datacentre.faults.is_down = trouble == "down"
        sim.datacentre.faults.hangs = trouble == "hangs"
        await sim.pass_time(Duration(10 * MINUTE))
        victim = sim.serving("dns")[0]
        sim.datacentre.kill(victim)
        await sim.pass_time(Duration(10 * MINUTE))
        assert untouched(sim)
        assert len(sim.serving("dns")) == 3, "the pool gives its servers all the same"
        sim.datacentre.faults.is_down = sim.datacentre.faults.hangs = False
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + 1, 1)

    play(story, seed=seed)


@pytest.mark.parametrize(
    "fault", ["refused_creates", "lost_creates", "late_creates", "broken_builds", "stalled_deletes", "ignored_deletes"]
)
def test_failing_calls_leave_no_server_behind(seed: int, fault: str) -> None:
    async def story(sim: Simulation) -> None:
        setattr(sim.datacentre.faults, fault, 400)
        sim.start()
        await sim.pass_time(Duration(3 * MINUTE))
        for machine in list(sim.datacentre.machines.values())[:2]:
            if machine.listed.status is CloudStatus.ACTIVE:
                sim.datacentre.kill(machine.spec.server)
        await sim.pass_time(Duration(7 * MINUTE))
        setattr(sim.datacentre.faults, fault, 0)
        await sim.pass_time(Duration(45 * MINUTE))
        await whole_again(sim)

    play(story, seed=seed)


def test_a_cloud_that_can_build_nothing_is_not_asked_without_end(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        sim.datacentre.faults.broken_builds = 1_000
        sim.start()
        await sim.pass_time(Duration(60 * MINUTE))
        assert sim.datacentre.ever_made < 60
        sim.datacentre.faults.broken_builds = 0
        await sim.pass_time(Duration(60 * MINUTE))
        await whole_again(sim)

    play(story, seed=seed)


def test_writes_whose_answers_are_lost_do_no_harm(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        sim.ensemble.loses_answers_per_mille = 200
        sim.start()
        await sim.pass_time(Duration(10 * MINUTE))
        sim.ensemble.loses_answers_per_mille = 0
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_agents_that_crash_cost_no_server(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        for server in list(sim.servers()):
            server.crash_agent()
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_services_that_crash_all_at_once_are_started_again(seed: int) -> None:
    """Those that take longer than their grace are replaced meanwhile; what is too many then leaves in order."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        for server in list(sim.servers()):
            server.crash_service()
        await whole_again(sim)
        assert sim.datacentre.ever_made <= 2 * SERVERS

    play(story, seed=seed)


def test_services_that_hang_are_replaced(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        for server in sim.serving("dns")[:2]:
            sim.server(server).hang_service()
        await sim.pass_time(Duration(10 * MINUTE))
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (SERVERS + 2, 2)

    play(story, seed=seed)


def test_a_zone_that_goes_dark_and_comes_back(seed: int) -> None:
    """V5 and V7: the cloud goes on calling its servers active, and they register again later."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        dark = sim.datacentre.in_zone(AvailabilityZone("az1"))
        sim.datacentre.lose_power(dark, is_noticed=False)
        await sim.pass_time(Duration(2 * MINUTE))
        assert (len(sim.serving("dns")), len(sim.serving("domains"))) == (3, 2)
        sim.datacentre.regain_power(dark)
        await whole_again(sim)

    play(story, seed=seed)


def test_a_version_that_never_comes_up_leaves_the_old_one_alone(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        sim.service_faults.broken_versions.add(Version("2.0.0"))
        source = sim.source.replace('"1.0.0" = { instances = 3 }', '"2.0.0" = { instances = 3 }')
        assert source != sim.source
        await sim.now.control.apply(source, "simulated.toml", "test", None)
        await sim.pass_time(Duration(30 * MINUTE))
        assert len(sim.serving("dns")) == 3
        await sim.now.control.apply(sim.source, "simulated.toml", "test", None)
        await whole_again(sim)

    play(story, seed=seed)


def test_scaling_out_and_in(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        await sim.now.control.scale(ServiceName("dns"), None, 12, "test")
        await whole_again(sim)
        await scale(sim.now.control, "dns", 1)
        await whole_again(sim, HOUR)  # three in ten minutes
        assert len(sim.serving("dns")) == 1

    play(story, seed=seed)


def test_a_deletion_that_ends_in_error_is_told_with_the_clouds_words(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        told: list[str] = []

        def hear(recorded: Recorded) -> None:
            if isinstance(recorded.event, PhaseChanged):
                told.append(recorded.event.words)

        sim.bus.subscribe("test", hear)
        sim.datacentre.faults.broken_deletes = 1_000
        await scale(sim.now.control, "dns", 2)
        failed = "waiting for the cloud to say that it is gone: its host did not answer"
        await sim.until(lambda: any(failed in each for each in told), Duration(10 * MINUTE), "nobody told of it")
        sim.datacentre.faults.broken_deletes = 0
        await whole_again(sim)

    play(story, seed=seed)


def test_a_control_plane_killed_all_the_time_builds_the_same(seed: int) -> None:
    async def story(sim: Simulation) -> None:
        sim.start()
        for _ in range(40):
            await sim.pass_time(seconds(0.37))
            sim.kill()
            sim.start()
        await whole_again(sim)
        assert untouched(sim)

    play(story, seed=seed)


def test_a_kill_at_any_step_leaks_and_duplicates_nothing(seed: int) -> None:
    """Every 41st step, from another first one for each seed."""
    for step in range(seed, steps_to_build(seed), 41):
        kill_at(step, seed)


def steps_to_build(seed: int) -> int:
    """Count the steps of the scheduler that a small environment takes."""
    return kill_at(0, seed)


def kill_at(step: int, seed: int) -> int:
    """Kill the control plane at a step while it builds, start it again; give the number of steps until it is built."""
    sim = quick(seed, {"dns": {"1.0.0": 2}}, pool_size=1)
    killer = KillAtStep(step)

    async def story(sim: Simulation) -> None:
        killer.watch(sim)
        sim.start()
        await sim.until(lambda: 0 < step <= killer.steps or sim.is_converged(), SOON, "nothing happened")
        killer.stop()
        await whole_again(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (3, 0)

    simulate(sim, story, [killer])
    return killer.steps

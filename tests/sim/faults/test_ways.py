"""What the world does when it is hurt: as ZooKeeper, Nova and people do it, as far as the product can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.errors import Ambiguous, Transient
from sim.faults import MENU
from sim.fleet import Simulation, simulate
from sim.killing import KillAtEveryStep
from sim.registry import SimRegistry
from sim.scenario import Fault
from sim.uplink import Uplink
from tests.support.fleets import play, quick, settled


def strike(sim: Simulation, kind: str, *, target: int = 0, amount: int = 1) -> None:
    MENU[kind].strike(sim, Fault(kind=kind, at=Duration(0), target=target, amount=amount))


def test_a_server_that_lags_answers_from_what_it_knows_and_writes_wait_for_it() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        registry = sim.now.registry
        registry.link.fall_behind()
        sim.ensemble.put("/new", b"")
        assert "new" not in await registry.children("/")
        sim.clock.after(5 * SECOND, registry.link.catch_up)
        asked_at = sim.clock.now()
        await registry.create("/mine")
        assert sim.clock.now() - asked_at >= 5 * SECOND
        assert {"new", "mine"} <= set(await registry.children("/"))

    play(story)


def test_a_reader_that_asks_to_catch_up_reads_nothing_old() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        registry = sim.now.registry
        registry.link.fall_behind()
        sim.ensemble.put("/new", b"")
        sim.clock.after(3 * SECOND, registry.link.catch_up)
        await registry.sync()
        assert "new" in await registry.children("/")

    play(story)


def test_without_quorum_reads_are_answered_and_writes_may_happen_after_their_client_gave_up() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        registry = sim.now.registry
        sim.ensemble.stop_writing()
        await registry.children("/")
        with pytest.raises(Ambiguous):
            await registry.create("/late")
        await sim.pass_time(MINUTE)
        assert sim.ensemble.knows(registry.link.session_id), "to end a session is a write as well"
        sim.ensemble.write_again()
        assert "/late" in sim.ensemble.core.tree.znodes

    play(story)


def test_large_answers_that_get_lost_take_the_connection_with_them() -> None:
    async def story(sim: Simulation) -> None:
        way = Uplink()
        registry, paths = SimRegistry(sim.ensemble, session_timeout=seconds(6), uplink=way), ["/hfs"] * 2
        way.loses_large_answers = True
        many = [f"/{number}" for number in range(100)]
        await sim.pass_time(Duration(2 * SECOND))
        await registry.get_many(paths)
        with pytest.raises(Transient):
            await registry.get_many(many)
        await sim.pass_time(Duration(2 * SECOND))
        await registry.get_many(paths)

    play(story)


def test_what_was_deleted_on_a_dark_host_walks_when_the_power_is_back_until_it_is_reaped() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        victim = next(iter(sim.datacentre.machines.values()))
        sim.datacentre.darken([victim.host], is_noticed=False)
        await sim.pass_time(Duration(15 * MINUTE))
        assert victim.spec.server in sim.datacentre.ghosts
        sim.datacentre.lighten([victim.host], was_noticed=False)
        assert victim.is_running
        assert not sim.datacentre.late_until, "it reads in the registry that its role is taken away, and ends"
        await sim.pass_time(Duration(31 * MINUTE))
        assert not sim.datacentre.ghosts
        assert not victim.is_running

    play(story)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_on_a_host_that_is_known_to_be_dark_nothing_is_built(*, is_noticed: bool) -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        first = next(iter(sim.datacentre.machines.values()))
        sim.datacentre.darken([first.host], is_noticed=is_noticed)
        for number in range(25):
            sim.datacentre.create(replace(first.spec, server=ServerId(f"small-{500 + number}")))
        built = [m for m in sim.datacentre.machines.values() if m.host == first.host and m is not first]
        assert bool(built) is not is_noticed
        await sim.pass_time(MINUTE)
        assert all(machine.listed.status is CloudStatus.BUILDING for machine in built)

    play(story)


def test_each_life_lasts_one_step_longer() -> None:
    async def story(sim: Simulation) -> None:
        sim.start()
        killer = KillAtEveryStep(sim, 1)
        await sim.pass_time(Duration(10 * SECOND))
        assert killer.lives > 20
        killer.stop()
        lives = killer.lives
        await sim.pass_time(Duration(10 * SECOND))
        assert killer.lives == lives

    play(story)


def test_a_control_plane_with_a_wrong_clock_takes_everything_to_be_later() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        strike(sim, "clock-jumps", amount=3600)
        assert sim.now is not None
        lease = sim.now.registry.session().lease_until
        assert lease >= Instant(sim.clock.now() + 3600 * SECOND)

    play(story)


@pytest.mark.parametrize("way", range(MENU["config-broken"].amounts[1] + 1))
def test_a_wrong_file_is_refused(way: int) -> None:
    sim = quick(1, keeps_lines=True)

    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        strike(sim, "config-broken", amount=way)
        await sim.pass_time(Duration(5 * SECOND))
        assert any("asked to apply a wrong file: ConfigError" in line for line in sim.journal.lines)
        stored = sim.now.plane.desired.stored
        assert stored is not None
        assert stored.generation == 1

    simulate(sim, story)


def test_nobody_answers_while_no_control_plane_lives() -> None:
    sim = quick(1, keeps_lines=True)

    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.kill()
        strike(sim, "scale-out")
        await sim.pass_time(Duration(SECOND))
        assert sim.journal.lines[-1].endswith("asked to scale dns: nobody answers")

    simulate(sim, story)

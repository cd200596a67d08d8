"""The guards over the whole control plane: what must not be destroyed is not, and what must be replaced is."""

from __future__ import annotations

from hfs_appliance.model.instants import MINUTE, Duration
from sim.fleet import Simulation
from tests.support.fleets import SOON, demand_whole, play, settled

SERVICES = {"dns": {"1.0.0": 8}}


def test_instances_that_are_cut_off_from_the_registry_and_serve_are_replaced_and_kept() -> None:
    """N3: much later they still answer whoever asks them, and nobody has destroyed them."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        cut_off = sim.serving("dns")[:2]
        for server in cut_off:
            link = sim.server(server).link
            assert link is not None
            link.go_silent()
        await sim.pass_time(Duration(40 * MINUTE))
        assert sim.datacentre.deletions == 0
        assert set(cut_off) < set(sim.serving("dns"))
        assert len(sim.serving("dns")) == 10
        for server in cut_off:
            link = sim.server(server).link
            assert link is not None
            link.heal()
        await sim.pass_time(Duration(MINUTE))
        await sim.converged(SOON)
        demand_whole(sim)

    play(story, SERVICES)


def test_instances_that_nobody_reaches_are_not_dead_because_we_cannot_reach_them() -> None:
    """N4: our probes find nothing anywhere, but whoever is registered is not asked."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        sim.prober.is_cut_off = True
        await sim.pass_time(Duration(20 * MINUTE))
        assert sim.datacentre.deletions == sim.prober.asked == 0

    play(story, SERVICES)


def test_a_server_that_went_dark_unnoticed_is_deleted_on_what_it_answers() -> None:
    """V5: the cloud calls it active for ever; that nothing is there is the second witness."""

    async def story(sim: Simulation) -> None:
        await settled(sim)
        dark = sim.datacentre.find(sim.serving("dns")[0])
        sim.datacentre.lose_power([dark], is_noticed=False)
        await sim.pass_time(Duration(MINUTE))
        assert len(sim.serving("dns")) == 8
        await sim.pass_time(Duration(10 * MINUTE))
        assert dark.spec.server not in sim.datacentre.machines
        assert sim.datacentre.deletions == 1
        demand_whole(sim)

    play(story, SERVICES)


def test_half_a_fleet_that_dies_is_replaced_at_once_and_cleared_away_within_the_budget() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        dead = sim.serving("dns")[:4]
        for server in dead:
            sim.datacentre.kill(server)
        await sim.pass_time(Duration(2 * MINUTE))
        assert len(sim.serving("dns")) == 8
        assert sim.datacentre.deletions == 3
        assert sim.now is not None
        assert "destroy-budget" in [hold.rule for hold in sim.now.control.status().holds]
        sim.kill()
        sim.start()
        await sim.pass_time(Duration(2 * MINUTE))
        assert sim.datacentre.deletions == 3, "the next one knows what was spent"
        await sim.converged(SOON)
        assert sim.datacentre.deletions == 4
        demand_whole(sim)

    play(story, SERVICES)

"""A fleet that stands already is adopted as it is."""

from __future__ import annotations

from sim.fleet import Simulation, simulate
from sim.standing import let_stand
from tests.support.fleets import SOON, demand_whole, quick


def test_a_standing_fleet_is_adopted_without_a_single_change() -> None:
    sim = quick(1, {"dns": {"1.0.0": 30, "2.0.0": 10}, "domains": {"1.0.0": 20}}, pool_size=5)

    async def story(sim: Simulation) -> None:
        let_stand(sim)
        sim.start()
        await sim.converged(SOON)
        demand_whole(sim)
        assert (sim.datacentre.ever_made, sim.datacentre.deletions) == (65, 0)

    simulate(sim, story)

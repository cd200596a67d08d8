"""What a plan was made with goes when it is made: nothing of it waits for the collector of cyclic garbage."""

from __future__ import annotations

import gc

from hfs_appliance.mcp.decide import Decider
from sim.worlds import Fleet, desired


def test_a_plan_leaves_nothing_for_the_collector() -> None:
    fleet, decider = Fleet(desired=desired({"dns": {"1": 6}}, pool_size=2)), Decider()
    fleet.settle()
    worlds = [fleet.world()]
    for server in fleet.serving("dns", "1")[:3]:
        fleet.kill(server)
        worlds.append(fleet.world())
    plans = [decider.decide(world) for world in worlds]
    gc.collect()
    gc.disable()
    try:
        plans += [decider.decide(world) for world in worlds]
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert any(plan.actions for plan in plans)

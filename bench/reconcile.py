"""What one changed service of 1,000 costs: a whole reconcile of the real loop, over 50,000 simulated servers.

Each turn of the reconciler that finds something other than before is timed: building the World, deciding, telling what
changed, and handing actions over. Time is the process's own, so that the rest of the simulation does not count.
"""

from __future__ import annotations

import time
from typing import Final

import trio

from bench.measure import Spread
from hfs_appliance.model.instants import MINUTE, Duration, seconds
from hfs_appliance.model.plan import Plan
from sim.desired import even
from sim.fleet import Simulation, simulate
from sim.standing import let_stand

SERVERS: Final = 50_000
CHANGES: Final = 20
TARGET_MS: Final = 2.0
"""Cost target of the design."""


class Turns(trio.abc.Instrument):
    """Times the turns of the reconciler after which its plan is another one."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._began_ns = 0
        self._before: Plan | None = None
        self.changed_ns: list[int] = []
        self.idle_ns: list[int] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin a turn."""
        if task.name.endswith("reconciler"):
            self._before = self._plan()
            self._began_ns = time.process_time_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """End a turn."""
        if task.name.endswith("reconciler"):
            spent, before, plan = time.process_time_ns() - self._began_ns, self._before, self._plan()
            if before is not None and plan is not None and plan is not before:
                (self.idle_ns if plan.verdicts is before.verdicts else self.changed_ns).append(spent)

    def _plan(self) -> Plan | None:
        return self._sim.now.plane.reconciler.plan if self._sim.now is not None else None


def run() -> dict[str, object]:
    """Let services of a standing fleet change one after the other."""
    sim = Simulation(1, even(SERVERS))
    turns = Turns(sim)

    async def story(sim: Simulation) -> None:
        let_stand(sim)
        sim.start()
        await sim.converged(Duration(10 * MINUTE))
        await sim.pass_time(Duration(10 * MINUTE))
        turns.changed_ns.clear()
        turns.idle_ns.clear()
        victims = list(sim.servers())[:: SERVERS // CHANGES]
        for victim in victims:
            victim.crash_service()
            await sim.pass_time(seconds(60))

    simulate(sim, story, [turns])
    return {
        f"one of {SERVERS // 50:,} services changed": Spread.of(turns.changed_ns),
        "nothing changed": Spread.of(turns.idle_ns),
        "target (ms)": TARGET_MS,
    }

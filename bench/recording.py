"""What the decision journal costs: the loop, the process and the disk, with 1,000 simulated servers.

Quiet: nothing happens. Busy: each 20 s a service crashes or a server dies. The loop only leaves a decision in a list;
what is off the loop is done in a thread, once a second. Time is the process's own.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.worker import ThreadWorker
from hfs_appliance.model.instants import MINUTE, Duration, seconds
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.world import World
from hfs_appliance.runtime.recording import Recording
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.decisions import DecisionLog, files
from sim.desired import even
from sim.fleet import Simulation, simulate
from sim.standing import let_stand

SERVERS: Final = 1_000
ROUNDS: Final = 60
ROUND: Final = seconds(20)
TARGET_PERCENT: Final = 5.0
"""Of the reconciler's turns."""


class _Recorded(Simulation):
    """A simulation whose decisions are recorded, and what that took."""

    def __init__(self, directory: Path) -> None:
        super().__init__(1, even(SERVERS))
        clock = SystemClock()
        self.log = DecisionLog(directory)
        self.recording = Recording(self.log, worker=ThreadWorker(), clock=clock, sink=EventBus(clock))
        self.waiting: list[tuple[World, Plan]] = []
        self.on_loop_ns = 0
        self.ticks = 0

    def record(self, world: World, plan: Plan) -> None:
        """Leave a decision twice: as the product does, and for the bench to write down itself."""
        began = time.process_time_ns()
        self.recording(world, plan)
        self.on_loop_ns += time.process_time_ns() - began
        self.waiting.append((world, plan))
        self.ticks += 1


class _Turns(trio.abc.Instrument):
    """Sums the reconciler's turns."""

    def __init__(self) -> None:
        self._began_ns = 0
        self.spent_ns = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin a turn."""
        del task
        self._began_ns = time.process_time_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """End a turn."""
        if task.name.endswith("reconciler"):
            self.spent_ns += time.process_time_ns() - self._began_ns


def run() -> dict[str, object]:
    """Record a quiet and a bad twenty minutes."""
    findings: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as directory:
        sim, turns = _Recorded(Path(directory)), _Turns()

        async def story(_: Simulation) -> None:
            let_stand(sim)
            sim.start()
            await sim.converged(Duration(10 * MINUTE))
            await sim.pass_time(Duration(10 * MINUTE))
            began = time.process_time_ns()
            sim.log.write(sim.waiting)
            findings["everything once (ms, CPU)"] = (time.process_time_ns() - began) / 1e6
            findings["everything once (bytes)"] = _size(sim)
            for name in ("quiet", "busy"):
                findings[name] = await _phase(sim, turns, is_busy=name == "busy")

        simulate(sim, story, [turns])
    findings["target (% of the reconciler)"] = TARGET_PERCENT
    return findings


async def _phase(sim: _Recorded, turns: _Turns, *, is_busy: bool) -> dict[str, float]:
    sim.waiting.clear()
    sim.ticks = sim.on_loop_ns = turns.spent_ns = 0
    size, off_loop_ns = _size(sim), 0
    victims, machines = list(sim.servers())[:: SERVERS // ROUNDS], list(sim.datacentre.machines)[7 :: SERVERS // ROUNDS]
    for number in range(ROUNDS):
        if is_busy and number % 2:
            victims[number].crash_service()
        elif is_busy:
            sim.datacentre.kill(machines[number])
        await sim.pass_time(ROUND)
        began = time.process_time_ns()
        sim.log.write(sim.waiting)
        off_loop_ns += time.process_time_ns() - began
        sim.waiting.clear()
    return {
        "decisions": sim.ticks,
        "on the loop (µs each)": sim.on_loop_ns / sim.ticks / 1e3,
        "% of the reconciler": 100 * sim.on_loop_ns / turns.spent_ns,
        "off the loop (µs each)": off_loop_ns / sim.ticks / 1e3,
        "bytes each": (_size(sim) - size) / sim.ticks,
    }


def _size(sim: _Recorded) -> int:
    return sum(path.stat().st_size for path in files(sim.log.directory))

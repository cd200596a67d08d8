"""Killing an appliance at steps of trio's scheduler, and starting it again a moment later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from hfs_appliance.model.instants import MILLISECOND
from sim.incarnation import FIRST

if TYPE_CHECKING:
    from sim.fleet import Simulation


class AtSteps(trio.abc.Instrument):
    """Counts the steps of a simulation while there is a control plane."""

    def __init__(self) -> None:
        self._simulation: Simulation | None = None
        self.steps = 0

    def watch(self, simulation: Simulation) -> None:
        """Count from now on."""
        self._simulation = simulation

    def stop(self) -> None:
        """Count no more."""
        self._simulation = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # trio's signature
        """Count."""
        sim = self._simulation
        if sim is not None and sim.now is not None:
            self.steps += 1
            self.reached(sim)

    def reached(self, sim: Simulation) -> None:
        """Do what is to be done at the step that was counted last."""
        raise NotImplementedError


class KillAtStep(AtSteps):
    """X1: whoever leads dies after so many steps since this began to watch; 0 only counts them."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def reached(self, sim: Simulation) -> None:
        """Kill when it is time."""
        if self.steps == self._step:
            kill_for_a_moment(sim, sim.leading())


class KillAtEveryStep(trio.abc.Instrument):
    """X1, X3: the first life ends after so many steps, each later one a step later than the one before."""

    def __init__(self, simulation: Simulation, first: int) -> None:
        self._simulation = simulation
        self._limit = max(1, first)
        self._steps = 0
        self._is_over = False
        self.lives = 0
        trio.lowlevel.add_instrument(self)

    def stop(self) -> None:
        """Kill no more."""
        if not self._is_over:
            self._is_over = True
            trio.lowlevel.remove_instrument(self)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # trio's signature
        """Count, and kill when it is time."""
        sim = self._simulation
        if sim.now is None or not sim.now.is_alive:
            return
        self._steps += 1
        if self._steps >= self._limit:
            self._steps = 0
            self._limit += 1
            self.lives += 1
            kill_for_a_moment(sim)


def kill_for_a_moment(sim: Simulation, name: str = FIRST) -> None:
    """Kill an appliance, and start it again a millisecond later."""
    what = "control plane" if name == FIRST else f"{name} killed"
    end = sim.overlaps.during(what, lambda: sim.kill(name), lambda: sim.start(name))
    sim.clock.after(MILLISECOND, end)

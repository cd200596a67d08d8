"""Faults of the registry (Z1 to Z20 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults.menu import Struck, kind

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault


@kind("registry-away", "Z12", words="no server of the registry answers", spans=(SECOND, Duration(20 * MINUTE)))
def registry_away(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Stop the ensemble."""
    end = sim.overlaps.during("registry away", sim.ensemble.stop, sim.ensemble.start)
    return Struck(words="the registry is away", end=end)

"""Faults of the control plane itself (X1 to X10 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.instants import MILLISECOND, MINUTE, Duration
from sim.faults.menu import Struck, kind

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault


@kind(
    "mcp-killed",
    "X1",
    words="the control plane is killed, and started again at the end of the fault",
    spans=(MILLISECOND, Duration(5 * MINUTE)),
)
def mcp_killed(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Kill the control plane as kill -9 does."""
    end = sim.overlaps.during("control plane", sim.kill, sim.start)
    return Struck(words="the control plane is killed", end=end)

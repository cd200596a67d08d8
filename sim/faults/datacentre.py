"""Faults of machines, hosts and zones (V1 to V14 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.faults.menu import Struck, kind

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault


@kind("server-dies", "V5", words="one server loses its power and the cloud says so; target: which one")
def server_dies(sim: Simulation, fault: Fault) -> Struck:
    """Kill one machine."""
    machines = list(sim.datacentre.machines)
    if not machines:
        return Struck(words="there was no server to hurt")
    victim = machines[fault.target % len(machines)]
    sim.datacentre.kill(victim)
    return Struck(words=f"{victim} is powered off", victims=(victim,))

"""Faults of machines, hosts and zones (V1 to V14 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.datacentre import Machine
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


@kind(
    "zone-dark",
    "V6",
    "V7",
    words="a zone loses power, the cloud goes on calling its servers active; they come back at the end; target: which",
    spans=(SECOND, Duration(30 * MINUTE)),
)
def zone_dark(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a zone, unnoticed."""
    zone = _zone(sim, fault.target)
    return _lose_power(sim, zone, sim.datacentre.in_zone(zone), is_noticed=False)


@kind(
    "zone-dies",
    "V6",
    "V7",
    words="a zone loses its power and the cloud says so; what is still there comes back at the end; target: which",
    spans=(SECOND, Duration(30 * MINUTE)),
)
def zone_dies(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a zone, with notice."""
    zone = _zone(sim, fault.target)
    return _lose_power(sim, zone, sim.datacentre.in_zone(zone), is_noticed=True)


def _zone(sim: Simulation, target: int) -> AvailabilityZone:
    zones = sorted({machine.spec.az for machine in sim.datacentre.machines.values()})
    return zones[target % len(zones)] if zones else AvailabilityZone("az1")


def _lose_power(sim: Simulation, place: str, machines: list[Machine], *, is_noticed: bool) -> Struck:
    sim.datacentre.lose_power(machines, is_noticed=is_noticed)
    return Struck(
        words=f"{place} with {len(machines)} servers is without power",
        victims=tuple(machine.spec.server for machine in machines),
        end=lambda: sim.datacentre.regain_power(machines),
    )

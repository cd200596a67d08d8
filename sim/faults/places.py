"""Where faults strike: targets are indices modulo what lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hfs_appliance.model.ids import AvailabilityZone, ServiceName
from sim.datacentre import HOSTS_PER_RACK, HOSTS_PER_ZONE, hosts_of
from sim.machine import Machine
from sim.servers import SimServer
from sim.truth import Condition

T = TypeVar("T")

if TYPE_CHECKING:
    from sim.fleet import Simulation


def zone_of(sim: Simulation, target: int) -> AvailabilityZone:
    """Choose a zone that has servers; without any, the first."""
    zones = sorted({machine.spec.az for machine in sim.datacentre.machines.values()})
    return zones[target % len(zones)] if zones else AvailabilityZone("az1")


def rack_of(sim: Simulation, target: int) -> list[str]:
    """Choose a rack; give its hosts. Racks are counted zone by zone."""
    racks = HOSTS_PER_ZONE // HOSTS_PER_RACK
    first = target % racks * HOSTS_PER_RACK
    return hosts_of(zone_of(sim, target // racks))[first : first + HOSTS_PER_RACK]


def machines_of(sim: Simulation, target: int, count: int) -> list[Machine]:
    """Choose machines of the cloud's list, `count` in a row."""
    return _in_a_row(list(sim.datacentre.machines.values()), target, count)


def service_of(sim: Simulation, target: int) -> ServiceName:
    """Choose a service of the file that the control plane was started with."""
    services = sorted(sim.desired.services)
    return services[target % len(services)]


def servers_of(sim: Simulation, target: int, count: int) -> list[SimServer]:
    """Choose servers, `count` in a row."""
    return _in_a_row(list(sim.servers()), target, count)


def serving_of(sim: Simulation, target: int, count: int) -> list[SimServer]:
    """Choose servers whose service answers, `count` in a row."""
    return _in_a_row([server for server in sim.servers() if server.is_serving], target, count)


def warm_of(sim: Simulation, target: int, count: int) -> list[SimServer]:
    """Choose servers that wait in the pool, `count` in a row."""
    return _in_a_row([server for server in sim.servers() if server.condition is Condition.WARM], target, count)


def building_of(sim: Simulation, target: int, count: int) -> list[SimServer]:
    """Choose servers that are being built, `count` in a row."""
    return _in_a_row([server for server in sim.servers() if server.condition is Condition.BUILDING], target, count)


def _in_a_row(items: list[T], target: int, count: int) -> list[T]:
    count = min(count, len(items))
    return [items[(target + number) % len(items)] for number in range(count)]

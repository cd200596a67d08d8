"""Where faults strike: targets are indices modulo what lives; what is aimed at a phase begins with who is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName
from sim.datacentre import HOSTS_PER_RACK, HOSTS_PER_ZONE, hosts_of
from sim.machine import Machine
from sim.servers import SimServer
from sim.truth import Condition

T = TypeVar("T")

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault


def zone_of(sim: Simulation, fault: Fault) -> AvailabilityZone:
    """Choose a zone that has servers; without any, the first."""
    if fault.phase is not None:
        return next((machine.spec.az for machine in machines_of(sim, fault, 1)), AvailabilityZone("az1"))
    zones = sorted({machine.spec.az for machine in sim.datacentre.machines.values()})
    return zones[fault.target % len(zones)] if zones else AvailabilityZone("az1")


def rack_of(sim: Simulation, fault: Fault) -> Sequence[str]:
    """Choose a rack; give its hosts. Racks are counted zone by zone."""
    if fault.phase is not None:
        for machine in machines_of(sim, fault, 1):
            hosts = hosts_of(machine.spec.az)
            first = hosts.index(machine.host) // HOSTS_PER_RACK * HOSTS_PER_RACK
            return hosts[first : first + HOSTS_PER_RACK]
    racks = HOSTS_PER_ZONE // HOSTS_PER_RACK
    first = fault.target % racks * HOSTS_PER_RACK
    zones = sorted({machine.spec.az for machine in sim.datacentre.machines.values()})
    zone = zones[fault.target // racks % len(zones)] if zones else AvailabilityZone("az1")
    return hosts_of(zone)[first : first + HOSTS_PER_RACK]


def machines(sim: Simulation) -> Iterable[ServerId]:
    """Name the machines of the cloud's list."""
    return list(sim.datacentre.machines)


def records(sim: Simulation) -> Iterable[ServerId]:
    """Name the servers that have a record."""
    return [ServerId(name) for name in sim.records()]


def servers(sim: Simulation) -> Iterable[ServerId]:
    """Name the servers on which anything runs."""
    return ids_of(sim.servers())


def serving(sim: Simulation) -> Iterable[ServerId]:
    """Name the servers whose service answers."""
    return ids_of(server for server in sim.servers() if server.is_serving)


def warm(sim: Simulation) -> Iterable[ServerId]:
    """Name the servers that wait in the pool."""
    return ids_of(server for server in sim.servers() if server.condition is Condition.WARM)


def building(sim: Simulation) -> Iterable[ServerId]:
    """Name the servers that are being built."""
    return ids_of(server for server in sim.servers() if server.condition is Condition.BUILDING)


def machines_of(sim: Simulation, fault: Fault, count: int) -> list[Machine]:
    """Choose machines of the cloud's list, `count` in a row."""
    return _in_a_row(sim, fault, list(sim.datacentre.machines.values()), lambda machine: machine.spec.server, count)


def records_of(sim: Simulation, fault: Fault, count: int) -> list[ServerId]:
    """Choose records of the registry, `count` in a row."""
    return _in_a_row(sim, fault, [ServerId(name) for name in sim.records()], lambda server: server, count)


def service_of(sim: Simulation, fault: Fault) -> ServiceName:
    """Choose a service of the file that the control plane was started with; aimed at a rollout, one that has it."""
    services, phase = sorted(sim.desired.services), fault.phase
    sought = [service for service in services if phase is not None and sim.believed.phase(service) is phase]
    return (sought or services)[fault.target % len(sought or services)]


def servers_of(sim: Simulation, fault: Fault, count: int) -> list[SimServer]:
    """Choose servers, `count` in a row."""
    return _servers(sim, fault, list(sim.servers()), count)


def serving_of(sim: Simulation, fault: Fault, count: int) -> list[SimServer]:
    """Choose servers whose service answers, `count` in a row."""
    return _servers(sim, fault, [server for server in sim.servers() if server.is_serving], count)


def warm_of(sim: Simulation, fault: Fault, count: int) -> list[SimServer]:
    """Choose servers that wait in the pool, `count` in a row."""
    return _servers(sim, fault, [server for server in sim.servers() if server.condition is Condition.WARM], count)


def building_of(sim: Simulation, fault: Fault, count: int) -> list[SimServer]:
    """Choose servers that are being built, `count` in a row."""
    return _servers(sim, fault, [server for server in sim.servers() if server.condition is Condition.BUILDING], count)


def ids_of(servers: Iterable[SimServer]) -> tuple[ServerId, ...]:
    """Name servers."""
    return tuple(server.machine.spec.server for server in servers)


def _servers(sim: Simulation, fault: Fault, servers: list[SimServer], count: int) -> list[SimServer]:
    return _in_a_row(sim, fault, servers, lambda server: server.machine.spec.server, count)


def _in_a_row(sim: Simulation, fault: Fault, items: Sequence[T], name: Callable[[T], ServerId], count: int) -> list[T]:
    first = fault.target
    if fault.phase is not None:
        sought = [number for number, item in enumerate(items) if sim.believed.phase(name(item)) is fault.phase]
        first = sought[fault.target % len(sought)] if sought else first
    return [items[(first + number) % len(items)] for number in range(min(count, len(items)))]

"""Faults of machines, hosts, racks and zones, and of how machines come and go (V1 to V14 of the catalogue)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.datacentre import hosts_of
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import machines_of, rack_of, zone_of
from sim.machine import Machine
from sim.overlaps import chain, union

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

OUTAGE = (SECOND, Duration(30 * MINUTE))
LONG = (MINUTE, Duration(40 * MINUTE))
SHARES = (20, 900)
"""Per mille."""
FEW = (1, 4)


# Power


@kind(
    "server-dies",
    "V5",
    words="servers lose their power for good and the cloud says so; target: the first",
    hits=places.machines,
)
def server_dies(sim: Simulation, fault: Fault) -> Struck:
    """Kill `amount` machines."""
    victims = machines_of(sim, fault, fault.amount)
    for machine in victims:
        sim.datacentre.kill(machine.spec.server)
    return _hurt("powered off", victims)


@kind(
    "server-dark",
    "V5",
    "V7",
    words="`amount` servers lose their power unnoticed and come back at the end; target: the first",
    amounts=FEW,
    spans=OUTAGE,
    hits=places.machines,
)
def server_dark(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of machines, unnoticed."""
    victims = machines_of(sim, fault, fault.amount)
    sim.datacentre.lose_power(victims, is_noticed=False)
    return _hurt("without power, unnoticed", victims, lambda: sim.datacentre.regain_power(victims))


@kind(
    "host-dark",
    "V6",
    "V7",
    words="a host of the target's goes dark unnoticed until the end",
    spans=OUTAGE,
    hits=places.machines,
)
def host_dark(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of the host under a machine."""
    hosts = [machine.host for machine in machines_of(sim, fault, 1)]
    return _darken(sim, "".join(hosts), hosts, is_noticed=False)


@kind(
    "rack-dark",
    "V6",
    "V7",
    words="a rack goes dark unnoticed and comes back; target: which",
    spans=OUTAGE,
    hits=places.machines,
)
def rack_dark(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a rack, unnoticed."""
    hosts = rack_of(sim, fault)
    return _darken(sim, f"the rack of {hosts[0]}", hosts, is_noticed=False)


@kind(
    "rack-dies",
    "V6",
    "V7",
    words="a rack goes dark, the cloud says so; it comes back; target: which",
    spans=OUTAGE,
    hits=places.machines,
)
def rack_dies(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a rack, with notice."""
    hosts = rack_of(sim, fault)
    return _darken(sim, f"the rack of {hosts[0]}", hosts, is_noticed=True)


@kind(
    "zone-dark",
    "V6",
    "V7",
    words="a zone goes dark unnoticed and comes back; target: which",
    spans=OUTAGE,
    hits=places.machines,
)
def zone_dark(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a zone, unnoticed."""
    zone = zone_of(sim, fault)
    return _darken(sim, zone, hosts_of(zone), is_noticed=False)


@kind(
    "zone-dies",
    "V6",
    "V7",
    words="a zone goes dark, the cloud says so; it comes back; target: which",
    spans=OUTAGE,
    hits=places.machines,
)
def zone_dies(sim: Simulation, fault: Fault) -> Struck:
    """Take the power of a zone, with notice."""
    zone = zone_of(sim, fault)
    return _darken(sim, zone, hosts_of(zone), is_noticed=True)


@kind(
    "server-reboots",
    "V8",
    words="somebody reboots `amount` servers; target: the first",
    amounts=FEW,
    hits=places.machines,
)
def server_reboots(sim: Simulation, fault: Fault) -> Struck:
    """Press the button of machines."""
    victims = machines_of(sim, fault, fault.amount)
    for machine in victims:
        sim.datacentre.reboot(machine.spec.server)
    return _hurt("rebooted", victims)


@kind(
    "server-vanishes",
    "H10",
    words="somebody deletes `amount` servers; target: the first",
    amounts=FEW,
    hits=places.machines,
)
def server_vanishes(sim: Simulation, fault: Fault) -> Struck:
    """Delete machines behind everybody's back."""
    victims = machines_of(sim, fault, fault.amount)
    for machine in victims:
        sim.datacentre.vanish(machine.spec.server)
    return _hurt("deleted by hand", victims)


# Builds


@kind("builds-break", "V1", words="`amount` of 1,000 builds end in ERROR", amounts=SHARES, spans=LONG)
def builds_break(sim: Simulation, fault: Fault) -> Struck:
    """Let builds fail."""
    return _turn(sim, "broken_builds", fault.amount, words=f"{fault.amount} of 1,000 builds end in ERROR")


@kind("builds-stall", "V2", words="`amount` of 1,000 builds stay in BUILD for ever", amounts=SHARES, spans=LONG)
def builds_stall(sim: Simulation, fault: Fault) -> Struck:
    """Let builds never end."""
    return _turn(sim, "stalled_builds", fault.amount, words=f"{fault.amount} of 1,000 builds never end")


@kind("builds-dead", "V3", words="`amount` of 1,000 servers are ACTIVE and never boot", amounts=SHARES, spans=LONG)
def builds_dead(sim: Simulation, fault: Fault) -> Struck:
    """Let servers never boot."""
    return _turn(sim, "dead_builds", fault.amount, words=f"{fault.amount} of 1,000 new servers never boot")


@kind("builds-slow", "V13", words="builds take `amount` times as long", amounts=(2, 20), spans=LONG)
def builds_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow builds down."""
    return _turn(sim, "slow_builds", fault.amount, words=f"builds take {fault.amount} times as long")


@kind("zone-full", "V1", "O13", words="a zone has no valid host any more; target: which", spans=LONG)
def zone_full(sim: Simulation, fault: Fault) -> Struck:
    """Let every build in a zone fail."""
    zone = zone_of(sim, fault)
    return _turn(sim, "full_zones", {zone}, union, words=f"{zone} has no valid host")


# Deletions


@kind("deletes-stall", "V4", words="`amount` of 1,000 deletions are stuck for half an hour", amounts=SHARES, spans=LONG)
def deletes_stall(sim: Simulation, fault: Fault) -> Struck:
    """Let deletions get stuck."""
    return _turn(sim, "stalled_deletes", fault.amount, words=f"{fault.amount} of 1,000 deletions are stuck")


@kind("deletes-ignored", "V4", words="`amount` of 1,000 deletions do nothing", amounts=SHARES, spans=LONG)
def deletes_ignored(sim: Simulation, fault: Fault) -> Struck:
    """Accept deletions and forget them."""
    return _turn(sim, "ignored_deletes", fault.amount, words=f"{fault.amount} of 1,000 deletions do nothing")


@kind("deletes-break", "V4", words="`amount` of 1,000 deletions end in ERROR", amounts=SHARES, spans=LONG)
def deletes_break(sim: Simulation, fault: Fault) -> Struck:
    """Let deletions fail."""
    return _turn(sim, "broken_deletes", fault.amount, words=f"{fault.amount} of 1,000 deletions end in ERROR")


@kind(
    "ghosts",
    "V4",
    words="`amount` of 1,000 deleted servers run on until the end",
    amounts=SHARES,
    spans=LONG,
)
def ghosts(sim: Simulation, fault: Fault) -> Struck:
    """Forget servers without ending them; at the end somebody looks at the hosts."""
    held = sim.overlaps.hold(sim.datacentre.faults, "ghostly_deletes", fault.amount)
    words = f"{fault.amount} of 1,000 deleted servers run on"
    return Struck(words=words, end=chain(held, sim.datacentre.exorcise))


def _darken(sim: Simulation, place: str, hosts: Sequence[str], *, is_noticed: bool) -> Struck:
    victims = sim.datacentre.darken(hosts, is_noticed=is_noticed)
    return Struck(
        words=f"{place} with {len(victims)} servers is without power",
        victims=tuple(machine.spec.server for machine in victims),
        end=lambda: sim.datacentre.lighten(hosts, was_noticed=is_noticed),
    )


def _hurt(how: str, victims: Sequence[Machine], end: Callable[[], None] | None = None) -> Struck:
    servers = tuple(machine.spec.server for machine in victims)
    return Struck(words=f"{', '.join(servers) or 'no server'}: {how}", victims=servers, end=end)


def _turn(sim: Simulation, switch: str, value: Any, worst: Callable[[list[Any]], Any] = max, *, words: str) -> Struck:
    return Struck(words=words, end=sim.overlaps.hold(sim.datacentre.faults, switch, value, worst))

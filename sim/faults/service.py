"""Faults of what runs on servers: boots, builds, agents, services and their checks (P1 to P10, V9, V10, V13, V14)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.observed import CloudStatus
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import building_of, ids_of, servers_of, serving_of, warm_of
from sim.overlaps import End, chain
from sim.servers import SimServer

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

SHORT = (SECOND, Duration(10 * MINUTE))
LONG = (MINUTE, Duration(40 * MINUTE))
SHARES = (20, 900)
"""Per mille."""
FEW = (1, 4)
LEAKED: Final = 4 * MINUTE
"""So long a service that leaks lives."""
FLAP: Final = 5 * SECOND


# Boots and builds


@kind("boots-slow", "V13", words="`amount` of 1,000 boots take twenty times as long", amounts=SHARES, spans=LONG)
def boots_slow(sim: Simulation, fault: Fault) -> Struck:
    """Give boots a heavy tail."""
    return _turn(sim, "slow_boots", fault.amount, words=f"{fault.amount} of 1,000 boots take twenty times as long")


@kind("puppet-slow", "P3", "P7", words="builds take `amount` times as long", amounts=(2, 10), spans=LONG)
def puppet_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow updates and configuration down: the master has a queue."""
    return _turn(sim, "slow_builds", fault.amount, words=f"updates and configuration take {fault.amount} times as long")


@kind("puppet-fails", "P1", words="`amount` of 1,000 configuration runs fail somewhere", amounts=SHARES, spans=LONG)
def puppet_fails(sim: Simulation, fault: Fault) -> Struck:
    """Let configuration runs fail; they are run again."""
    return _turn(sim, "failing_builds", fault.amount, words=f"{fault.amount} of 1,000 configuration runs fail")


@kind("mirror-down", "P8", words="no package can be fetched", spans=LONG)
def mirror_down(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let every build fail until the mirror is back."""
    return _turn(sim, "is_mirror_down", value=True, words="the package mirror is down")


@kind(
    "build-interrupted",
    "P5",
    words="`amount` servers reboot while they are built; target: the first",
    amounts=FEW,
    hits=places.building,
)
def build_interrupted(sim: Simulation, fault: Fault) -> Struck:
    """Reboot servers with half a configuration on them."""
    servers = building_of(sim, fault, fault.amount)
    for server in servers:
        if server.machine.listed.status is CloudStatus.ACTIVE:
            sim.datacentre.reboot(server.machine.spec.server)
    return _hurt("reboot while they are built", servers)


@kind(
    "pool-rots",
    "V14",
    words="`amount` warm servers will never run anything; target: the first",
    amounts=FEW,
    hits=places.warm,
)
def pool_rots(sim: Simulation, fault: Fault) -> Struck:
    """Spoil warm servers: it shows when they are claimed."""
    servers = warm_of(sim, fault, fault.amount)
    for server in servers:
        server.is_broken = True
    return Struck(words=f"{_names(servers)} will never run a service", victims=ids_of(servers))


@kind(
    "pool-unfit",
    "V14",
    words="`amount` warm servers lose their disks, which their agents notice; target: the first",
    amounts=FEW,
    is_drawn=False,
    hits=places.warm,
)
def pool_unfit(sim: Simulation, fault: Fault) -> Struck:
    """Spoil warm servers as they are found out before they are claimed."""
    servers = warm_of(sim, fault, fault.amount)
    for server in servers:
        server.become_unfit("its disk cannot be written: Input/output error")
    return Struck(words=f"the disks of {_names(servers)} fail", victims=ids_of(servers))


# Agents


@kind(
    "agents-crash",
    "Z11",
    words="`amount` of 1,000 agents end and start again; target: the first",
    amounts=(20, 1000),
    hits=places.servers,
)
def agents_crash(sim: Simulation, fault: Fault) -> Struck:
    """End agents as kill -9 does; the next ones meet the entries of their own dead sessions."""
    count = -(-len(list(sim.servers())) * fault.amount // 1000)
    servers = servers_of(sim, fault, count)
    for server in servers:
        server.crash_agent()
    return Struck(words=f"{len(servers)} agents crash", victims=ids_of(servers))


@kind(
    "registrations-flap",
    "V10",
    words="`amount` agents lose their session every 5 s; target: the first",
    amounts=FEW,
    spans=SHORT,
    hits=places.serving,
)
def registrations_flap(sim: Simulation, fault: Fault) -> Struck:
    """Expire the sessions of some agents again and again."""
    servers = serving_of(sim, fault, fault.amount)

    def flap() -> None:
        for server in servers:
            if server.link is not None:
                sim.ensemble.expire(server.link.session_id)

    return Struck(
        words=f"the registrations of {_names(servers)} flap", victims=ids_of(servers), end=_every(sim, FLAP, flap)
    )


@kind(
    "registrations-wrong",
    "P4",
    "P10",
    words="`amount` instances register as a wrong version; target: the first",
    amounts=FEW,
    spans=LONG,
    hits=places.serving,
)
def registrations_wrong(sim: Simulation, fault: Fault) -> Struck:
    """Let instances register as what they are not."""
    servers = serving_of(sim, fault, fault.amount)
    ends: list[End] = [sim.overlaps.hold(server, "is_confused", value=True) for server in servers]
    return _looked_at(f"{_names(servers)} register as a wrong version", sim, ends, servers)


@kind("checks-fail", "G10", words="every agent takes its service for ill, which it is not", spans=SHORT, is_drawn=False)
def checks_fail(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Break the health check itself, everywhere: all registrations go, all servers live."""
    ends = [sim.overlaps.hold(sim.service_faults, "are_checks_failing", value=True)]
    return _looked_at("every health check fails", sim, ends)


# Services


@kind(
    "service-crashes",
    "V9",
    words="`amount` services end by themselves; target: the first",
    amounts=FEW,
    hits=places.serving,
)
def service_crashes(sim: Simulation, fault: Fault) -> Struck:
    """End services; their agents start them again."""
    servers = serving_of(sim, fault, fault.amount)
    for server in servers:
        server.crash_service()
    return _hurt("crash", servers)


@kind(
    "services-leak",
    "V9",
    words="`amount` services grow until they are ended, every four minutes",
    amounts=FEW,
    spans=LONG,
    hits=places.serving,
)
def services_leak(sim: Simulation, fault: Fault) -> Struck:
    """End some services now and then, for want of memory."""
    servers = serving_of(sim, fault, fault.amount)

    def end_them() -> None:
        for server in servers:
            server.crash_service()

    return Struck(words=f"{_names(servers)} leak memory", victims=ids_of(servers), end=_every(sim, LEAKED, end_them))


@kind(
    "service-hangs",
    "V9",
    "P2",
    words="`amount` services answer nothing until the end; target: the first",
    amounts=FEW,
    spans=SHORT,
    hits=places.serving,
)
def service_hangs(sim: Simulation, fault: Fault) -> Struck:
    """Let services take requests and answer none."""
    servers = serving_of(sim, fault, fault.amount)
    ends = [sim.overlaps.during((server, "hangs"), server.hang_service, server.recover_service) for server in servers]
    return Struck(words=f"{_names(servers)} hang", victims=ids_of(servers), end=chain(*ends))


@kind(
    "service-crash-loops",
    "P2",
    words="`amount` services crash and do not start; target: the first",
    amounts=FEW,
    spans=SHORT,
    hits=places.serving,
)
def service_crash_loops(sim: Simulation, fault: Fault) -> Struck:
    """Let services crash at each start."""
    servers = serving_of(sim, fault, fault.amount)
    ends: list[End] = []
    for server in servers:
        ends.append(sim.overlaps.hold(server, "is_broken", value=True))
        server.crash_service()
    return Struck(words=f"{_names(servers)} crash at each start", victims=ids_of(servers), end=chain(*ends))


@kind("starts-fail", "P2", words="`amount` of 1,000 starts of services fail", amounts=(20, 700), spans=LONG)
def starts_fail(sim: Simulation, fault: Fault) -> Struck:
    """Let starts fail now and then: installed, started, and nothing listens."""
    return _turn(sim, "failing_starts", fault.amount, words=f"{fault.amount} of 1,000 starts of services fail")


def _turn(sim: Simulation, switch: str, value: Any, *, words: str) -> Struck:
    return Struck(words=words, end=sim.overlaps.hold(sim.service_faults, switch, value))


def _every(sim: Simulation, span: int, act: Callable[[], None]) -> End:
    """Do something now and after each span, until the end."""
    is_over = False

    def again() -> None:
        if not is_over:
            act()
            sim.clock.after(span, again)

    def end() -> None:
        nonlocal is_over
        is_over = True

    again()
    return end


def _looked_at(words: str, sim: Simulation, ends: Sequence[End], servers: Sequence[SimServer] | None = None) -> Struck:
    """Have all agents look now and at the end: servers that were made meanwhile are under the fault, too."""

    def look() -> None:
        for server in sim.servers():
            server.look_again()

    look()
    victims = ids_of(servers) if servers is not None else None
    return Struck(words=words, victims=victims, end=chain(*ends, look))


def _names(servers: Sequence[SimServer]) -> str:
    return ", ".join(ids_of(servers)) or "no server"


def _hurt(how: str, servers: Sequence[SimServer]) -> Struck:
    return Struck(words=f"{_names(servers)}: {how}", victims=ids_of(servers))

"""Faults of the network (N1 to N12 of the catalogue): what is cut off lives, and believes what it believed before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import ids_of, servers_of, zone_of
from sim.overlaps import chain
from sim.servers import SimServer
from sim.uplink import Uplink

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

CUT = (SECOND, Duration(20 * MINUTE))
SHARES = (20, 1000)
"""Per mille."""
ROUND: Final = 20 * SECOND
"""Within this every link of a swizzle clogs or clears once."""


@kind("mcp-cut", "N1", "Z3", words="the control plane cannot connect to the registry; it notices", spans=CUT)
def mcp_cut(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Cut the control plane off."""
    sim.uplink.cut()
    return Struck(words="the control plane is cut off from the registry", end=sim.uplink.mend)


@kind(
    "mcp-silent",
    "N1",
    "N7",
    "Z3",
    words="the control plane hears nothing of the registry, without notice; amount 0: the registry hears it",
    amounts=(0, 1),
    spans=CUT,
)
def mcp_silent(sim: Simulation, fault: Fault) -> Struck:
    """Let the control plane's packets disappear, both ways or one way."""
    sim.uplink.hush(requests=bool(fault.amount))
    how = "neither hears nor is heard by" if fault.amount else "is heard by, but does not hear,"
    return Struck(words=f"the control plane {how} the registry", end=sim.uplink.unhush)


@kind("mcp-slow", "N8", words="the control plane's link is `amount` times as slow", amounts=(2, 3000), spans=CUT)
def mcp_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow the control plane's link down."""
    end = sim.overlaps.hold(sim.uplink, "slowness", fault.amount)
    return Struck(words=f"the control plane's link is {fault.amount} times as slow", end=end)


@kind("mcp-small-packets", "N11", words="only small packets pass from the registry to the control plane", spans=CUT)
def mcp_small_packets(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Lose large answers; what comes after them waits for them, as in every TCP connection."""
    end = sim.overlaps.hold(sim.uplink, "loses_large_answers", value=True)
    return Struck(words="large packets do not reach the control plane", end=end)


@kind(
    "servers-cut",
    "N3",
    words="`amount` of 1,000 servers lose the registry and serve on",
    amounts=SHARES,
    spans=CUT,
    hits=places.servers,
)
def servers_cut(sim: Simulation, fault: Fault) -> Struck:
    """Cut agents off."""
    servers = list(sim.servers())
    count = -(-len(servers) * fault.amount // 1000)
    return _cut(servers_of(sim, fault, count), "the registry")


@kind(
    "zone-cut",
    "N3",
    words="a zone's servers lose the registry; they serve on; target: which",
    spans=CUT,
    hits=places.servers,
)
def zone_cut(sim: Simulation, fault: Fault) -> Struck:
    """Cut a zone's agents off."""
    zone = zone_of(sim, fault)
    return _cut([server for server in sim.servers() if server.machine.spec.az == zone], f"the registry, all of {zone}")


@kind("everything-cut", "N12", words="nobody reaches the registry or the cloud", spans=CUT)
def everything_cut(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Cut the control plane and all agents off from everything."""
    servers = _cut(list(sim.servers()), "everything")
    sim.uplink.cut()
    cloud = sim.overlaps.hold(sim.datacentre.faults, "hangs", value=True)
    return Struck(words="everything is cut off from everything", end=chain(servers.end, sim.uplink.mend, cloud))


@kind("swizzle", "N9", words="links to the registry clog one after the other and clear in another order", spans=CUT)
def swizzle(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Clog every link at its own time, and clear it at another, again and again (FoundationDB's swizzle-clogging)."""
    stream = sim.streams.named(f"swizzle/{sim.clock.now()}")
    uplinks = [sim.uplink, *(server.uplink for server in sim.servers())]
    clogged: set[int] = set()
    is_over = False

    def toggle(number: int) -> None:
        if is_over:
            return
        if number in clogged:
            clogged.discard(number)
            uplinks[number].unhush()
        else:
            clogged.add(number)
            uplinks[number].hush()
        sim.clock.after(stream.between(1, ROUND), lambda: toggle(number))

    def end() -> None:
        nonlocal is_over
        is_over = True
        for number in sorted(clogged):
            uplinks[number].unhush()

    for number in range(len(uplinks)):
        sim.clock.after(stream.between(1, ROUND), lambda number=number: toggle(number))  # type: ignore[misc]
    return Struck(words=f"{len(uplinks)} links clog and clear at random", end=end)


@kind("probes-lost", "N4", words="nothing that the control plane sends reaches an instance", spans=CUT)
def probes_lost(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Lose the control plane's own probes."""
    end = sim.overlaps.hold(sim.prober, "is_cut_off", value=True)
    return Struck(words="the control plane's probes reach nobody", end=end)


def _cut(servers: Sequence[SimServer], what: str) -> Struck:
    uplinks: list[Uplink] = [server.uplink for server in servers]
    for uplink in uplinks:
        uplink.cut()
    ends = [uplink.mend for uplink in uplinks]
    words = f"{len(servers)} servers are cut off from {what}"
    return Struck(words=words, victims=ids_of(servers), end=chain(*ends))

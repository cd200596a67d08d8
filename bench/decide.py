"""How long one whole decision takes: on a converged fleet, and on one with one server in a hundred dead."""

from __future__ import annotations

from bench.measure import Spread, repeat
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.world import World
from hfs_appliance.runtime.collector import collecting_seldom
from sim.worlds import converged_fleet

FLEETS = (500, 5_000, 55_000)
VISITS = 100_000
"""Servers visited for each figure: 200 passes over 500 servers, 5 over 55,000 at the least."""
TARGET_US = 5.0
"""Cost target of the design, in µs a server."""


def run() -> dict[str, object]:
    """Time `decide` on fleets of three sizes, with the collector as `hfs run` sets it."""
    with collecting_seldom():
        return measure()


def measure() -> dict[str, object]:
    findings: dict[str, object] = {}
    for servers in FLEETS:
        fleet = converged_fleet(servers)
        world = fleet.world()
        assert decide(world).is_converged
        add(findings, f"converged, {servers} servers", world, servers)
        for server in sorted(fleet.cloud)[::100]:
            fleet.kill(server)
        hurt = fleet.world()
        assert len(decide(hurt).actions) >= servers // 100
        add(findings, f"1 % dead, {servers} servers", hurt, servers)
    findings["target (µs a server)"] = TARGET_US
    return findings


def add(findings: dict[str, object], name: str, world: World, servers: int) -> None:
    spread: Spread = repeat(max(5, VISITS // servers), lambda: decide(world))
    findings[name] = spread
    findings[f"{name}: µs a server, median"] = round(spread.ms_p50 * 1000 / servers, 2)

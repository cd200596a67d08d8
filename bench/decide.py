"""How long one whole decision takes: on a converged fleet, and on one with one server in a hundred dead.

Beside it the floor: what Python needs to look all values up that a decision rests on, and to keep something for each
server. At 55,000 servers both leave the processor's caches, and are as slow as the memory is at that moment.
"""

from __future__ import annotations

from bench.measure import Spread, repeat
from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.maps import flat
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
    floor: Spread = repeat(max(5, VISITS // servers), lambda: looked_up(world))
    findings[f"{name}: µs a server, floor, median"] = round(floor.ms_p50 * 1000 / servers, 2)
    findings[f"{name}: µs a server, median"] = round(spread.ms_p50 * 1000 / servers, 2)


def looked_up(world: World) -> dict[ServerId, tuple[object, object, object, object]]:
    """Look up what is known of each instance, and keep it by server."""
    assert world.registry is not None
    assert world.cloud is not None
    records, servers = flat(world.registry.value.records), flat(world.cloud.value.servers)
    kept: dict[ServerId, tuple[object, object, object, object]] = {}
    for registrations in world.registry.value.registrations.values():
        for name, entry in flat(registrations).items():
            server = ServerId(name)
            record, cloud = records[server], servers.get(server)
            status = cloud.status if cloud is not None else None
            kept[server] = (record.ready_at, record.version, status, entry.status)
    return kept

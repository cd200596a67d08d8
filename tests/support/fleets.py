"""Simulated fleets for tests: quick servers, and what must be true of a fleet that is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import MINUTE, Duration
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.errors import Unconfirmed
from hfs_appliance.runtime.control import ApplianceControl
from sim.desired import configuration
from sim.fleet import Simulation, simulate
from sim.machine import Pace
from sim.pace import ServerPace
from sim.streams import Table

T = TypeVar("T")

SOON: Final = Duration(20 * MINUTE)
QUICK: Final = Pace(building=Table.of_ms((0, 200), (1000, 900)), deleting=Table.of_ms((0, 200), (1000, 900)))
QUICK_SERVERS: Final = ServerPace(
    booting=Table.of_ms((0, 500), (1000, 2_000)),
    updates=Table.of_ms((0, 200), (1000, 900)),
    configuration=Table.of_ms((0, 200), (1000, 900)),
)
SMALL: Final[Mapping[str, Mapping[str, int]]] = {"dns": {"1.0.0": 3}, "domains": {"1.0.0": 2}}


def quick(
    seed: int,
    services: Mapping[str, Mapping[str, int]] = SMALL,
    *,
    pool_size: int = 2,
    poll: str = "1s",
    keeps_lines: bool = False,
) -> Simulation:
    """Make a small and quick world."""
    source = configuration(services, pool_size=pool_size, poll=poll)
    return Simulation(seed, source, pace=QUICK, server_pace=QUICK_SERVERS, keeps_lines=keeps_lines)


def play(
    story: Callable[[Simulation], Awaitable[T]], services: Mapping[str, Mapping[str, int]] = SMALL, *, seed: int = 1
) -> T:
    """Play a story in a small and quick world."""
    return simulate(quick(seed, services), story)


def demand_whole(sim: Simulation) -> None:
    """Demand that the truth is what is desired: every instance serves, the pool is full, nothing is left over."""
    appliance = sim.acting() or sim.now
    assert appliance is not None
    desired = appliance.plane.desired.current
    assert desired is not None
    wanted = {
        (name, version): count
        for name, service in desired.services.items()
        for version, count in service.versions.items()
    }
    found: Counter[tuple[str, str]] = Counter()
    for server in sim.servers():
        if server.assignment is not None and server.is_serving:
            found[server.assignment.service, server.assignment.version] += 1
    assert found == {key: count for key, count in wanted.items() if count}, sim.describe()
    warm = [server for server in sim.servers() if server.assignment is None]
    assert len(warm) == sum(pool.size for pool in desired.pools.values()), sim.describe()
    assert all(machine.listed.status is CloudStatus.ACTIVE for machine in sim.datacentre.machines.values())
    assert sim.records() == sorted(sim.datacentre.machines), "records and servers differ"
    slots = Counter(
        (server.assignment.service, server.assignment.version, server.assignment.slot)
        for server in sim.servers()
        if server.assignment is not None
    )
    assert not [slot for slot, holders in slots.items() if holders > 1], "two instances in one slot"
    table = appliance.place.proxy.table
    assert table is not None
    routed = {name: {m.instance for m in route.members} for name, route in table.routes.items()}
    assert routed == {
        name: {s for version in service.versions for s in sim.serving(name, version)}
        for name, service in desired.services.items()
    }


async def settled(sim: Simulation) -> None:
    """Start the control plane and let it build everything."""
    sim.start()
    await sim.converged(SOON)
    demand_whole(sim)


async def scale(control: ApplianceControl, service: str, instances: int) -> None:
    """Set a count as an operator does who confirms what that removes."""
    name = ServiceName(service)
    try:
        await control.scale(name, None, instances, "test")
    except Unconfirmed as asked:
        await control.scale(name, None, instances, "test", confirm=asked.hash)


def digest_of_a_bad_half_hour(seed: int) -> str:
    """Play half an hour in which most things go wrong, and give the journal's digest and length."""
    return play(_a_bad_half_hour, seed=seed)


async def _a_bad_half_hour(sim: Simulation) -> str:
    sim.datacentre.faults.refused_creates = sim.datacentre.faults.lost_creates = 200
    sim.ensemble.loses_answers_per_mille = 50
    sim.start()
    stream = sim.streams.named("faults")
    for _ in range(10):
        await sim.pass_time(Duration(stream.between(1, 3 * MINUTE)))
        victims = list(sim.datacentre.machines)
        match stream.below(6):
            case 0 if victims:
                sim.datacentre.kill(stream.choice(victims))
            case 1:
                sim.kill()
                sim.start()
            case 2 if victims:
                sim.server(stream.choice(victims)).crash_agent()
            case 3 if victims:
                sim.server(stream.choice(victims)).crash_service()
            case 4:
                assert sim.now is not None
                sim.ensemble.expire(sim.now.registry.link.session_id)
            case _:
                sim.ensemble.stop()
                await sim.pass_time(Duration(stream.between(1, MINUTE)))
                sim.ensemble.start()
    return f"{sim.journal.digest} {sim.journal.count}"

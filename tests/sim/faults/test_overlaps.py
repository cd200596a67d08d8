"""Faults that overlap: the world stays as the worst of them until the last one ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults import MENU
from sim.fleet import Simulation
from sim.overlaps import Overlaps, chain, tightest, union
from sim.scenario import Fault
from tests.support.fleets import play, settled


@dataclass
class Thing:
    rate: int = 5
    limit: int | None = None
    names: set[str] = field(default_factory=set)


def strike(sim: Simulation, kind: str, *, target: int = 0, amount: int = 1) -> Callable[[], None]:
    end = MENU[kind].strike(sim, Fault(kind=kind, at=Duration(0), target=target, amount=amount)).end
    assert end is not None
    return end


def test_a_value_is_held_at_the_worst_of_all_faults() -> None:
    overlaps, thing = Overlaps(), Thing()
    low = overlaps.hold(thing, "rate", 2)
    high, again = overlaps.hold(thing, "rate", 9), overlaps.hold(thing, "rate", 9)
    assert thing.rate == 9
    high()
    assert thing.rate == 9
    again()
    assert thing.rate == 5
    low()
    thing.rate = 3
    overlaps.hold(thing, "rate", 1)()
    assert thing.rate == 3, "what a thing is without faults may change between them"


def test_limits_and_sets_have_a_worst_of_their_own() -> None:
    overlaps, thing = Overlaps(), Thing()
    end = chain(
        overlaps.hold(thing, "limit", 7, tightest),
        overlaps.hold(thing, "limit", 4, tightest),
        overlaps.hold(thing, "names", {"a"}, union),
        overlaps.hold(thing, "names", {"b"}, union),
        None,
    )
    assert (thing.limit, thing.names) == (4, {"a", "b"})
    end()
    assert thing == Thing()


def test_something_is_begun_by_the_first_and_ended_by_the_last() -> None:
    overlaps, told = Overlaps(), list[str]()
    ends = [overlaps.during("x", lambda: told.append("begun"), lambda: told.append("ended")) for _ in range(2)]
    ends[0]()
    assert told == ["begun"]
    ends[1]()
    assert told == ["begun", "ended"]


def test_a_host_stays_dark_until_all_that_took_its_power_are_over() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        zone = strike(sim, "zone-dark")
        dark = [m for m in sim.datacentre.machines.values() if not m.is_running]
        rack = strike(sim, "rack-dies")
        zone()
        still = [m for m in dark if not m.is_running]
        assert {m.host.rpartition("-")[0] for m in still} == {"az1-rack0"}
        rack()
        assert all(m.is_running for m in dark)

    play(story)


def test_a_server_that_was_killed_does_not_come_back_with_its_rack() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        victim = next(iter(sim.datacentre.machines.values()))
        end = strike(sim, "zone-dark", target=int(victim.spec.az.removeprefix("az")) - 1)
        sim.datacentre.kill(victim.spec.server)
        end()
        assert not victim.is_running

    play(story)


def test_the_end_of_a_pause_does_not_mend_a_network_that_is_cut() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        cut, frozen = strike(sim, "mcp-cut"), strike(sim, "registry-frozen")
        frozen()
        await sim.pass_time(Duration(20 * SECOND))
        assert not sim.now.registry.link.is_connected
        cut()
        await sim.pass_time(Duration(20 * SECOND))
        assert sim.now.registry.link.is_connected

    play(story)


def test_a_network_stays_broken_when_the_control_plane_is_started_again() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        cut, silence = strike(sim, "mcp-cut"), strike(sim, "mcp-silent", amount=0)
        sim.restart()
        await sim.pass_time(MINUTE)
        cut()
        await sim.pass_time(MINUTE)
        assert sim.now is not None
        assert not sim.now.registry.link.is_connected
        silence()
        await sim.pass_time(MINUTE)
        assert sim.now.registry.link.is_connected

    play(story)


def test_a_control_plane_that_is_killed_twice_is_started_once_all_is_over() -> None:
    async def story(sim: Simulation) -> None:
        await settled(sim)
        assert sim.now is not None
        first, second = strike(sim, "mcp-killed"), strike(sim, "mcp-killed")
        first()
        assert not sim.now.is_alive
        second()
        assert sim.now.is_alive

    play(story)

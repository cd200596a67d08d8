"""The balancer publisher in whole control planes: three appliances, their proxies, one load balancer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hfs_appliance.cli import render
from hfs_appliance.model.balancer import BalancerState, Place, member_set
from hfs_appliance.model.balancer_events import BalancerChanged, BalancerRefused
from hfs_appliance.model.events import Event
from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.desired import configuration
from sim.fleet import Simulation, simulate
from tests.support.fleets import QUICK, QUICK_SERVERS, SMALL, SOON

T = TypeVar("T")
A, B, C = (Place(f"10.255.0.{number}", 8080) for number in (1, 2, 3))
ALL = member_set({A: 1, B: 1, C: 1})
A_WHILE = Duration(3 * MINUTE)


def play(story: Callable[[Simulation], Awaitable[T]], *, seed: int = 1, appliances: int = 3) -> T:
    async def told(sim: Simulation) -> T:
        for number in range(1, appliances + 1):
            sim.start(f"mcp-{number}")
        await sim.converged(SOON)
        return await story(sim)

    source = configuration(SMALL, poll="1s", balancer=True)
    return simulate(Simulation(seed, source, pace=QUICK, server_pace=QUICK_SERVERS), told)


def heard(sim: Simulation) -> list[Event]:
    events: list[Event] = []
    sim.bus.subscribe("test", lambda recorded: events.append(recorded.event))
    return events


def rules(sim: Simulation) -> list[str]:
    acting = sim.acting()
    assert acting is not None
    return [hold.rule for hold in acting.control.status().holds]


def lose(sim: Simulation, name: str) -> None:
    """Lose an appliance with its host."""
    sim.kill(name)
    sim.places[name].proxy.die()


def test_it_is_made_with_the_proxies_of_all_appliances() -> None:
    async def story(sim: Simulation) -> None:
        await sim.pass_time(Duration(MINUTE))
        assert (sim.octavia.state, sim.octavia.members) == (BalancerState.ACTIVE, ALL)

    play(story)


def test_nothing_is_asked_of_it_while_nothing_changes() -> None:
    async def story(sim: Simulation) -> None:
        await sim.pass_time(Duration(MINUTE))
        told = sim.journal.count
        await sim.pass_time(Duration(10 * MINUTE))
        assert sim.journal.count == told

    play(story)


def test_a_dead_proxy_is_drained_and_taken_out_and_comes_back() -> None:
    async def story(sim: Simulation) -> None:
        events = heard(sim)
        lose(sim, "mcp-3")
        await sim.pass_time(seconds(45))
        assert sim.octavia.members == member_set({A: 1, B: 1, C: 0})
        await sim.pass_time(seconds(45))
        assert sim.octavia.members == member_set({A: 1, B: 1})
        sim.start("mcp-3")
        await sim.pass_time(seconds(45))
        assert sim.octavia.members == ALL
        words = [event.words for event in events if isinstance(event, BalancerChanged)]
        assert words == [f"{C} gets no new connections", f"{C} leaves", f"{C} joins"]

    play(story)


def test_whoever_leads_next_goes_on() -> None:
    async def story(sim: Simulation) -> None:
        leader = sim.acting()
        assert leader is not None
        lose(sim, leader.place.name)
        await sim.pass_time(A_WHILE)
        assert sim.octavia.members == tuple(member for member in ALL if member.place != leader.place.at)

    play(story)


def test_a_proxy_whose_appliance_died_serves_on_while_it_must() -> None:
    async def story(sim: Simulation) -> None:
        for name in ("mcp-2", "mcp-3"):
            sim.kill(name)
        await sim.pass_time(A_WHILE)
        weights = dict(sim.octavia.members)
        assert sum(weights.values()) == 2
        assert "balancer-half" in rules(sim)

    play(story)


def test_a_stuck_one_is_waited_for_and_told_of() -> None:
    async def story(sim: Simulation) -> None:
        sim.octavia.stick()
        lose(sim, "mcp-3")
        await sim.pass_time(A_WHILE)
        assert sim.octavia.state is BalancerState.PENDING
        assert "balancer-pending" in rules(sim)
        assert not sim.is_converged()
        sim.octavia.go_on()
        await sim.pass_time(A_WHILE)
        assert sim.octavia.members == member_set({A: 1, B: 1})
        assert not rules(sim)

    play(story)


def test_the_status_tells_of_each_proxy() -> None:
    async def story(sim: Simulation) -> None:
        lose(sim, "mcp-3")
        await sim.pass_time(seconds(45))
        acting = sim.acting()
        assert acting is not None
        found = acting.control.status().balancer
        assert found is not None
        assert (found.name, found.address, found.state) == ("hfs-sim", "198.51.100.1", "active")
        assert [(each.place, each.weight, each.rule) for each in found.proxies] == [
            (str(A), 1, "serves"),
            (str(B), 1, "serves"),
            (str(C), 0, "dead"),
        ]
        lines = [text.plain for text in render.balancer(acting.control.status())]
        assert lines == [
            "balancer  hfs-sim 198.51.100.1  active  2 of 3 proxies get requests",
            f"  {C}: nobody hears of it, and it does not answer",
        ]

    play(story)


def test_one_in_error_is_left_alone_until_somebody_has_mended_it() -> None:
    async def story(sim: Simulation) -> None:
        sim.octavia.faults.breaks = True
        lose(sim, "mcp-3")
        await sim.pass_time(A_WHILE)
        assert sim.octavia.state is BalancerState.ERROR
        assert "balancer-error" in rules(sim)
        sim.octavia.faults.breaks = False
        sim.octavia.mend()
        await sim.pass_time(A_WHILE)
        assert sim.octavia.members == member_set({A: 1, B: 1})

    play(story)


def test_a_change_that_is_forgotten_is_asked_for_again_ever_more_rarely() -> None:
    async def story(sim: Simulation) -> None:
        events = heard(sim)
        sim.octavia.faults.forgotten = 1000
        lose(sim, "mcp-3")
        await sim.pass_time(Duration(10 * MINUTE))
        refused = [event.words for event in events if isinstance(event, BalancerRefused)]
        assert refused == ["what was accepted is not in force"]
        sim.octavia.faults.forgotten = 0
        await sim.pass_time(A_WHILE)
        assert sim.octavia.members == member_set({A: 1, B: 1})

    play(story)


def test_what_a_late_creation_has_made_goes() -> None:
    async def story(sim: Simulation) -> None:
        events = heard(sim)
        sim.octavia.spares = 1
        await sim.pass_time(A_WHILE)
        assert (sim.octavia.spares, sim.octavia.members) == (0, ALL)
        words = [event.words for event in events if isinstance(event, BalancerChanged)]
        assert words == ["1 more of that name, from creations that came late, are being removed"]

    play(story)


def test_while_the_one_that_counts_has_failed_the_others_stay() -> None:
    async def story(sim: Simulation) -> None:
        sim.octavia.spares = 1
        sim.octavia.state = BalancerState.ERROR
        await sim.pass_time(A_WHILE)
        assert sim.octavia.spares == 1
        assert not sim.is_converged()

    play(story)


def test_what_somebody_changes_by_hand_is_put_right() -> None:
    async def story(sim: Simulation) -> None:
        sim.octavia.edit(member_set({A: 0, Place("10.9.9.9", 80): 1}))
        await sim.pass_time(seconds(30))
        assert dict(sim.octavia.members).items() >= dict(ALL).items()
        await sim.pass_time(A_WHILE)
        assert sim.octavia.members == ALL
        sim.octavia.lose()
        await sim.pass_time(A_WHILE)
        assert (sim.octavia.state, sim.octavia.members) == (BalancerState.ACTIVE, ALL)

    play(story)


def test_a_proxy_that_cannot_be_started_gets_no_requests_and_is_forgotten_when_it_can() -> None:
    async def story(sim: Simulation) -> None:
        sim.proxy.cannot_start = True
        sim.proxy.die()
        await sim.pass_time(seconds(30))
        assert dict(sim.octavia.members)[A] == 0
        assert "routes-refused" in [hold.rule for hold in sim.appliances["mcp-1"].plane.endpoint_holds()]
        sim.proxy.cannot_start = False
        await sim.pass_time(seconds(30))
        assert sim.octavia.members == ALL
        assert not sim.appliances["mcp-1"].plane.endpoint_holds()

    play(story)


def test_it_ends_with_the_environment() -> None:
    async def story(sim: Simulation) -> None:
        leader = sim.acting()
        assert leader is not None
        await leader.control.down()
        await leader.plane.wait_closed()
        assert sim.octavia.state is BalancerState.ABSENT

    play(story)

"""A fleet and its traffic: who is routed gets it, who is overrun looks dead to its agent, and all of it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration, Instant, seconds, to_seconds
from hfs_appliance.model.load import Measured, added
from hfs_appliance.ports.errors import Transient
from hfs_appliance.proxy.table import Member, Route, RouteTable
from hfs_appliance.registry.paths import Layout as Paths
from sim.clock import EPOCH
from sim.desired import configuration
from sim.fleet import Simulation
from sim.play import play
from sim.scenario import Fault, Layout, Scenario, Shape, Traffic
from sim.standing import let_stand
from sim.traffic import curves
from sim.traffic.facts import TrafficFlowed
from sim.traffic.flows import Surge
from sim.traffic.source import SimLoad
from sim.truth import DemandChanged, Fact, ProxyStarted, ProxyStopped, RoutesServed

DNS = ServiceName("dns")
BUSY = Traffic(base=600)
"""Six tenths of what ten instances can do."""


class World:
    """Ten instances of one service and their traffic, without a control plane."""

    def __init__(self, traffic: Traffic = BUSY) -> None:
        self.sim = Simulation(1, configuration({"dns": {"1.0.0": 10}}, pool_size=0))
        let_stand(self.sim)
        self.facts: list[tuple[Instant, Fact]] = []
        self.sim.truth.listen(lambda now, fact: self.facts.append((now, fact)), (TrafficFlowed, DemandChanged))
        self.instances = list(self.sim.servers())
        self.wait(seconds(10))
        self.sim.flows.begin(traffic, self.table())
        self.wait(Duration(MINUTE))

    def table(self, leaving_out: int = 0) -> RouteTable:
        members = tuple(
            Member(
                address=server.machine.listed.address,
                port=9000,
                version=Version("1.0.0"),
                instance=server.machine.spec.server,
            )
            for server in self.instances[leaving_out:]
        )
        return RouteTable(
            address="127.0.0.1",
            port=80,
            connect_timeout=SECOND,
            response_timeout=seconds(30),
            routes={DNS: Route(service=DNS, base_path="/", members=members)},
        )

    def route(self, leaving_out: int = 0) -> None:
        self.sim.truth.tell(RoutesServed(table=self.table(leaving_out)))

    def wait(self, span: Duration) -> None:
        until = to_seconds(Duration(self.sim.clock.now() + span - EPOCH))
        while self.sim.clock.current_time() < until:
            self.sim.clock.deadline_to_sleep_time(until)

    def lost_within(self, span: Duration) -> tuple[int, int]:
        """Give how many requests came within a span from now on, and how many of them were lost."""
        self.sim.flows.finish()
        self.facts.clear()
        self.wait(span)
        self.sim.flows.finish()
        flowed = [fact for _, fact in self.facts if isinstance(fact, TrafficFlowed)]
        return sum(fact.asked for fact in flowed) // 10**6, sum(fact.lost for fact in flowed) // 10**6

    def registered(self) -> int:
        paths = Paths(self.instances[0].machine.spec.environment)
        return len(self.sim.ensemble.core.tree.znodes[f"{paths.services}/dns"].children)


def test_what_is_asked_of_a_fleet_that_is_well_is_answered() -> None:
    world = World()
    assert world.lost_within(Duration(HOUR)) == (600 * 3600, 0)


def test_dead_members_are_passed_over_at_no_loss() -> None:
    world = World()
    world.sim.datacentre.kill(world.instances[3].machine.spec.server)
    world.instances[4].crash_service()
    assert world.lost_within(seconds(10)) == (6_000, 0)


def test_a_member_that_hangs_loses_its_share_until_it_was_waited_for_once() -> None:
    world = World()
    world.instances[0].hang_service()
    assert world.lost_within(seconds(30)) == (18_000, 1_800)
    assert world.lost_within(seconds(30)) == (18_000, 0)


def test_errors_of_an_instance_reach_clients() -> None:
    world = World()
    world.instances[0].errors = 500
    world.sim.flows.look_again(world.instances[0].machine.spec.server)
    assert world.lost_within(seconds(10)) == (6_000, 300)


def test_a_version_that_errs_is_known_by_its_name() -> None:
    world = World()
    world.sim.service_faults.erring_versions[Version("1.0.0")] = 50
    world.sim.flows.look_again()
    assert world.lost_within(seconds(10)) == (6_000, 300)


def test_without_a_proxy_everything_is_lost() -> None:
    world = World()
    world.sim.truth.tell(ProxyStopped())
    assert world.lost_within(seconds(10)) == (6_000, 6_000)
    world.sim.truth.tell(ProxyStarted())
    assert world.lost_within(seconds(10)) == (6_000, 0)


def test_routes_say_who_has_the_traffic() -> None:
    world = World()
    world.route(leaving_out=5)
    asked, lost = world.lost_within(seconds(10))
    assert (asked, lost > 0) == (6_000, True)
    world.route(leaving_out=3)
    assert world.lost_within(seconds(10)) == (6_000, 0)


def test_overload_looks_like_death_to_agents_and_passes() -> None:
    world = World()
    surge = Surge(DNS, curves.flat(3_000))
    world.sim.flows.add(surge)
    world.wait(seconds(5))
    assert world.registered() == 10  # too few probes have failed
    world.wait(seconds(10))
    assert world.registered() == 0
    assert all(server.is_serving for server in world.instances)
    world.sim.flows.subside(surge)
    world.wait(Duration(2 * MINUTE))
    assert world.registered() == 10


def test_an_overrun_member_that_leaves_the_routes_finds_time_for_its_agent() -> None:
    world = World()
    world.sim.flows.add(Surge(None, curves.flat(3_000)))
    world.wait(seconds(15))
    world.route(leaving_out=2)
    world.wait(seconds(5))
    assert world.registered() == 2


def test_a_crowd_is_told_as_demand() -> None:
    world = World()
    world.facts.clear()
    world.sim.flows.add(Surge(DNS, curves.flash(world.sim.clock.now(), 4_000)))
    world.wait(Duration(2 * MINUTE))
    told = [fact.instances for _, fact in world.facts if isinstance(fact, DemandChanged)]
    assert told == sorted(told)
    assert told[-1] == 30  # 2,400 requests a second, 80 for each


def test_a_retry_storm_outlives_its_cause() -> None:
    def lost_after(retries: int) -> int:
        world = World(replace(BUSY, base=900, retries=retries))
        surge = Surge(DNS, curves.flat(2_000))
        world.sim.flows.add(surge)
        world.wait(Duration(MINUTE))
        world.sim.flows.remove(surge)
        world.wait(Duration(5 * MINUTE))
        return world.lost_within(Duration(MINUTE))[1]

    assert lost_after(0) == 0
    assert lost_after(3) > 0


def test_a_service_that_is_no_longer_routed_has_no_traffic() -> None:
    world = World()
    world.sim.flows.add(Surge(DNS, curves.flat(3_000)))
    world.wait(seconds(15))
    world.sim.truth.tell(RoutesServed(table=replace(world.table(), routes={})))
    assert world.lost_within(Duration(HOUR)) == (0, 0)
    assert world.registered() == 10


@pytest.mark.parametrize("names", [("dns", "domains", "mail"), ("mail", "dns", "domains")])
def test_which_service_gets_which_curve_does_not_hang_on_the_order_of_a_table(names: tuple[str, ...]) -> None:
    world = World()
    table = world.table()
    routes = {ServiceName(name): replace(table.routes[DNS], service=ServiceName(name), members=()) for name in names}
    world.sim.truth.tell(RoutesServed(table=replace(table, routes=routes)))
    assert list(world.sim.flows.flows) == ["dns", "domains", "mail"]


def test_a_hot_instance_is_overrun() -> None:
    world = World()
    flow = world.sim.flows.nth(7)
    assert flow is not None
    end = world.sim.flows.stick(flow, world.instances[2].machine.spec.server, 500)
    assert world.lost_within(seconds(10))[1] > 0
    end()
    assert world.lost_within(seconds(10)) == (6_000, 0)


STORY = Scenario(
    name="crowds",
    words="everything that clients can do, to a fleet that has room for it",
    lasts=Duration(30 * MINUTE),
    layout=Layout(servers=12, per_service=6),
    traffic=Traffic(shape=Shape.DAILY, base=20, peak=50, period=HOUR, apart=Duration(10 * MINUTE)),
    faults=tuple(
        Fault(kind=kind, at=Duration((2 + number) * MINUTE), lasts=Duration(2 * MINUTE), target=number, amount=2)
        for number, kind in enumerate(
            (
                "flash-crowd", "everybody-comes", "slow-ramp", "square-wave", "drop-to-zero", "hot-instance",
                "retry-storm", "slow-instance", "wrong-answers",
            )
        )
    ),
)  # fmt: skip


def test_faults_of_load_are_a_function_of_the_seed_and_harm_nothing() -> None:
    first, again = play(STORY, 1), play(STORY, 1)
    assert replace(first, cpu_seconds=0) == replace(again, cpu_seconds=0)
    assert first.violations == ()
    assert first.destroyed == {}
    assert first.requests.asked > 50_000
    assert 0 < first.requests.lost_ppm < 1_000  # what one instance answered wrongly
    assert 20 <= first.requests.latency_p95_ms < 200


@pytest.mark.parametrize("kind", ["flash-crowd", "hot-instance", "slow-instance"])
def test_without_traffic_nobody_is_hurt(kind: str) -> None:
    fault = Fault(kind=kind, at=Duration(MINUTE), lasts=Duration(MINUTE), amount=5)
    quiet = replace(STORY, traffic=Traffic(), lasts=Duration(3 * MINUTE), layout=Layout(servers=2), faults=(fault,))
    outcome = play(quiet, 1)
    assert outcome.violations == ()
    assert outcome.requests.asked == 0


async def counted(load: SimLoad) -> Measured:
    reading = await load.read()
    return added(reading.services.get(DNS, {}).values())


@pytest.mark.parametrize("fault", ["none", "missing", "frozen", "wrong"])
async def test_a_proxy_counts_what_it_served(fault: str) -> None:
    world = World()
    faults = world.sim.load_faults
    load, another = (SimLoad(world.sim.clock, world.sim.flows, faults) for _ in range(2))
    await load.skip()
    await another.skip()
    world.wait(seconds(10))
    first = await counted(load)
    assert (first.requests, first.errors) == (6_000, 0)
    assert first.busy_us // first.requests >= 20_000
    assert 60_000 <= first.percentile_us(95) <= 150_000
    world.instances[0].errors = 500
    world.sim.flows.look_again()
    faults.is_missing, faults.is_frozen = fault == "missing", fault == "frozen"
    faults.factor = 100 if fault == "wrong" else 1000
    world.wait(seconds(10))
    match fault:
        case "missing":
            with pytest.raises(Transient):
                await load.read()
        case "frozen":
            assert await counted(load) == first
        case "wrong":
            assert (await counted(load)).requests == 600
        case _:
            assert (await counted(load)).errors == 300
            assert (await counted(another)).requests == 12_000


async def test_requests_that_are_few_are_counted_when_there_is_a_whole_one() -> None:
    world = World(Traffic(base=1))
    load = SimLoad(world.sim.clock, world.sim.flows, world.sim.load_faults)
    await load.skip()
    requests = 0
    for _ in range(40):
        world.wait(Duration(SECOND // 4))
        requests += (await counted(load)).requests
    assert requests == 10

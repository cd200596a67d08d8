"""Properties of `decide` over drawn fleets, faults and changes of mind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hfs_appliance.mcp.decide import decide
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Adopt, Claim, Create, Delete, Drain, Forget, Plan
from hfs_appliance.model.world import World
from sim.worlds import Fleet, desired

COUNTS = st.dictionaries(
    st.sampled_from(["certificates", "dns", "domains"]),
    st.dictionaries(st.sampled_from(["1", "2"]), st.integers(0, 4), min_size=1),
    max_size=3,
)
K = TypeVar("K")
V = TypeVar("V")
SPANS = st.sampled_from([Duration(0), SECOND, Duration(7 * SECOND), Duration(6 * MINUTE)])
DESTRUCTIVE = (Delete, Drain, Forget)


class FleetMachine(RuleBasedStateMachine):
    """A fleet under faults; between them it may rest, and then must come to the desired state and stay there."""

    fleet: Fleet
    max_servers: int

    @initialize(counts=COUNTS, pool_size=st.integers(0, 3))
    def begin(self, counts: Mapping[str, Mapping[str, int]], pool_size: int) -> None:
        self.max_servers = 40
        self.taken: dict[ServerId, Instant] = {}
        self.fleet = Fleet(desired=desired(counts, pool_size=pool_size, max_servers=self.max_servers))

    @rule(span=SPANS)
    def pass_time(self, span: Duration) -> None:
        before = self.fleet.world()
        plan = self.fleet.step(span)
        self.check_plan(before, plan)
        self.check_budget(before, plan)

    @rule(counts=COUNTS, pool_size=st.integers(0, 3))
    def change_desired(self, counts: Mapping[str, Mapping[str, int]], pool_size: int) -> None:
        self.fleet.desired = desired(counts, pool_size=pool_size, max_servers=self.max_servers)

    @precondition(lambda self: self.fleet.cloud)
    @rule(index=st.integers(0, 100), fault=st.sampled_from(["kill", "unregister", "stop", "vanish", "lose-record"]))
    def break_server(self, index: int, fault: str) -> None:
        fleet = self.fleet
        # Targets are indexes modulo the live set, so that shrunk plans stay valid.
        server = sorted(fleet.cloud)[index % len(fleet.cloud)]
        if fault == "kill":
            fleet.kill(server)
        elif fault == "unregister":
            fleet.unregister(server)
        elif fault == "stop":
            fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.STOPPED)
        elif fault == "vanish":
            fleet.unregister(server)
            del fleet.cloud[server]
        elif server in fleet.records and fleet.records[server].service is None:
            del fleet.records[server]

    @rule()
    def blindness(self) -> None:
        world = self.fleet.world()
        assert world.registry is not None
        assert world.cloud is not None
        old = Instant(world.now - 10 * MINUTE)
        for blind in (
            replace(world, registry=None),
            replace(world, cloud=None),
            replace(world, registry=replace(world.registry, observed_at=old)),
            replace(world, cloud=replace(world.cloud, observed_at=old)),
            replace(world, cloud=replace(world.cloud, value=replace(world.cloud.value, is_complete=False))),
        ):
            assert not [action for action in decide(blind).actions if isinstance(action, DESTRUCTIVE)]

    @rule()
    def order_is_irrelevant(self) -> None:
        world = self.fleet.world()
        assert decide(world) == decide(world) == decide(reordered(world))

    @rule()
    def rest(self) -> None:
        """Faults stop: the fleet converges, and then nothing more happens."""
        fleet = self.fleet
        wanted = sum(n for service in fleet.desired.services.values() for n in service.versions.values())
        pools = sum(pool.size for pool in fleet.desired.pools.values())
        assert wanted + pools <= self.max_servers
        fleet.settle(limit=400, span=Duration(30 * SECOND))
        for service in fleet.desired.services.values():
            for version, n in service.versions.items():
                assert len(fleet.serving(service.name, version)) == n
        assert len(fleet.cloud) == wanted + pools
        assert fleet.records.keys() == fleet.cloud.keys()
        for _ in range(10):
            assert fleet.step(MINUTE).actions == ()

    def check_budget(self, world: World, plan: Plan) -> None:
        """S10: within one window no more servers are taken away than the budget allows, for whatever cause."""
        assert world.desired is not None
        assert world.cloud is not None
        limit = world.desired.guard.destroy_budget
        for action in plan.actions:
            if isinstance(action, Delete | Drain) and action.server in world.cloud.value.servers:
                self.taken.setdefault(action.server, world.now)
        lately = [server for server, at in self.taken.items() if world.now < after(at, limit.window)]
        assert len(lately) <= max(limit.min, limit.tokens(self.max_servers))

    @invariant()
    def servers_stay_within_the_limit(self) -> None:
        assert len(self.fleet.cloud) <= self.max_servers

    def check_plan(self, world: World, plan: Plan) -> None:
        """One action a server at most; nothing that serves is taken below its count by our own hand."""
        touched = [action.server for action in plan.actions]
        assert len(touched) == len(set(touched))
        assert world.desired is not None
        for name, service in world.desired.services.items():
            for version, n in service.versions.items():
                serving = serving_in(plan, world, name, version)
                leaving = {a.server for a in plan.actions if isinstance(a, Delete | Drain)} & serving
                assert not leaving or len(serving - leaving) >= n
        claimed = [a for a in plan.actions if isinstance(a, Claim)]
        created = {a.server for a in plan.actions if isinstance(a, Create) and not a.is_retry}
        assert world.registry is not None
        assert not created & world.registry.value.records.keys()
        for claim in claimed:
            assert claim.server in world.registry.value.pool
        for action in plan.actions:
            assert action.reason.words
            if isinstance(action, Adopt):
                assert action.server not in world.registry.value.records


def serving_in(plan: Plan, world: World, service: ServiceName, version: Version) -> set[ServerId]:
    assert world.registry is not None
    records = world.registry.value.records
    return {
        server
        for server, verdict in plan.verdicts.items()
        if verdict.phase == "serving" and records[server].service == service and records[server].version == version
    }


def reordered(world: World) -> World:
    """The same World with every mapping built in the opposite order."""
    assert world.registry is not None
    assert world.cloud is not None
    assert world.desired is not None
    view = world.registry.value
    flipped = replace(
        view,
        records=backwards(view.records),
        pool=backwards(view.pool),
        registrations={name: backwards(entries) for name, entries in backwards(view.registrations).items()},
        departed=backwards(view.departed),
    )
    services = {
        name: replace(service, versions=backwards(service.versions))
        for name, service in backwards(world.desired.services).items()
    }
    return replace(
        world,
        desired=replace(world.desired, services=services, pools=backwards(world.desired.pools)),
        registry=replace(world.registry, value=flipped),
        cloud=replace(world.cloud, value=replace(world.cloud.value, servers=backwards(world.cloud.value.servers))),
    )


def backwards(mapping: Mapping[K, V]) -> dict[K, V]:
    return dict(reversed(list(mapping.items())))


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(counts=COUNTS, hours=st.integers(1, 1000))
@settings(max_examples=40, deadline=None)
def test_time_shifts_change_nothing_but_instants(counts: Mapping[str, Mapping[str, int]], hours: int) -> None:
    early, late = Fleet(desired=desired(counts)), Fleet(desired=desired(counts))
    late.now = after(late.now, Duration(hours * 60 * MINUTE))
    for _ in range(6):
        a, b = early.step(), late.step()
        assert [(type(x), x.server) for x in a.actions] == [(type(x), x.server) for x in b.actions]
        assert {s: (v.phase, v.rule) for s, v in a.verdicts.items()} == {
            s: (v.phase, v.rule) for s, v in b.verdicts.items()
        }

"""A Decider that has seen other Worlds before decides as one that has not: Plan for Plan, whatever happened between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hfs_appliance.mcp.decide import Decider, decide
from hfs_appliance.model.guard import Quarantine
from hfs_appliance.model.ids import AvailabilityZone, Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Failure, Ledger, Token
from hfs_appliance.model.observed import CloudStatus, InstanceStatus, PoolEntry, Registration
from hfs_appliance.model.orders import Approval, Orders, Restraint
from hfs_appliance.model.plan import Action
from hfs_appliance.model.probes import Answer, Probe, Pulse
from hfs_appliance.model.world import World
from sim.worlds import SMALL, ZONES, Fleet, desired, follow

K = TypeVar("K", bound=str)

COUNTS = st.dictionaries(
    st.sampled_from(["certificates", "dns", "domains"]),
    st.dictionaries(st.sampled_from(["1", "2"]), st.integers(0, 4), min_size=1),
    max_size=3,
)
SPANS = st.sampled_from([0, 1, SECOND, 5 * SECOND, 16 * SECOND, MINUTE, 6 * MINUTE, 11 * MINUTE])
INDEX = st.integers(0, 100)


class IncrementalMachine(RuleBasedStateMachine):
    """One Decider follows a fleet to which everything happens that a World can show."""

    fleet: Fleet

    @initialize(counts=COUNTS, pool_size=st.integers(0, 3))
    def begin(self, counts: Mapping[str, Mapping[str, int]], pool_size: int) -> None:
        self.fleet = Fleet(desired=desired(counts, pool_size=pool_size, max_servers=40))
        self.decider = Decider()
        self.in_flight: dict[ServerId, Action] = {}
        self.failures: tuple[Failure, ...] = ()
        self.probes: Mapping[ServerId, Probe] = {}
        self.orders = Orders()
        self.registry_age = self.cloud_age = Duration(0)
        self.is_complete, self.is_closing, self.has_cloud = True, False, True
        self.believed_at = Instant(0)
        self.shown: World | None = None

    def world(self) -> World:
        """Show the fleet as far as it can be seen now."""
        world = self.fleet.world()
        assert world.registry is not None
        assert world.cloud is not None
        view = replace(world.registry.value, removals_believed_at=self.believed_at)
        listed = replace(world.cloud.value, is_complete=self.is_complete)
        cloud = replace(world.cloud, value=listed, observed_at=Instant(world.now - self.cloud_age))
        return replace(
            world,
            registry=replace(world.registry, value=view, observed_at=Instant(world.now - self.registry_age)),
            cloud=cloud if self.has_cloud else None,
            in_flight=follow(self.shown.in_flight if self.shown is not None else {}, self.in_flight),
            probes=self.probes,
            orders=self.orders,
            failures=self.failures,
            is_closing=self.is_closing,
        )

    @invariant()
    def decides_as_anew(self) -> None:
        if not hasattr(self, "decider"):
            return
        world = self.world()
        assert self.decider.decide(world) == decide(world)
        self.shown, self.failures = world, ()

    @rule(span=SPANS)
    def pass_time(self, span: int) -> None:
        self.fleet.now = after(self.fleet.now, Duration(span))

    @rule(span=SPANS)
    def carry_out(self, span: int) -> None:
        self.fleet.step(Duration(span))

    @rule(indexes=st.lists(INDEX, max_size=4))
    def start_actions(self, indexes: list[int]) -> None:
        """Some actions of the plan are under way, and none of the former ones."""
        actions = decide(replace(self.world(), in_flight={})).actions
        chosen = [actions[index % len(actions)] for index in indexes] if actions else []
        self.in_flight = {action.server: action for action in chosen}

    @rule()
    def end_actions(self) -> None:
        self.in_flight = {}

    @precondition(lambda self: self.fleet.rollouts or self.fleet.traffic)
    @rule(index=INDEX, change=st.sampled_from(["state lost", "entry lost", "proxy lags"]))
    def change_rollout(self, index: int, change: str) -> None:
        fleet = self.fleet
        if change == "proxy lags":
            fleet.proxy = replace(fleet.proxy, epochs={})
        elif change == "state lost" and fleet.rollouts:
            del fleet.rollouts[_pick(fleet.rollouts, index)]
        elif change == "entry lost" and fleet.traffic:
            del fleet.traffic[_pick(fleet.traffic, index)]

    @rule(counts=COUNTS, pool_size=st.integers(0, 3))
    def change_desired(self, counts: Mapping[str, Mapping[str, int]], pool_size: int) -> None:
        self.fleet.desired = desired(counts, pool_size=pool_size, max_servers=40)

    @precondition(lambda self: self.fleet.desired.services)
    @rule(grace=st.sampled_from([SECOND, 30 * SECOND]))
    def change_terms(self, grace: int) -> None:
        """A duration that the rules read changes, and no count."""
        name, service = min(self.fleet.desired.services.items())
        services = {**self.fleet.desired.services, name: replace(service, suspect_grace=Duration(grace))}
        self.fleet.desired = replace(self.fleet.desired, services=services)

    @precondition(lambda self: self.fleet.cloud)
    @rule(index=INDEX, status=st.sampled_from([*CloudStatus, None]))
    def change_cloud(self, index: int, status: CloudStatus | None) -> None:
        server = _pick(self.fleet.cloud, index)
        if status is None:
            del self.fleet.cloud[server]
        else:
            self.fleet.cloud[server] = replace(self.fleet.cloud[server], status=status)

    @precondition(lambda self: self.fleet.records)
    @rule(index=INDEX, change=st.sampled_from(["lost", "unready", "drained", "deleted", "roleless", "other nonce"]))
    def change_record(self, index: int, change: str) -> None:
        server, now = _pick(self.fleet.records, index), self.fleet.now
        record = self.fleet.records[server]
        match change:
            case "lost":
                del self.fleet.records[server]
                return
            case "unready":
                record = replace(record, ready_at=None)
            case "drained":
                record = replace(record, drain_at=now, leave_cause="scale-in")
            case "deleted":
                record = replace(record, delete_at=now, leave_cause="scale-in")
            case "roleless":
                record = replace(record, service=None, version=None, slot=None, assigned_at=None)
            case _:
                record = replace(record, nonce=_other(record.nonce))
        self.fleet.records[server] = record

    @precondition(lambda self: self.fleet.records)
    @rule(index=INDEX, change=st.sampled_from(["gone", "draining", "other version", "elsewhere", "in the pool"]))
    def change_registration(self, index: int, change: str) -> None:
        fleet, server = self.fleet, _pick(self.fleet.records, index)
        if change == "gone":
            fleet.unregister(server)
            return
        record = fleet.records[server]
        if change == "in the pool":
            fleet.pool[server] = PoolEntry(server=server, nonce=record.nonce, pool=SMALL, address="10.0.0.1")
            return
        service = ServiceName("dns") if change == "elsewhere" or record.service is None else record.service
        fleet.registrations.setdefault(service, {})[server] = Registration(
            service=service,
            instance=server,
            version=Version("9") if change == "other version" else record.version or Version("1"),
            address="10.0.0.1",
            port=8000,
            status=InstanceStatus.DRAINING if change == "draining" else InstanceStatus.UP,
            server=server,
            nonce=record.nonce,
        )

    @precondition(lambda self: self.fleet.records)
    @rule(index=INDEX, pulse=st.sampled_from(Pulse), count=st.integers(0, 5))
    def answer_a_probe(self, index: int, pulse: Pulse, count: int) -> None:
        probe = Probe(answer=Answer(pulse=pulse, words=""), at=self.fleet.now, failures=count, darks=count)
        self.probes = {**self.probes, _pick(self.fleet.records, index): probe}

    @rule(zones=st.sampled_from([ZONES[:1], ZONES]))
    def lose_zones(self, zones: tuple[AvailabilityZone, ...]) -> None:
        for server, record in self.fleet.records.items():
            if record.az in zones:
                self.fleet.unregister(server)

    @rule(scope=st.sampled_from(["environment", "service/dns", "pool/small", None]))
    def give_orders(self, scope: str | None) -> None:
        order = Restraint(reason="look", author="eva", at=self.fleet.now)
        approval = Approval(rule="storm", author="eva", at=self.fleet.now)
        self.orders = (
            Orders(restraints={scope: order}) if scope is not None else Orders(approvals={"environment": (approval,)})
        )

    @rule()
    def forget_the_probes(self) -> None:
        self.probes = {}

    @rule(index=INDEX)
    def announce_a_stranger(self, index: int) -> None:
        """An entry of the pool of which nobody else knows."""
        server = ServerId(f"small-{900 + index}")
        self.fleet.pool[server] = PoolEntry(server=server, nonce=_other(""), pool=SMALL, address="10.9.9.9")

    @rule(registry_s=st.sampled_from([0, 3, 60]), cloud_s=st.sampled_from([0, 10, 600]), is_complete=st.booleans())
    def change_sight(self, registry_s: int, cloud_s: int, *, is_complete: bool) -> None:
        self.registry_age, self.cloud_age = Duration(registry_s * SECOND), Duration(cloud_s * SECOND)
        self.is_complete = is_complete

    @rule(has_cloud=st.booleans(), grace_s=st.sampled_from([0, 9]), is_closing=st.booleans())
    def change_circumstances(self, *, has_cloud: bool, grace_s: int, is_closing: bool) -> None:
        self.has_cloud, self.is_closing = has_cloud, is_closing
        self.believed_at = after(self.fleet.now, Duration(grace_s * SECOND))

    @rule(most=st.integers(0, 2))
    def keep_failures(self, most: int) -> None:
        guard = replace(self.fleet.desired.guard, quarantine=Quarantine(max=most))
        self.fleet.desired = replace(self.fleet.desired, guard=guard)

    @rule(serial=st.integers(1, 60))
    def lose_the_ledger(self, serial: int) -> None:
        self.fleet.ledger = Ledger(next_serial=serial)

    @precondition(lambda self: self.fleet.records)
    @rule(index=INDEX, age=SPANS)
    def spend_a_token(self, index: int, age: int) -> None:
        token = Token(at=Instant(self.fleet.now - age), scope="service/dns", cause="scale-in")
        tokens = {**self.fleet.ledger.tokens, _pick(self.fleet.records, index): token}
        self.fleet.ledger = replace(self.fleet.ledger, tokens=tokens)

    @rule()
    def refuse_a_creation(self) -> None:
        self.failures = (refused(self.fleet.now, is_exhausted=False),)

    @rule()
    def exhaust_the_quota(self) -> None:
        self.failures = (refused(self.fleet.now, is_exhausted=True),) * 2


def refused(now: Instant, *, is_exhausted: bool) -> Failure:
    return Failure(
        server=ServerId("small-0001"), pool=SMALL, az=ZONES[0], words="no", begun_at=now, is_exhausted=is_exhausted
    )


def _pick(known: Mapping[K, object], index: int) -> K:
    # Targets are indexes modulo the live set, so that shrunk stories stay valid.
    return sorted(known)[index % len(known)]


def _other(nonce: str) -> Nonce:
    return Nonce(f"{nonce}x")


TestIncremental = IncrementalMachine.TestCase
TestIncremental.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)

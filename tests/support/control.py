"""A Control in memory, for tests of the API, the commands and the live view: obedient; keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from hfs_appliance.config.mistakes import ConfigError, Mistake
from hfs_appliance.model.events import Event
from hfs_appliance.model.explained import Explained
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, format_instant
from hfs_appliance.model.leadership import Leader
from hfs_appliance.model.plan import Hold, PoolCount, VersionCount
from hfs_appliance.model.reports import (
    Adopted,
    Applied,
    Change,
    EventReport,
    HandedOver,
    HoldCard,
    PlanReport,
    ServerReport,
    Status,
)
from hfs_appliance.model.rollout import Order, Strategy
from hfs_appliance.model.upgrades import GenerationReport, Ordered, RolloutReport
from hfs_appliance.ports.errors import Conflict, Unconfirmed, UnknownName, Unsupported
from hfs_appliance.runtime.nearest import nearest
from hfs_appliance.telemetry import words
from hfs_appliance.telemetry.bus import EventBus
from tests.support.explained import explained
from tests.support.planned import planned

DNS = ServiceName("dns")
V1 = Version("1.0.0")
MISTAKE = Mistake(file="env.toml", line=3, column=1, key="servic", words="unknown key", hint="did you mean 'service'?")
START = Instant(1_700_000_000_000_000_000)


@dataclass
class ManualClock:
    """A clock that a test turns."""

    instant: int = START

    def now(self) -> Instant:
        return Instant(self.instant)


def counts(desired: int, serving: int, *, starting: int = 0) -> VersionCount:
    return VersionCount(desired=desired, serving=serving, starting=starting, suspect=0, draining=0)


def status(*, serving: int = 2, desired: int = 2, generation: int = 1, holds: tuple[Hold, ...] = ()) -> Status:
    """Give the status of an environment with one service and one pool."""
    return Status(
        environment="local",
        generation=generation,
        converged=serving == desired,
        mode="active",
        session="connected",
        endpoint="http://127.0.0.1:8080",
        uptime_s=5,
        services={DNS: {V1: counts(desired, serving, starting=max(0, desired - serving))}},
        pools={PoolName("small"): PoolCount(size=3, warm=3, building=0)},
        servers_by_phase={"serving": serving, "warm": 3},
        servers_total=serving + 3,
        servers_max=40,
        routed={DNS: serving},
        holds=holds,
        leader=Leader(name="a:8081", address="http://a:8081", epoch=1),
    )


def server(name: str = "small-0001") -> ServerReport:
    return ServerReport(
        server=ServerId(name),
        phase="serving",
        rule="registered",
        words="registered and up",
        since=format_instant(START),
        pool="small",
        az="az1",
        address="127.77.0.1",
        service="dns",
        version="1.0.0",
        slot=0,
    )


CARD = HoldCard(
    scope="service/dns",
    rule="storm",
    words="12 of 30 are lost",
    until=None,
    amount=12,
    choices=("hfs approve service/dns: you have looked",),
)


ROLLOUT = RolloutReport(
    service=DNS,
    number=3,
    strategy="canary",
    phase="canary",
    step=0,
    steps=2,
    old={V1: 2},
    new={Version("2.0.0"): 2},
    wanted=2,
    weights={Version("2.0.0"): 50, V1: 950},
    epoch=7,
    lagging=("b:8081",),
    since=format_instant(START),
    words="2 instances of 2.0.0 serve",
    waits_for="0 requests; the gate needs 500 of each",
    until=None,
    is_held=True,
    is_paused=False,
    is_reverting=False,
)


@dataclass
class FakeControl:
    """Obeys at once: what `apply` and `scale` ask for is what `status` tells next."""

    clock: ManualClock = field(default_factory=ManualClock)
    now: Status = field(default_factory=status)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    failure: Exception | None = None
    """Raised by the next call that may fail."""
    conflict: Conflict | None = None
    """Raised by the next `apply`."""
    to_confirm: str = ""
    """Hash without which `apply` and `scale` are refused."""
    is_slow: bool = False
    """`apply` and `scale` only note what is asked; the test says when it is so."""
    readers: int = 0
    """How many follow the events."""
    log: str = "agent log\n"

    def __post_init__(self) -> None:
        self.bus = EventBus(self.clock)

    def tell(self, event: Event, *, actor: str = "test") -> int:
        return self.bus.emit(actor, event)

    def status(self) -> Status:
        self._fail()
        return self.now

    def servers(self) -> Sequence[ServerReport]:
        return [server()]

    async def explain(self, target: str) -> Explained:
        found = explained(target, server(), self.log)
        if found is None:
            raise UnknownName("server or service", target, nearest(target, ["small-0001", "dns"]))
        return found

    async def events(self, after: int, *, is_following: bool) -> AsyncGenerator[EventReport, None]:
        self.readers += 1
        try:
            async with aclosing(self.bus.follow(after, is_following=is_following)) as stream:
                async for recorded in stream:
                    yield words.report(recorded)
        finally:
            self.readers -= 1

    async def desired_source(self) -> tuple[int, str]:
        return self.now.generation, "schema = 1\n"

    async def plan(self, source: str | None, file: str) -> PlanReport:
        self._fail()
        self.asked.append(("plan", source, file))
        if "#!mistake" in (source or ""):
            raise ConfigError([MISTAKE])
        if source is None or "#!same" in source:
            return PlanReport(generation=self.now.generation, changes=(), steps=(), holds=(), hash="0" * 12)
        return planned(self.now.generation)

    async def apply(
        self, source: str, file: str, author: str, base_generation: int | None, *, confirm: str | None
    ) -> Applied:
        self._fail()
        self._demand_confirmation(confirm)
        self.asked.append(("apply", source, file, author, base_generation))
        if self.conflict is not None:
            raise self.conflict
        return self._stored(3)

    async def scale(
        self, service: ServiceName, version: Version | None, instances: int, author: str, *, confirm: str | None
    ) -> Applied:
        self._fail()
        self._demand_confirmation(confirm)
        self.asked.append(("scale", service, version, instances, author))
        if service != DNS:
            raise UnknownName("service", service, DNS)
        return self._stored(instances)

    async def kill(self, server_id: ServerId) -> None:
        self._fail()
        self.asked.append(("kill", server_id))
        if server_id == "small-0002":
            raise Unsupported("only local servers can be killed")

    async def hand_over(self) -> HandedOver:
        self._fail()
        self.asked.append(("handover",))
        leader = Leader(name="b:8082", address="http://b:8082", epoch=8)
        self.now = replace(self.now, mode="standby", leader=leader)
        return HandedOver(leader=leader)

    def rollouts(self) -> Sequence[RolloutReport]:
        return [ROLLOUT]

    async def upgrade(self, service: ServiceName, version: Version, strategy: Strategy | None, author: str) -> Applied:
        self._fail()
        self.asked.append(("upgrade", service, version, strategy, author))
        return Applied(generation=self.now.generation + 1, changes=())

    async def order_rollout(self, service: ServiceName, order: Order) -> Ordered:
        self._fail()
        self.asked.append(("order", service, order))
        return Ordered(service=service, number=3, order=order, phase="canary")

    async def roll_back(self, service: ServiceName, author: str) -> Ordered:
        self._fail()
        self.asked.append(("rollback", service, author))
        return Ordered(service=service, number=3, order="abort", phase="soak")

    async def history(self) -> Sequence[GenerationReport]:
        return [
            GenerationReport(
                generation=number,
                author="me",
                at=format_instant(START),
                file="env.toml",
                words=words,
                is_in_force=number == 2,
            )
            for number, words in ((2, "hfs upgrade dns 2.0.0"), (1, "hfs apply env.toml"))
        ]

    async def difference(self, before: int, after: int) -> Sequence[Change]:
        self._fail()
        return [Change(path="pool.small.size", before="2", after="3")] if before != after else []

    async def restore(
        self, generation: int, author: str, base_generation: int | None, *, confirm: str | None = None
    ) -> Applied:
        self._fail()
        self._demand_confirmation(confirm)
        self.asked.append(("restore", generation, author, base_generation))
        return self._stored(2)

    async def adopt(self, author: str) -> Adopted:
        self._fail()
        self.asked.append(("adopt", author))
        return Adopted(uuid="0f" * 16, project="local:/x", servers=4, recorded=1, next_serial=9)

    def holds(self) -> Sequence[HoldCard]:
        return [CARD]

    async def hold(self, target: str, reason: str, author: str, lasts: Duration | None) -> str:
        self._fail()
        self.asked.append(("hold", target, reason, author, lasts))
        return f"service/{target}"

    async def release(self, target: str) -> str:
        self._fail()
        self.asked.append(("release", target))
        return f"service/{target}"

    async def approve(self, target: str, author: str) -> Sequence[HoldCard]:
        self._fail()
        self.asked.append(("approve", target, author))
        return [CARD]

    async def down(self) -> None:
        self.asked.append(("down",))
        self.now = replace(self.now, mode="closing")

    def _stored(self, instances: int) -> Applied:
        generation = self.now.generation + 1
        if not self.is_slow:
            self.now = status(serving=instances, desired=instances, generation=generation)
        change = Change(path='service.dns.version."1.0.0".instances', before="2", after=str(instances))
        return Applied(generation=generation, changes=(change,))

    def _demand_confirmation(self, confirm: str | None) -> None:
        if self.to_confirm and confirm != self.to_confirm:
            raise Unconfirmed("this removes 2 of 2 instances of dns", self.to_confirm)

    def _fail(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

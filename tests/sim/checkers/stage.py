"""A stage for one checker: facts and events by hand, at instants by hand, without a world and without a product."""

from __future__ import annotations

from collections.abc import Mapping

from hfs_appliance.config import load_text
from hfs_appliance.model.events import ActionStarted, Event, Recorded
from hfs_appliance.model.ids import AvailabilityZone, Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import after, seconds
from hfs_appliance.model.observed import CloudStatus
from sim.census import Census
from sim.checkers import Case, Checker, Docket
from sim.clock import EPOCH
from sim.desired import PORT, configuration
from sim.entries import Announced, Author, DesiredStored, RecordGone, RecordWritten, Registered, RoleGiven, Unregistered
from sim.scenario import Layout, Scenario
from sim.truth import ApiCalled, Condition, ConditionChanged, DeletionBegun, Fact, MachineMade, StatusChanged
from sim.weather import Weather

POOL = PoolName("small")
V1 = Version("1.0.0")
DNS, WEB = ServiceName("dns"), ServiceName("web")


class Stage:
    """One checker with the census and the weather that it judges by."""

    def __init__(
        self,
        checker: type[Checker],
        services: Mapping[str, int] | None = None,
        *,
        scenario: Scenario | None = None,
        **layout: int,
    ) -> None:
        self.now = EPOCH
        self.docket = Docket(lambda: self.now)
        self.census, self.weather = Census(), Weather()
        scenario = scenario or Scenario(name="stage", words="", layout=Layout(servers=3, per_service=3))
        self.checker = checker(Case(docket=self.docket, scenario=scenario, census=self.census, weather=self.weather))
        self.generation = 0
        self.desire(services or {"dns": 3}, **layout)

    @property
    def accused(self) -> list[str]:
        """What the checker said."""
        return [violation.words for violation in self.docket.violations]

    def wait(self, span: float) -> None:
        """Let so many seconds pass."""
        self.now = after(self.now, seconds(span))

    def tell(self, *facts: Fact) -> None:
        """Have facts happen now."""
        for fact in facts:
            for fold in (self.census, self.weather):
                if type(fact) in fold.kinds:
                    fold.see(self.now, fact)
            if type(fact) in self.checker.sees:
                self.checker.see(self.now, fact)

    def hear(self, *events: Event, actor: str = "stage") -> None:
        """Have the product say something now."""
        for event in events:
            recorded = Recorded(seq=1, at=self.now, actor=actor, event=event)
            if type(event) in self.weather.hears:
                self.weather.hear(recorded)
            if type(event) in self.checker.hears:
                self.checker.hear(recorded)

    # What happens to whole servers

    def desire(self, services: Mapping[str, int], **layout: int) -> None:
        """Store another desired state."""
        self.generation += 1
        source = configuration({name: {V1: count} for name, count in services.items()}, **layout)  # type: ignore[arg-type]
        desired = load_text(source, "stage.toml", generation=self.generation)
        self.tell(DesiredStored(author=Author.PLANE, generation=self.generation, desired=desired))

    def make(self, name: str) -> None:
        """Have the cloud make a server that the control plane has recorded."""
        self.tell(record(name), made(name))

    def warm(self, *names: str) -> None:
        """Have servers that wait in the pool."""
        for name in names:
            self.make(name)
            self.tell(active(name), condition(name, Condition.WARM), record(name, is_built=True), announced(name))

    def serve(self, *names: str, service: ServiceName = DNS) -> None:
        """Have servers that serve and are registered, in their slots."""
        for name in names:
            self.warm(name)
            slot = sum(role.service == service for role in self.census.roles.values())
            self.tell(
                record(name, service=service, slot=slot, is_built=True, is_ready=True),
                role(name, service=service, slot=slot),
                condition(name, Condition.SERVING, service=service),
                registered(name, service=service),
            )

    def decide(self, name: str, *, cause: str, drains: bool = False) -> None:
        """Have the control plane decide that a server with a record must go."""
        former = self.census.records[ServerId(name)]
        changes = {"is_draining": True} if drains else {"is_deleting": True}
        fields = {key: getattr(former, key) for key in RecordWritten.__dataclass_fields__}
        self.hear(started("drain" if drains else "delete", name, cause))
        self.tell(RecordWritten(**(fields | changes | {"leave_cause": cause})))

    def delete(self, name: str, *, cause: str) -> None:
        """Have the control plane delete a server, and the cloud obey."""
        self.decide(name, cause=cause)
        machine = self.census.machines[ServerId(name)]
        self.tell(
            DeletionBegun(server=machine.server, condition=machine.condition),
            ApiCalled(call="delete", asked_at=self.now, server=machine.server),
        )


def nonce(name: str) -> Nonce:
    return Nonce(f"nonce of {name}")


def address(name: str) -> str:
    return f"10.0.0.{int(name.rpartition('-')[2])}"


def made(name: str, **fields: Nonce) -> MachineMade:
    return MachineMade(
        server=ServerId(name),
        az=AvailabilityZone("az1"),
        nonce=fields.get("nonce", nonce(name)),
        pool=POOL,
        address=address(name),
        status=CloudStatus.BUILDING,
    )


def active(name: str) -> StatusChanged:
    return StatusChanged(server=ServerId(name), before=CloudStatus.BUILDING, after=CloudStatus.ACTIVE)


def condition(name: str, after: Condition, *, service: ServiceName | None = None) -> ConditionChanged:
    version = V1 if service is not None else None
    return ConditionChanged(server=ServerId(name), before=Condition.DARK, after=after, service=service, version=version)


def record(
    name: str,
    *,
    service: ServiceName | None = None,
    slot: int | None = None,
    author: Author = Author.PLANE,
    is_built: bool = False,
    is_ready: bool = False,
    is_deleting: bool = False,
    own: Nonce | None = None,
) -> RecordWritten:
    return RecordWritten(
        author=author,
        server=ServerId(name),
        nonce=own or nonce(name),
        pool=POOL,
        service=service,
        version=V1 if service is not None else None,
        slot=slot,
        is_built=is_built,
        is_ready=is_ready,
        has_failed=False,
        is_draining=False,
        is_deleting=is_deleting,
        leave_cause="",
    )


def record_gone(name: str) -> RecordGone:
    return RecordGone(author=Author.PLANE, server=ServerId(name))


def role(name: str, *, service: ServiceName = DNS, slot: int = 0, is_draining: bool = False) -> RoleGiven:
    return RoleGiven(
        author=Author.PLANE,
        server=ServerId(name),
        nonce=nonce(name),
        service=service,
        version=V1,
        slot=slot,
        is_draining=is_draining,
    )


def announced(name: str) -> Announced:
    return Announced(author=Author.AGENT, server=ServerId(name), nonce=nonce(name))


def registered(
    name: str,
    *,
    service: ServiceName = DNS,
    slot: int | None = None,
    is_up: bool = True,
    own: Nonce | None = None,
) -> Registered:
    return Registered(
        author=Author.AGENT,
        service=service,
        instance=ServerId(name),
        nonce=own or nonce(name),
        version=V1,
        slot=slot,
        address=address(name),
        port=PORT,
        is_up=is_up,
    )


def unregistered(name: str, *, service: ServiceName = DNS) -> Unregistered:
    return Unregistered(author=Author.EXPIRY, service=service, instance=ServerId(name))


def started(action: str, name: str, cause: str) -> ActionStarted:
    return ActionStarted(action=action, server=ServerId(name), cause=cause, words="")

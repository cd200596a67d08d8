"""The one stream of what happened: a closed union of frozen values with cause links.

Log, metrics, console, bench and the simulator's checkers are folds over it; nothing else is logged. Each event class
says in `kind` how it is named in the journal; field values are text, integers or None.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

from hfs_appliance.model.balancer_events import BalancerChanged, BalancerRefused
from hfs_appliance.model.event import EventBase, Severity
from hfs_appliance.model.foundation import FoundationChanged, FoundationRefused
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceStarted(EventBase):
    """`hfs run` is up."""

    kind: ClassVar[str] = "appliance-started"
    version: str
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceStopped(EventBase):
    """`hfs run` ended in order."""

    kind: ClassVar[str] = "appliance-stopped"
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged(EventBase):
    """The registry session changed its state."""

    kind: ClassVar[str] = "session-changed"
    state: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderChanged(EventBase):
    """Another appliance leads the environment from now on, or (leader empty) nobody."""

    kind: ClassVar[str] = "leader-changed"
    leader: str
    address: str
    """URL of its admin API."""
    epoch: int
    is_ours: int
    """1 when it is the appliance that tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged(EventBase):
    """What this appliance may do changed: it stands by, takes over (`sync`), or acts (`active`)."""

    kind: ClassVar[str] = "mode-changed"
    mode: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredChanged(EventBase):
    """A generation of the desired state took effect."""

    kind: ClassVar[str] = "desired-changed"
    generation: int
    author: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredRefused(EventBase):
    """The stored desired state could not be read; the former one stays."""

    kind: ClassVar[str] = "desired-refused"
    severity: ClassVar[Severity] = Severity.ERROR
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(EventBase):
    """A server moved on in its life, or the cloud says something else of what is wrong with it."""

    kind: ClassVar[str] = "phase-changed"
    server: ServerId
    phase: str
    before: str
    rule: str
    words: str
    service: ServiceName | None = None
    version: Version | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStarted(EventBase):
    """An action of the plan began."""

    kind: ClassVar[str] = "action-started"
    action: str
    server: ServerId
    cause: str
    words: str
    service: ServiceName | None = None
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDone(EventBase):
    """An action of the plan succeeded."""

    kind: ClassVar[str] = "action-done"
    severity: ClassVar[Severity] = Severity.DEBUG
    action: str
    server: ServerId
    elapsed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailed(EventBase):
    """An action of the plan failed; the next reconcile decides again."""

    kind: ClassVar[str] = "action-failed"
    severity: ClassVar[Severity] = Severity.WARNING
    action: str
    server: ServerId
    error: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged(EventBase):
    """Something is withheld from now on, or (words empty) no longer."""

    kind: ClassVar[str] = "hold-changed"
    severity: ClassVar[Severity] = Severity.WARNING
    scope: str
    rule: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandChanged(EventBase):
    """A service that scales itself is to have another number of instances."""

    kind: ClassVar[str] = "demand-changed"
    service: ServiceName
    before: int
    after: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetbackNoted(EventBase):
    """Failures in a row of a pool or a service version slow down what comes next."""

    kind: ClassVar[str] = "setback"
    severity: ClassVar[Severity] = Severity.WARNING
    scope: str
    failures: int
    words: str
    pool: PoolName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergedChanged(EventBase):
    """The environment reached its desired state, or left it."""

    kind: ClassVar[str] = "converged"
    is_converged: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesPublished(EventBase):
    """The proxy serves a new route table."""

    kind: ClassVar[str] = "routes-published"
    digest: str
    services: int
    instances: int
    words: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesRefused(EventBase):
    """The proxy refused a route table; the former one stays in force."""

    kind: ClassVar[str] = "routes-refused"
    severity: ClassVar[Severity] = Severity.ERROR
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRestarted(EventBase):
    """The proxy had died and was started again."""

    kind: ClassVar[str] = "proxy-restarted"
    severity: ClassVar[Severity] = Severity.WARNING
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsMerged(EventBase):
    """A new merged Swagger document is served."""

    kind: ClassVar[str] = "documents-merged"
    services: int
    operations: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRefused(EventBase):
    """A service's document could not be fetched or used; its last good one stays."""

    kind: ClassVar[str] = "document-refused"
    severity: ClassVar[Severity] = Severity.WARNING
    service: ServiceName
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRefused(EventBase):
    """A registry entry could not be read; it is ignored and nobody else is hurt."""

    kind: ClassVar[str] = "entry-refused"
    severity: ClassVar[Severity] = Severity.WARNING
    path: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAsked(EventBase):
    """Somebody asked for something drastic over the admin API."""

    kind: ClassVar[str] = "operator-asked"
    severity: ClassVar[Severity] = Severity.WARNING
    what: str
    """`kill`, `handover`, `down`, `adopt`, `hold`, `release` or `approve`."""
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentAdopted(EventBase):
    """An operator has said that this registry and that fleet belong together."""

    kind: ClassVar[str] = "environment-adopted"
    severity: ClassVar[Severity] = Severity.WARNING
    author: str
    project: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTroubled(EventBase):
    """An agent tells what keeps its instance out of traffic."""

    kind: ClassVar[str] = "instance-troubled"
    severity: ClassVar[Severity] = Severity.WARNING
    server: ServerId
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncFoundDrift(EventBase):
    """The regular re-read found entries that the watch had missed: a fault of ours or of the registry's."""

    kind: ClassVar[str] = "resync-found-drift"
    severity: ClassVar[Severity] = Severity.ERROR
    entries: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRestarted(EventBase):
    """A part of the appliance failed and was started again by its supervisor."""

    kind: ClassVar[str] = "part-restarted"
    severity: ClassVar[Severity] = Severity.ERROR
    part: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFailed(EventBase):
    """A part of the appliance failed in something and goes on; told once until it works again."""

    kind: ClassVar[str] = "part-failed"
    severity: ClassVar[Severity] = Severity.ERROR
    part: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsSkipped(EventBase):
    """Told to one reader only: so many events before this place are no longer kept."""

    kind: ClassVar[str] = "events-skipped"
    severity: ClassVar[Severity] = Severity.WARNING
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudUnreachable(EventBase):
    """The list of servers could not be read; the view grows stale."""

    kind: ClassVar[str] = "cloud-unreachable"
    severity: ClassVar[Severity] = Severity.WARNING
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpareSwept(EventBase):
    """A second server of one identity is being deleted: its creation had come late, after its answer was lost."""

    kind: ClassVar[str] = "spare-swept"
    severity: ClassVar[Severity] = Severity.WARNING
    server: ServerId


Event: TypeAlias = (
    ApplianceStarted
    | ApplianceStopped
    | SessionChanged
    | LeaderChanged
    | ModeChanged
    | DesiredChanged
    | DesiredRefused
    | PhaseChanged
    | ActionStarted
    | ActionDone
    | ActionFailed
    | HoldChanged
    | DemandChanged
    | SetbackNoted
    | ConvergedChanged
    | RoutesPublished
    | RoutesRefused
    | ProxyRestarted
    | BalancerChanged
    | BalancerRefused
    | DocumentsMerged
    | DocumentRefused
    | EntryRefused
    | OperatorAsked
    | EnvironmentAdopted
    | RolloutChanged
    | RolloutGivenUp
    | TrafficChanged
    | InstanceTroubled
    | ResyncFoundDrift
    | PartRestarted
    | PartFailed
    | EventsSkipped
    | CloudUnreachable
    | FoundationChanged
    | FoundationRefused
    | SpareSwept
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the stream."""

    seq: int
    at: Instant
    actor: str
    """The part that said it: `reconcile`, `execute`, `proxy`, …"""
    event: Event
    cause: int | None = None
    """Sequence number of the event that led to this one."""

    def fields(self) -> dict[str, str | int | None]:
        """Give the event's own fields by name."""
        return {f.name: getattr(self.event, f.name) for f in fields(self.event)}

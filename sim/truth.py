"""The truth: what really happens in the simulated world, as a stream of typed values beside the product's own events.

The world tells it, checkers and metrics fold over it; the product never sees it. The rule to keep: one line told for
each change, so that a fold costs what has happened, not what there is. Facts of the registry's entries are in
sim/entries.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from hfs_appliance.model.ids import AvailabilityZone, Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.proxy.table import RouteTable


class Condition(StrEnum):
    """How the thing on a machine really is."""

    DARK = "dark"
    """Without power, or never booted."""
    BUILDING = "building"
    WARM = "warm"
    """Built, without a role."""
    STARTING = "starting"
    SERVING = "serving"
    SICK = "sick"
    """It has a role and does not answer."""
    STOPPED = "stopped"
    """It has left in order."""


HEALTHY: Final = frozenset({Condition.WARM, Condition.SERVING})


@dataclass(frozen=True, slots=True)
class Fact:
    """Base of all facts."""


# Machines


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineMade(Fact):
    """The cloud made a machine."""

    server: ServerId
    az: AvailabilityZone
    nonce: Nonce
    pool: PoolName
    address: str
    status: CloudStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Fact):
    """The cloud says something else of a machine than before."""

    server: ServerId
    before: CloudStatus
    after: CloudStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChanged(Fact):
    """A machine is otherwise than before."""

    server: ServerId
    before: Condition
    after: Condition
    service: ServiceName | None = None
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionBegun(Fact):
    """The cloud obeyed: a machine is being deleted at the product's wish."""

    server: ServerId
    condition: Condition
    service: ServiceName | None = None
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineGone(Fact):
    """A machine is no more."""

    server: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineHidden(Fact):
    """The cloud knows a machine no more, but it is still there: a ghost, whose end is told as MachineGone."""

    server: ServerId


# The cloud's API


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCalled(Fact):
    """A call reached the cloud and was carried out, or refused; told after what it brought about."""

    call: str
    """`list`, `get`, `create`, `delete`, `log` or `kill`."""
    asked_at: Instant
    """When it was sent."""
    server: ServerId | None = None
    refusal: str = ""
    """Name of the error that it is answered with, `silence` for no answer; empty: it was carried out."""
    is_whole: bool = True
    """False for a list that admits that it may leave servers out."""


# The proxy and the documents


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesAsked(Fact):
    """A proxy was asked to serve another table; how long that takes is its own affair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesServed(Fact):
    """A proxy serves another table."""

    table: RouteTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyStarted(Fact):
    """A proxy answers, with its last table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyStopped(Fact):
    """A proxy does not answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesServed(Fact):
    """A proxy serves other static files."""

    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentGiven(Fact):
    """An instance answered with its service's document."""

    service: ServiceName
    content: bytes


# The registry, but for its entries


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReached(Fact):
    """A control plane and the registry hear each other from now on."""

    client: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCut(Fact):
    """A control plane and the registry do not hear each other any more, whether they know it or not."""

    client: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTaken(Fact):
    """A control plane moved the epoch on."""

    client: int
    """Number of its link."""
    epoch: int
    seat: str
    """Name of the candidacy of who has taken it; empty when the office was laid down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatGone(Fact):
    """A candidacy is gone, with its session or by hand."""

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneWrote(Fact):
    """A write of a control plane was carried out."""

    client: int
    epoch: int | None
    """The epoch that was checked with it; None: none was."""
    paths: tuple[str, ...]
    """What it created, set or deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationSent(Fact):
    """A control plane sends the cloud something that changes something."""

    client: int
    call: str
    server: ServerId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReplaced(Fact):
    """The registry restarts with another content: none, or an older one. Each entry that differs is told after it."""


# What is done to the world, and how the story goes


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegun(Fact):
    """Something goes wrong from now on."""

    number: int
    """Place in the scenario, from 0."""
    kind: str
    words: str
    victims: tuple[ServerId, ...] | None = None
    """Machines that are hurt by it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded(Fact):
    """Something no longer goes wrong."""

    number: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionOffered(Fact):
    """An operator asks for a version that nobody has seen yet."""

    service: ServiceName
    version: Version
    is_good: bool
    """Whether it is fit to take over, whatever its instances suffer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTakenBack(Fact):
    """An operator takes back what is rolled out of a service, whatever it is worth."""

    service: ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneKilled(Fact):
    """A control plane ended as kill -9 ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneStarted(Fact):
    """A control plane was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandChanged(Fact):
    """The traffic of a service needs so many instances from now on; until it is told, those desired."""

    service: ServiceName
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryBegun(Fact):
    """The fleet has stood converged for the first time: faults may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsOver(Fact):
    """The story is told: from now on nothing goes wrong, and everything must come right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Fact):
    """The control plane says that everything is as desired: from now on it must stay so."""


Witness: TypeAlias = Callable[[Instant, Any], None]
"""Takes the facts that it has asked for."""


class Truth:
    """Hands each fact to everybody who listens for its kind, in the order in which they came."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._everything: list[Witness] = []
        self._by_kind: dict[type[Fact], list[Witness]] = {}
        self.failure: Exception | None = None
        """A witness's own mistake: whoever plays the world must raise it, for the product may swallow it."""

    def listen(self, witness: Witness, kinds: Iterable[type[Fact]] | None = None) -> None:
        """Call `witness` with every fact from now on, or with those of some kinds."""
        if kinds is not None:
            for kind in kinds:
                self._by_kind.setdefault(kind, list(self._everything)).append(witness)
            return
        self._everything.append(witness)
        for witnesses in self._by_kind.values():
            witnesses.append(witness)

    def wants(self, kind: type[Fact]) -> bool:
        """Tell whether anybody listens for a kind of fact that costs something to make."""
        return bool(self._by_kind.get(kind, self._everything))

    def tell(self, fact: Fact) -> None:
        """State what happened now."""
        now = self._now()
        try:
            for witness in self._by_kind.get(type(fact), self._everything):
                witness(now, fact)
        except Exception as error:
            self.failure = self.failure or error
            raise

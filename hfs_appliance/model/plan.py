"""The Plan: what `decide` answers, with the reason of each thing done, withheld or believed.

A reason is a code for machines (`Cause`, the rule's name) and words for the operator; nobody parses the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple, TypeAlias

from hfs_appliance.model.autoscale import Demand
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.ledger import Rush, Setback, Storm, Token, Trial
from hfs_appliance.model.maps import Map
from hfs_appliance.model.probes import Target
from hfs_appliance.model.recipe import PLAIN, Recipe
from hfs_appliance.model.rollout import Move, Waiting


class Phase(StrEnum):
    """Where a server stands in its life."""

    PLANNED = "planned"
    CREATING = "creating"
    AMBIGUOUS = "ambiguous"
    BOOTING = "booting"
    CONFIGURING = "configuring"
    WARM = "warm"
    ASSIGNED = "assigned"
    WARMING = "warming"
    SERVING = "serving"
    SUSPECT = "suspect"
    LOST = "lost"
    DRAINING = "draining"
    QUARANTINED = "quarantined"
    DELETING = "deleting"
    GONE = "gone"


class Cause(StrEnum):
    """Why something is done: the kind of decision, for budgets, events and metrics."""

    FILL_POOL = "fill-pool"
    MEET_DEMAND = "meet-demand"
    REMEDIATION = "remediation"
    SCALE_IN = "scale-in"
    RETIRE_VERSION = "retire-version"
    RETIRE_SERVICE = "retire-service"
    POOL_SURPLUS = "pool-surplus"
    RECYCLE = "recycle"
    BUILD_FAILED = "build-failed"
    OVER_QUOTA = "over-quota"
    NEVER_READY = "never-ready"
    ADOPTION = "adoption"
    BOOKKEEPING = "bookkeeping"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an action is planned: its cause and a sentence for the operator."""

    cause: Cause
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a server in the cloud and write its record first. Repeating it for the same id is safe."""

    verb: ClassVar[str] = "create"
    server: ServerId
    pool: PoolName
    az: AvailabilityZone
    reason: Reason
    recipe: Recipe = PLAIN
    """What it is made of."""
    is_retry: bool = False
    """The record exists already: an earlier attempt got no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Give a warm server the role of an instance."""

    verb: ClassVar[str] = "claim"
    server: ServerId
    service: ServiceName
    version: Version
    slot: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmBuilt:
    """Note that a server has come into the pool."""

    verb: ClassVar[str] = "confirm-built"
    server: ServerId
    reason: Reason
    built: str = ""
    """How its building went, in its agent's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReady:
    """Note that a claimed server serves: its intent is closed."""

    verb: ClassVar[str] = "confirm-ready"
    server: ServerId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemn:
    """Note, once, that a server is a failure and why: it counts from now on, and goes when that is allowed."""

    verb: ClassVar[str] = "condemn"
    server: ServerId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Take an instance out of traffic; its server is deleted afterwards."""

    verb: ClassVar[str] = "drain"
    server: ServerId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete a server from the cloud. Repeated until the cloud says that it is gone."""

    verb: ClassVar[str] = "delete"
    server: ServerId
    reason: Reason
    is_unlisted: bool = False
    """It cost no token because no source knows it: only one that the cloud does not know by its id either may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the record and the assignment of a server that is gone."""

    verb: ClassVar[str] = "forget"
    server: ServerId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Write or mend the record of a server of ours by what the cloud and its registration say of it."""

    verb: ClassVar[str] = "adopt"
    server: ServerId
    reason: Reason


Action: TypeAlias = Create | Claim | ConfirmBuilt | ConfirmReady | Condemn | Drain | Delete | Forget | Adopt


class Verdict(NamedTuple):
    """What policy believes of one server, and by which rule."""

    server: ServerId
    phase: Phase
    rule: str
    since: Instant
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something that policy would do and does not, with what it waits for."""

    scope: str
    """`environment`, `pool/<name>`, `service/<name>` or `server/<id>`."""
    rule: str
    words: str
    until: Instant | None = None
    amount: int = 0
    """How many servers it is about, where they can be counted."""


OBSERVING: Final = frozenset(
    {
        "blind",
        "registry-stale",
        "cloud-stale",
        "unanchored",
        "registry-wiped",
        "registry-older",
        "project-mismatch",
        "uuid-mismatch",
    }
)
"""Rules of holds under which nothing, or nothing that matters, is done at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCount:
    """How a service version stands."""

    desired: int
    serving: int
    starting: int
    suspect: int
    draining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCount:
    """How a pool stands."""

    size: int
    warm: int
    building: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer to one World.

    `verdicts` and `counts` are Maps: `differing` tells at once what is other than in the plan before.
    """

    actions: tuple[Action, ...] = ()
    verdicts: Map[ServerId, Verdict] = field(default_factory=Map)
    phases: Mapping[Phase, int] = field(default_factory=dict)
    """How many servers are in each phase; phases without any are left out."""
    holds: tuple[Hold, ...] = ()
    counts: Map[ServiceName, Mapping[Version, VersionCount]] = field(default_factory=Map)
    pools: Mapping[PoolName, PoolCount] = field(default_factory=dict)
    launch_setbacks: Mapping[tuple[PoolName, AvailabilityZone], Setback] = field(default_factory=dict)
    quota_setback: Setback | None = None
    version_setbacks: Mapping[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    """The setbacks that the ledger should hold from now on."""
    tokens: Mapping[ServerId, Token] = field(default_factory=dict)
    """The tokens of the destruction budget that it should hold."""
    storms: Mapping[str, Storm] = field(default_factory=dict)
    """What is lost that is not believed."""
    rushes: Mapping[PoolName, Rush] = field(default_factory=dict)
    """What is to be remembered of the pools that follow what is claimed from them."""
    trials: Mapping[PoolName, Trial] = field(default_factory=dict)
    """How the new recipes of pools stand."""
    demands: Mapping[ServiceName, Demand] | None = None
    """What is to be of the services that scale themselves; None: the plan was made blind."""
    moves: tuple[Move, ...] = ()
    """Changes of rollouts and of traffic epochs, to be written each as a whole."""
    waiting: Mapping[ServiceName, Waiting] = field(default_factory=dict)
    """What the rollouts that run wait for."""
    is_converged: bool = False
    """Every count is met, every pool is full, nothing is left to do."""
    to_anchor: bool = False
    """Nothing has ever been here: the environment's anchor is to be written before anything else is done."""
    to_probe: Mapping[ServerId, Target] = field(default_factory=dict)
    """Instances whose fate hangs on what they answer when they are asked."""
    to_measure: Set[ServiceName] = frozenset()
    """Services whose load is to be known."""
    requeue_at: Instant | None = None
    """When time alone may change the answer."""

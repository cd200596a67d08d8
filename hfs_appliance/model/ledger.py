"""The ledger: what policy must remember between two reconciles, and the failures that feed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.autoscale import Size
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """Failures in a row of one thing, and the instant before which it is not tried again; one is tried then."""

    failures: int
    not_before: Instant
    words: str
    rounds: int = 1
    """What was begun together and failed together is one round: it says no more than its first failure did."""
    counted_at: Instant = Instant(0)
    """When the present round's first failure was found: what was begun before it belongs to that round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A creation that the cloud refused, as the executor saw it."""

    server: ServerId
    pool: PoolName
    az: AvailabilityZone
    """Where the server was to be made."""
    words: str
    begun_at: Instant
    until: Instant | None = None
    """When the refusing side said that asking again makes sense."""
    is_exhausted: bool = False
    """Quota or rate: nothing is wrong with what was asked for, there was only too much of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One server was taken away, or is about to be (`mcp/budget.py`)."""

    at: Instant
    scope: str
    """`service/<name>`, or `pool/<name>` when it had no role."""
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """More was lost at once than is believed (`mcp/storm.py`)."""

    since: Instant
    calm_since: Instant | None = None
    """From when on so little is lost that it ends, a grace later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """So many were claimed from a pool."""

    at: Instant
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rush:
    """What was claimed from a pool that follows it, and how long building takes (`factory/forecast.py`)."""

    size: int = 0
    """Warm servers that it is to have now."""
    rebuild: Duration | None = None
    """How long a build takes, at the worst of late; None: none was seen yet."""
    recent: tuple[Taken, ...] = ()
    """Within the last two such times: one rush."""
    peaks: tuple[Taken, ...] = ()
    """Most within one rush, by the hour that it was in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The recipe that a pool is built by, and the one that is to take its place (`factory/trials.py`)."""

    recipe: Recipe
    candidate: Recipe | None = None
    """None: nothing else is wanted."""
    passed: tuple[ServerId, ...] = ()
    failed: tuple[ServerId, ...] = ()
    """Servers built by the candidate."""
    former: Recipe | None = None
    """What was in force before: proved, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What policy must remember between two reconciles; kept in the registry (`ledger/<scope>`)."""

    next_serial: int = 1
    """Serial of the next server to be made: never used twice, even after a crash."""
    launch_setbacks: Mapping[tuple[PoolName, AvailabilityZone], Setback] = field(default_factory=dict)
    """Builds that failed, by pool and zone."""
    quota_setback: Setback | None = None
    """Creations that the cloud refused for quota or rate, whatever they were for."""
    version_setbacks: Mapping[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    """Instances that never became healthy, by service version."""
    tokens: Mapping[ServerId, Token] = field(default_factory=dict)
    """What the destruction budget has spent."""
    storms: Mapping[str, Storm] = field(default_factory=dict)
    """Those that rage, by scope: `environment` or `service/<name>`."""
    sizes: Mapping[ServiceName, Size] = field(default_factory=dict)
    """Of the services that scale themselves."""
    rushes: Mapping[PoolName, Rush] = field(default_factory=dict)
    """Of the pools that follow what is claimed from them."""
    trials: Mapping[PoolName, Trial] = field(default_factory=dict)
    """Of the pools that ask for them."""

"""The ledger: what policy must remember between two reconciles, and the failures that feed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.autoscale import Size
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """Failures in a row of one thing, and the instant before which it is not tried again."""

    failures: int
    not_before: Instant
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt of ours that the outside refused, as the executor saw it."""

    server: ServerId
    pool: PoolName | None
    """Set when it was a creation: the pool's setback grows."""
    words: str
    until: Instant | None = None
    """When the refusing side said that asking again makes sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One server was taken away, or is about to be (`mcp/budget.py`)."""

    at: Instant
    scope: str
    """`service/<name>`, or `pool/<name>` when it had no role."""
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What policy must remember between two reconciles; kept in the registry (`ledger/<scope>`)."""

    next_serial: int = 1
    """Serial of the next server to be made: never used twice, even after a crash."""
    pool_setbacks: Mapping[PoolName, Setback] = field(default_factory=dict)
    """Builds that failed, by pool."""
    version_setbacks: Mapping[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    """Instances that never became healthy, by service version."""
    tokens: Mapping[ServerId, Token] = field(default_factory=dict)
    """What the destruction budget has spent."""
    sizes: Mapping[ServiceName, Size] = field(default_factory=dict)
    """Of the services that scale themselves."""

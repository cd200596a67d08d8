"""The World: the one immutable value that `decide` looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import CloudView, Observation, RegistryView


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """Failures in a row of one thing, and the instant before which it is not tried again."""

    failures: int
    not_before: Instant
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What policy must remember between two reconciles; kept in the registry (`ledger/<scope>`)."""

    next_serial: int = 1
    """Serial of the next server to be made: never used twice, even after a crash."""
    pool_setbacks: Mapping[PoolName, Setback] = field(default_factory=dict)
    """Builds that failed, by pool."""
    version_setbacks: Mapping[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    """Instances that never became healthy, by service version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a decision may depend on. None: never observed (blind)."""

    now: Instant
    desired: DesiredState | None
    cloud: Observation[CloudView] | None
    registry: Observation[RegistryView] | None
    ledger: Ledger = Ledger()
    in_flight: frozenset[ServerId] = frozenset()
    """Servers on which an action is being carried out: their lane is taken, nothing more is planned for them."""
    is_closing: bool = False
    """`hfs down` was asked: everything is retired, nothing is started."""

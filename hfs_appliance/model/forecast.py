"""Forecasts: where the present World, or one with another desired state, leads when nothing goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.plan import Cause, Hold, VersionCount


class Stage(StrEnum):
    """What takes a server its time."""

    BOOT = "boot"
    """Asked for, until the cloud says that it runs; by pool."""
    BUILD = "build"
    """Asked for, until it is warm; by pool."""
    START = "start"
    """Given its role, until it is registered; by service."""
    DRAIN = "drain"
    """Taken out of traffic, until its instance has left; by service."""
    DELETE = "delete"
    """Asked to be deleted, until the cloud does not know it any more; by pool."""


Timed: TypeAlias = tuple[Stage, str]
"""A stage, and the pool or service that it takes this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """How long the stages usually take; what was never measured is left out."""

    usual: Mapping[Timed, Duration] = field(default_factory=dict)

    def of(self, stage: Stage, scope: str) -> Duration | None:
        """Give the usual time of a stage; None: never measured."""
        return self.usual.get((stage, scope))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action that will be taken."""

    after: Duration
    """From now."""
    verb: str
    server: ServerId
    pool: str
    service: ServiceName | None
    version: Version | None
    az: str
    """Of a server that is made; else empty."""
    cause: Cause
    words: str
    is_timed: bool
    """Everything that `after` follows from was measured."""
    is_under_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A guard that trips on the way."""

    hold: Hold
    """As it is when it trips."""
    after: Duration
    """From now."""
    lasts: Duration
    is_timed: bool
    """Everything that `after` follows from was measured."""
    is_lasting: bool
    """It holds still where the forecast ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the course takes of one scope's destruction budget."""

    scope: str
    spent: int
    """Tokens, over the whole course."""
    most: int
    """Tokens held at one time, earlier ones included."""
    allowed: int
    window: Duration


class Outcome(StrEnum):
    """How a forecast ends."""

    QUIET = "quiet"
    """Everything is as asked for."""
    HELD = "held"
    """Nothing more happens by itself, and not everything is as asked for: `holds` say what is missing."""
    CUT = "cut"
    """It is longer than what is worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The whole course."""

    steps: tuple[Step, ...]
    met: tuple[Met, ...]
    spending: tuple[Spending, ...]
    outcome: Outcome
    lasts: Duration
    """Until the last step has had its effect, by the usual times; stages never measured count as one second."""
    unmeasured: tuple[Timed, ...]
    """Stages on the way of which nobody knows how long they take: `lasts` says nothing then."""
    servers_now: int
    servers_peak: int
    creating_peak: int
    counts: Mapping[ServiceName, Mapping[Version, VersionCount]]
    """How services stand at the beginning."""

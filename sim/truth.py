"""The truth: what really happens in the simulated world, as a stream of typed values beside the product's own events.

The world tells it, checkers and metrics fold over it; the product never sees it. The rule to keep: one line told for
each change, so that a fold costs what has happened, not what there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineMade:
    """The cloud made a machine."""

    server: ServerId
    az: AvailabilityZone


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChanged:
    """A machine is otherwise than before."""

    server: ServerId
    before: Condition
    after: Condition
    service: ServiceName | None = None
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionBegun:
    """The cloud obeyed: a machine is being deleted at the product's wish."""

    server: ServerId
    condition: Condition
    service: ServiceName | None = None
    version: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineGone:
    """A machine is no more."""

    server: ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesServed:
    """A proxy serves another table."""

    table: RouteTable


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegun:
    """Something goes wrong from now on."""

    number: int
    """Place in the scenario, from 0."""
    kind: str
    words: str
    victims: tuple[ServerId, ...] = ()
    """Machines that are hurt by it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded:
    """Something no longer goes wrong."""

    number: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneKilled:
    """A control plane ended as kill -9 ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneStarted:
    """A control plane was started."""


Fact: TypeAlias = (
    MachineMade
    | ConditionChanged
    | DeletionBegun
    | MachineGone
    | RoutesServed
    | FaultBegun
    | FaultEnded
    | ControlPlaneKilled
    | ControlPlaneStarted
)
Witness: TypeAlias = Callable[[Instant, Fact], None]


class Truth:
    """Hands each fact to everybody who listens, in the order in which they came."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._witnesses: list[Witness] = []

    def listen(self, witness: Witness) -> None:
        """Call `witness` with every fact from now on."""
        self._witnesses.append(witness)

    def tell(self, fact: Fact) -> None:
        """State what happened now."""
        now = self._now()
        for witness in self._witnesses:
            witness(now, fact)

"""Events of rollouts: how far one has got, and whose requests go where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfs_appliance.model.event import EventBase, Severity
from hfs_appliance.model.ids import ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutChanged(EventBase):
    """The rollout of a service got further."""

    kind: ClassVar[str] = "rollout-changed"
    service: ServiceName
    number: int
    """Rollouts of the service so far."""
    phase: str
    before: str
    old: str
    new: str
    """Versions."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGivenUp(EventBase):
    """A rollout is taken back: the old versions get all requests again."""

    kind: ClassVar[str] = "rollout-given-up"
    severity: ClassVar[Severity] = Severity.WARNING
    service: ServiceName
    number: int
    phase: str
    before: str
    old: str
    new: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficChanged(EventBase):
    """The requests of a service are to be divided otherwise; every proxy follows."""

    kind: ClassVar[str] = "traffic-changed"
    service: ServiceName
    epoch: int
    words: str

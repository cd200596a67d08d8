"""Rollouts: how a service gets from one set of versions to another, as an operator wants it and as far as it has got.

The state (`Rollout`) is all that the next leader needs. It is changed by moves only, each one transaction with the
traffic epoch that belongs to it, and each decided by `mcp/rollout` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MINUTE, Duration, Instant
from hfs_appliance.model.shares import Factor, PerMille, Share
from hfs_appliance.model.traffic import EACH_REQUEST, Match, SplitKey, Traffic
from hfs_appliance.model.traffic import Share as TrafficShare


class Strategy(StrEnum):
    """How a new version takes over."""

    BLUE_GREEN = "blue-green"
    """All of the new beside all of the old, then all requests at once."""
    CANARY = "canary"
    """The same, but requests go over in steps, each baked and compared with the old version."""
    ROLLING = "rolling"
    """A batch at a time: some of the new come, as many of the old go. Needs little room, has no quick way back."""
    AB = "ab"
    """Several versions are to stay, each with its share; what is not desired any more goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a canary."""

    weight: PerMille
    """Of the requests, for the new version."""
    bake: Duration
    """Shortest time at this weight, from when every proxy serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How much worse than the old version the new one may be, over the same minutes."""

    error_factor: Factor = Factor(1200)
    """Of the old version's share of errors, …"""
    error_plus: Share = Share(1000)
    """… and so much more of the requests."""
    p95_factor: Factor = Factor(1200)
    """Of the old version's 95th percentile."""
    min_requests: int = 500
    """Of either version; with fewer, the rollout waits: silence proves nothing."""


STEPS: Final = (
    Step(weight=PerMille(50), bake=Duration(5 * MINUTE)),
    Step(weight=PerMille(500), bake=Duration(5 * MINUTE)),
)
GATE: Final = Gate()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """`[service.X.rollout]`."""

    strategy: Strategy = Strategy.BLUE_GREEN
    steps: tuple[Step, ...] = STEPS
    """Of a canary; their weights rise."""
    gate: Gate = GATE
    batch: PerMille = PerMille(250)
    """Of the instances, that a rolling rollout exchanges at a time; one at least."""
    progress_deadline: Duration = Duration(10 * MINUTE)
    """A rollout that gets no further for so long is given up."""
    revert_deadline: Duration = Duration(2 * MINUTE)
    """An abort waits for capacity of the old version so long at most; then it takes all requests whatever is there."""
    retain_old: Duration = Duration(5 * MINUTE)
    """How long the old version is kept warm after the new one has all requests: rollback takes one traffic epoch."""
    key: SplitKey = EACH_REQUEST


ROLLOUT: Final = RolloutSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants one of several versions to get."""

    weight: int | None = None
    """Compared with the other versions' weights; None of any: all by their numbers of instances, but those with 0."""
    matches: tuple[Match, ...] = ()


class RolloutPhase(StrEnum):
    """How far a rollout has got. Each but ABORT comes after the one before it."""

    PREFLIGHT = "preflight"
    """Every proxy is told who has the requests now: what comes up gets none by itself."""
    EXPAND = "expand"
    """Instances of the new version come up beside the old ones."""
    CANARY = "canary"
    """The new version has a step's share."""
    CUTOVER = "cutover"
    """The new version has all requests, as soon as every proxy has heard."""
    SOAK = "soak"
    """Promoted; the old version is kept warm."""
    CONTRACT = "contract"
    """What is not wanted any more leaves."""
    DONE = "done"
    """Nothing is in progress."""
    ABORT = "abort"
    """The old version gets all requests back."""


class Order(StrEnum):
    """What an operator asked of the rollout that runs; consumed by the next move."""

    PROMOTE = "promote"
    """Do not wait for the present step (or the soak) any longer."""
    PROMOTE_FULL = "promote-full"
    """Give the new version all requests."""
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Content of `rollouts/<service>`."""

    service: ServiceName
    phase: RolloutPhase
    target: Mapping[Version, int]
    """Versions that are rolled out, or stand promoted (DONE), with the instances wanted of each."""
    since: Instant
    """When this phase, or this step of it, began."""
    number: int = 0
    """Rollouts of this service up to this one."""
    strategy: Strategy = Strategy.BLUE_GREEN
    steps: tuple[Step, ...] = ()
    """As they were when it began: a changed file does not change what a step means."""
    step: int = 0
    before: Mapping[Version, int] = field(default_factory=dict)
    """Versions that had the requests when it began, with their instances; when DONE: those to which one may go back."""
    before_shares: tuple[TrafficShare, ...] = ()
    """How the requests were divided among them."""
    total: int = 0
    """Instances of all target versions when it began: the old ones follow when this changes."""
    began_at: Instant = Instant(0)
    progress: int = 0
    """Most instances of the target that have served at one time."""
    progress_at: Instant = Instant(0)
    """When it last got further; a pause takes no time."""
    epoch: int = 0
    """Last traffic epoch of the service."""
    served_at: Instant | None = None
    """Since when every proxy serves that epoch; None: not yet."""
    paused_at: Instant | None = None
    is_reverting: bool = False
    """It was given up: what is contracted is the target."""
    order: Order | None = None
    words: str = ""
    """Why it is in this phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of a rollout: everything in it is written in one transaction, or nothing."""

    service: ServiceName
    rollout: Rollout | None
    """The state that there must be; None: none, the service is not desired any more."""
    traffic: Traffic | None
    """The traffic entry that there must be; None: none."""
    versions: Mapping[Version, int] | None = None
    """Versions that the desired state goes back to, because the rollout failed; None: the desired state stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a rollout waits for, in words, and until when."""

    words: str
    until: Instant | None = None
    is_held: bool = False
    """It will not go on by itself: an operator, requests or room are needed."""

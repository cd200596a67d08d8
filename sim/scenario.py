"""Scenarios: a fleet and what happens to it, as plain values of integers and names; written as TOML, drawn by seed.

Everything about a fault is an integer and its targets are indices modulo what lives, so that a scenario stays valid
when a shrinker takes parts of it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from hfs_appliance.model.instants import DAY, HOUR, Duration, seconds
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase

Aim: TypeAlias = Phase | RolloutPhase
"""What a fault waits for: a server, or the rollout of a service, that comes into a phase."""


class Beginning(StrEnum):
    """What there is when the story begins."""

    STANDING = "standing"
    """A converged fleet, as a control plane before ours left it."""
    NOTHING = "nothing"
    """An empty registry and an empty cloud; faults fly while the fleet is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is done to the world; the menu (sim/faults) says what `target` and `amount` mean for its kind."""

    kind: str
    at: Duration
    """Since the story began: a fleet that stands has been taken over by then, one that is to be built has not."""
    lasts: Duration = seconds(0)
    """0: it is done and over at once."""
    target: int = 0
    """Index, modulo what lives then."""
    amount: int = 1
    """A number, a share per mille, a factor."""
    phase: Aim | None = None
    """It waits until hfs believes a server to be in this phase, and hits that one, or a rollout; None: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """One fault again and again, at a fixed pace."""

    fault: Fault
    """The first one."""
    every: Duration
    times: int | None = None
    """How often, in all; None: until the story ends."""
    step: int = 1
    """How far `target` moves each time; 0: always the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """Faults of one kind at any time: how often is fixed, when, where and how bad is drawn by seed."""

    kind: str
    per_day: int
    """How often in a day, rounded by chance for the length of the story."""
    per_servers: int | None = None
    """Count `per_day` for so many servers; None: whatever the size of the fleet."""
    lasts: tuple[Duration, Duration] | None = None
    """From and to; None: as the menu says."""
    amount: tuple[int, int] | None = None
    """From and to; None: as the menu says."""


class Follows(StrEnum):
    """What the size of a service that scales itself goes by."""

    REQUESTS = "requests"
    """Requests a second, as proxies count them."""
    CPU = "cpu"
    """Processor time, as agents measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The environment."""

    servers: int = 60
    """Instances of all services together; the pool comes on top."""
    per_service: int = 10
    zones: int = 3
    pool: int = 4
    """Warm servers."""
    pool_max: int | None = None
    """Most of them, where the pool follows what is claimed; None: always `pool`."""
    image_canary: int = 0
    """Servers that must come up by a new image before the pool is built by it."""
    max_servers: int = 100_000
    at_once: int = 50
    """Creations, and deletions, that go on at the same time."""
    destroys: int | None = None
    """Most servers that may be taken away within ten minutes; None: as many as hfs thinks right without being told."""
    poll: Duration = seconds(5)
    """How often the cloud's list is read."""
    session_timeout: Duration = seconds(6)
    appliances: int = 1
    """One leads, the others stand by."""
    grows_to: int = 0
    """Instances that a service may have when it follows its traffic by itself; 0: it does not."""
    follows: Follows = Follows.REQUESTS
    """What it follows then."""
    balancer: bool = False
    """Whether a load balancer stands before the proxies of the appliances."""
    build: Duration | None = None
    """Time from ACTIVE to a warm server; None: as measured, with all its tails."""


class Shape(StrEnum):
    """How the traffic of a service goes up and down."""

    STEADY = "steady"
    """`base`, always."""
    DAILY = "daily"
    """From `base` by night to `peak` half a period later, and back (L-3)."""
    SQUARE = "square"
    """`base` for half a period, `peak` for the other half (L-4)."""
    RAMP = "ramp"
    """From `base` to `peak` within one period, and no more back (L-5)."""
    TRACE = "trace"
    """As counted somewhere else, minute by minute (L-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What is asked of each service, and what one instance can do."""

    shape: Shape = Shape.STEADY
    base: int = 0
    """Requests a second of one service when least is asked."""
    peak: int = 0
    """When most is asked; for a trace: what its greatest minute is scaled to, 0 for as it was counted."""
    period: Duration = DAY
    apart: Duration = seconds(0)
    """Each service's curve comes so much after that of the service before it."""
    trace: tuple[int, ...] = ()
    """Requests of one service in each minute; afterwards it begins again."""
    capacity: int = 100
    """Requests a second that one instance can answer."""
    latency: Duration = seconds(0.02)
    """Time of an answer when an instance has nothing else to do."""
    busy: int = 800
    """Per mille of its capacity up to which an instance is as quick as it must be; what is needed is counted by it."""
    patience: Duration = seconds(10)
    """Clients give up after it."""
    retries: int = 0
    """So often a client comes back with a request that failed (L-9)."""

    @property
    def is_any(self) -> bool:
        """Tell whether anything is asked at all."""
        return bool(self.base or self.peak or self.trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the product must keep."""

    settle: Duration = seconds(1800)
    """After the last fault has ended, everything is as desired within this."""
    stays: Duration = seconds(600)
    """L1: and stays so for this long without one action: ten resyncs of the registry."""
    repair: Duration | None = None
    """No service lacks capacity for longer than this at a stretch, faults or not; None: not demanded."""
    healthy_destroyed: int = 0
    """Servers deleted though nothing was wrong with them and nobody had asked for fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A story that can be played with any seed."""

    name: str
    words: str
    """One line: what happens, and what is demanded."""
    lasts: Duration = HOUR
    """The part in which faults fly; settling comes after it."""
    begins: Beginning = Beginning.STANDING
    layout: Layout = Layout()
    traffic: Traffic = Traffic()
    bounds: Bounds = Bounds()
    has_mischief: bool = False
    """Whether unlikely things happen within the product, too (ports/mischief.py), and its tunables are perturbed."""
    faults: tuple[Fault, ...] = ()
    """In order of `at`."""
    repetitions: tuple[Repetition, ...] = ()
    chances: tuple[Chance, ...] = ()
    """Both become faults before the story is played (sim/unroll.py)."""

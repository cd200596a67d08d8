"""Reports: what the admin API answers and the commands print. Plain values that become JSON field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.leadership import Leader
from hfs_appliance.model.plan import Hold, PoolCount, VersionCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Why a service that scales itself has so many instances."""

    instances: int
    needed: int | None
    """By the load alone; null when nothing is known of it."""
    words: str
    signals: tuple[str, ...] = ()
    """What each target asks for, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyReport:
    """One proxy, as a load balancer's member or as one to be."""

    place: str
    """`address:port`."""
    weight: int | None
    """0: no new connections; null: it is no member."""
    rule: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerReport:
    """The load balancer before the proxies, as whoever leads sees it."""

    name: str
    address: str
    state: str
    proxies: tuple[ProxyReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`hfs status`: the environment at a glance."""

    environment: str
    generation: int
    converged: bool
    mode: str
    """`standby` (another one leads), `sync`, `active`, `observe` (blind or stale: nothing destructive), `closing`."""
    session: str
    """State of the registry session."""
    endpoint: str
    """URL of the endpoint."""
    uptime_s: int
    services: Mapping[ServiceName, Mapping[Version, VersionCount]]
    pools: Mapping[PoolName, PoolCount]
    servers_by_phase: Mapping[str, int]
    servers_total: int
    servers_max: int
    routed: Mapping[ServiceName, int]
    """Members that the proxy serves, by service."""
    holds: tuple[Hold, ...] = ()
    leader: Leader | None = None
    """Who leads the environment; None: nobody now, or not known."""
    standing_by: tuple[str, ...] = ()
    """The other appliances that live, by name."""
    scaling: Mapping[ServiceName, Scaling] = field(default_factory=dict)
    """Services that scale themselves."""
    balancer: BalancerReport | None = None
    """None: there is none, or this appliance does not lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """Another appliance leads."""

    leader: Leader


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """One server as MCP sees it."""

    server: ServerId
    phase: str
    rule: str
    words: str
    since: str
    """ISO 8601."""
    pool: str
    az: str
    address: str
    service: str | None
    version: str | None
    slot: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """One event as a machine reads it."""

    seq: int
    at: str
    actor: str
    kind: str
    severity: str
    cause: int | None
    fields: Mapping[str, str | int | None]
    line: str
    """The event in words, one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two desired states."""

    path: str
    """`service.dns.version."1.4.2".instances`."""
    before: str
    """Empty: was not there."""
    after: str
    """Empty: will not be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step that would be taken."""

    verb: str
    """`create`, `claim`, `drain`, `delete`, …"""
    subject: str
    """Server, or what it will be called."""
    service: str | None
    version: str | None
    cause: str
    words: str
    after_s: int | None = 0
    """Seconds from now; null: it follows on something of which nobody knows how long it takes."""
    is_under_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrippedGuard:
    """A guard that would trip on the way."""

    scope: str
    rule: str
    words: str
    after_s: int | None
    lasts_s: int | None
    is_lasting: bool
    """It does not end by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """What a plan takes of one scope's destruction budget."""

    scope: str
    spent: int
    """Servers, over the whole course."""
    most: int
    """Tokens held at one time, earlier ones included."""
    allowed: int
    """Within one window."""
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """`hfs plan`: what would change and what would be done, until quiet, if nothing goes wrong on the way."""

    generation: int
    """Generation on which the plan is based; `apply` refuses when it has moved on."""
    changes: tuple[Change, ...]
    steps: tuple[PlannedStep, ...]
    """In the order of time; what happens by itself is among them."""
    holds: tuple[Hold, ...]
    """What is withheld now."""
    hash: str
    """Of the generation, the changes and what leaves by them; not of what happens by itself meanwhile."""
    outcome: str = "quiet"
    """`quiet` (all is as asked for), `held` (nothing more happens by itself), `cut` (too long to be worked out)."""
    duration_s: int | None = 0
    """By the usual times of this environment; null: not all of them are known."""
    unmeasured: tuple[str, ...] = ()
    """Stages that were never measured here: `start of dns`."""
    servers_now: int = 0
    servers_peak: int = 0
    servers_max: int = 0
    creating_peak: int = 0
    creating_max: int = 0
    budget: tuple[BudgetUse, ...] = ()
    guards: tuple[TrippedGuard, ...] = ()
    restart_needed: tuple[str, ...] = field(default=())
    """Keys whose change takes effect only when `hfs run` is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCard:
    """`hfs holds`: what is withheld, on what evidence, and what an operator may do about it."""

    scope: str
    rule: str
    words: str
    until: str | None
    """When it ends by time alone."""
    amount: int
    """How many servers it is about, where they can be counted."""
    choices: tuple[str, ...]
    """Commands with what they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """`hfs adopt`: registry and fleet belong together from now on."""

    uuid: str
    project: str
    servers: int
    """Servers that the cloud lists."""
    recorded: int
    """Those of them that had no record."""
    next_serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A new generation is stored."""

    generation: int
    changes: tuple[Change, ...]

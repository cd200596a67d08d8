"""What `hfs explain` answers: all that concerns one server, one service, or one path of the endpoint.

Plain values that become JSON field by field; `kind` tells a reader which of the three it has before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.plan import Hold, PoolCount, VersionCount
from hfs_appliance.model.reports import EventReport, Scaling, ServerReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that is under way or to come, and what it waits for."""

    what: str
    words: str
    since: str | None = None
    """ISO 8601; None: not known, or not yet begun."""
    until: str | None = None
    """ISO 8601: what waits is given up, or tried again, then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerExplanation:
    """One server: which rule, since when, on what evidence."""

    report: ServerReport
    evidence: Mapping[str, str]
    """What each witness says, by source (`record`, `cloud`, `pool`, `registration`, `probe`), in words."""
    waits: tuple[Waiting, ...]
    holds: tuple[Hold, ...]
    events: tuple[EventReport, ...]
    log: str
    """Tail of the server's own log."""
    kind: Literal["server"] = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What one version gets of a service's requests."""

    version: Version
    weight: int
    """Per mille of the requests that no match takes."""
    members: int
    matches: tuple[str, ...] = ()
    """`header X-Beta = yes`: who carries this gets this version, whatever the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport:
    """One instance, and whether requests reach it."""

    instance: str
    version: Version
    address: str
    """`address:port`; empty while it is nowhere registered."""
    traffic: str
    """`yes`, `standby` (only when everyone else has failed) or `no`."""
    phase: str
    """Of its server; empty when it runs on none of ours."""
    words: str
    """Why it is in traffic, or is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingReport:
    """How the endpoint serves a service."""

    divided_by: str
    """What a request is divided by, in words; empty: evenly over all members."""
    divisions: tuple[Division, ...]
    members: tuple[MemberReport, ...]
    """Those in traffic first."""
    epoch: int
    """Traffic epoch that is served; 0: none was ever made."""
    words: str
    """Whether what is served is what should be, and why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReport:
    """How a service's Swagger/OpenAPI document fares."""

    state: str
    """`current`, `stale` (the last good one stands in), `missing`, `none` (it has none), `unknown` (not asked yet)."""
    operations: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceExplanation:
    """One service: how many are wanted and serve, why not all of them, and what is done about it."""

    service: ServiceName
    versions: Mapping[Version, VersionCount]
    floor: int
    pool: str
    pool_count: PoolCount | None
    scaling: Scaling | None
    """None: it does not scale itself."""
    servers: tuple[ServerReport, ...]
    """Its servers: those that do not simply serve come first."""
    waits: tuple[Waiting, ...]
    holds: tuple[Hold, ...]
    routing: RoutingReport | None
    """None: the endpoint has no route to it."""
    document: DocumentReport
    events: tuple[EventReport, ...]
    kind: Literal["service"] = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathExplanation:
    """One path of the endpoint: who answers it."""

    path: str
    url: str
    words: str
    """Who answers, and how the path is written for it."""
    service: ServiceName | None
    """None: the endpoint answers itself."""
    upstream_path: str
    """The path as an instance sees it; empty when none does."""
    routing: RoutingReport | None
    document: DocumentReport | None
    holds: tuple[Hold, ...]
    events: tuple[EventReport, ...]
    kind: Literal["path"] = "path"


Explained: TypeAlias = ServerExplanation | ServiceExplanation | PathExplanation

"""The route table: everything the proxy must know, made of typed fields only.

No text of a service's or a tenant's making gets in here but through the closed grammars of `model.ids` and
`model.traffic`, and an IP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.maps import differing
from hfs_appliance.model.traffic import EACH_REQUEST, Match, SplitKey

HEALTH_PATH: Final = "/-/health"
"""Answers 200 wherever the proxy does: for load balancers, and for hfs itself. No service can have that name."""


class OddField(ValueError):
    """A field of the table is outside its grammar: refused, never escaped."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    """One instance behind a route."""

    address: str
    port: int
    version: Version
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The members of one version, and which requests are theirs."""

    version: Version
    weight: int
    """Per mille of the requests that no match takes."""
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`/<service>/…` goes to these members. Without members it answers 503 with Retry-After."""

    service: ServiceName
    base_path: str
    members: tuple[Member, ...]
    """Sorted."""
    groups: tuple[Group, ...] = ()
    """How requests are divided, each group with members, the weights whole together; empty: evenly over all members."""
    key: SplitKey = EACH_REQUEST
    """What the division by weight is drawn from."""
    standby: tuple[Member, ...] = ()
    """Sorted. They get a request only when everyone that should have it has failed."""
    epoch: int = 0
    """Traffic epoch that the route follows; no part of the digest, for nothing is served otherwise for it."""
    digest: str = field(init=False, compare=False, repr=False)
    """Changes with what is served: made once, for most routes of a table are those of the table before."""

    def __post_init__(self) -> None:
        text = "\n".join(_lines(self))
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest()[:24])

    @property
    def reachable(self) -> Iterator[Member]:
        """Give everyone to whom a request may go."""
        yield from self.members
        yield from self.standby


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """What one endpoint serves."""

    address: str
    port: int
    connect_timeout: Duration
    response_timeout: Duration
    routes: Mapping[ServiceName, Route] = field(default_factory=dict)
    """By service; written out in sorted order."""

    def digest(self) -> str:
        """Give 12 hexadecimal digits that change with what is served and with nothing else."""
        lines = [f"{self.address} {self.port} {self.connect_timeout} {self.response_timeout}"]
        lines += [f"{name} {route.digest}" for name, route in sorted(self.routes.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def is_urgent(before: RouteTable | None, after: RouteTable) -> bool:
    """Tell whether requests go wrong for as long as `after` is not served: then clients are not waited for.

    So it is for a new traffic epoch, for it may be a rollback, and for a service that nobody could answer for.
    """
    if before is None:
        return True
    for name in differing(before.routes, after.routes):
        old, new = before.routes.get(name), after.routes.get(name)
        if new is not None and (old is None or old.epoch != new.epoch or (new.members and not old.members)):
            return True
    return False


def _lines(route: Route) -> Iterator[str]:
    yield f"{route.service} {route.base_path}"
    for group in route.groups:
        matches = " ".join(f"{match.carrier}:{match.name}={match.value}" for match in group.matches)
        yield f"split {group.version} {group.weight} {matches} {route.key.by}:{route.key.cookie}"
    for member in route.members:
        yield f"{member.address} {member.port} {member.version} {member.instance}"
    for member in route.standby:
        yield f"standby {member.address} {member.port} {member.version} {member.instance}"

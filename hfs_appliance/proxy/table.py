"""The route table: everything the proxy must know, made of typed fields only.

No text of a service's or a tenant's making gets in here but through the closed grammars of `model.ids` and an IP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Duration


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    """One instance behind a route."""

    address: str
    port: int
    version: Version
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`/<service>/…` goes to these members. Without members it answers 503 with Retry-After."""

    service: ServiceName
    base_path: str
    members: tuple[Member, ...]
    """Sorted."""


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
        """Give 12 hexadecimal digits that change with the content and with nothing else."""
        lines = [f"{self.address} {self.port} {self.connect_timeout} {self.response_timeout}"]
        for name in sorted(self.routes):
            route = self.routes[name]
            lines.append(f"{name} {route.base_path}")
            lines.extend(f"{m.address} {m.port} {m.version} {m.instance}" for m in route.members)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]

"""The foundation: what servers of a cloud stand on, as far as hfs is to make it, and hfs's events about it.

Its pieces are made by `hfs bootstrap` and removed by `hfs destroy`; `hfs run` only uses them. What is not named here is
there already, or it is not wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from hfs_appliance.model.event import EventBase, Severity

RULE: Final = re.compile(r"(?P<protocol>tcp|udp|icmp)(/(?P<low>\d{1,5})(-(?P<high>\d{1,5}))?)?( from (?P<source>\S+))?")
"""A way in, as `FoundationGroup.allow` has it."""
MEMBERS: Final = "members"
"""Source of a rule: the servers of the group itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationNetwork:
    """A network with one subnet, and perhaps a router that leads out of it."""

    cidr: str
    external: str = ""
    """Name or id of the network that its router leads to; empty: no router."""
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationGroup:
    """A security group: all ways out are open, and these ways in."""

    allow: tuple[str, ...]
    """`tcp/80`, `tcp/8000-8099 from 10.0.0.0/8`, `udp/53 from members`, `icmp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationKey:
    """A key pair, of which the cloud gets the public part."""

    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationPlacement:
    """A server group."""

    policy: str = "soft-anti-affinity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """All that hfs makes beside servers and their load balancer; the names are the environment's own."""

    network: Mapping[str, FoundationNetwork] = field(default_factory=dict)
    security_group: Mapping[str, FoundationGroup] = field(default_factory=dict)
    keypair: Mapping[str, FoundationKey] = field(default_factory=dict)
    server_group: Mapping[str, FoundationPlacement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationChanged(EventBase):
    """A piece of the foundation was made or removed, or is being so."""

    kind: ClassVar[str] = "foundation-changed"
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationRefused(EventBase):
    """The cloud did not do what was asked of it for the foundation; told once for each reason."""

    kind: ClassVar[str] = "foundation-refused"
    severity: ClassVar[Severity] = Severity.WARNING
    words: str

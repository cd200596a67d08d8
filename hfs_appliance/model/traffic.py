"""Traffic epochs: how the requests of a service are divided among its versions, and which proxies do so already.

One writer, the leader; every proxy reads and acknowledges. Weights are integers per mille: no proxy rounds them as
another one does not. Everything here has a closed grammar, because it reaches nginx.conf; `oddity` says what breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hfs_appliance.model.ids import ServiceName, Version, is_name, is_version

WHOLE: Final = 1000
"""All requests that no match has taken: the sum of the weights."""

HEADER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
COOKIE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,62}")
VALUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,62}")


class Carrier(StrEnum):
    """What of a request a match looks at."""

    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Requests that carry exactly this go to one version, whatever the weights. The case of letters is ignored."""

    carrier: Carrier
    name: str
    value: str


class SplitBy(StrEnum):
    """Which requests stay together when a split by weight is drawn."""

    REQUEST = "request"
    """None: each request for itself. The split is as exact as it can be."""
    ADDRESS = "address"
    """Those of one client address."""
    COOKIE = "cookie"
    """Those with one value of a cookie; requests without it each for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitKey:
    """What a split by weight is drawn from."""

    by: SplitBy = SplitBy.REQUEST
    cookie: str = ""
    """Name of the cookie, with SplitBy.COOKIE."""


EACH_REQUEST: Final = SplitKey()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one version gets."""

    version: Version
    weight: int
    """Per mille of the requests that no match takes. 0 and no match: kept warm, used only when all else fails."""
    instances: int
    """Instances that the version should have: how many may be missed before silence is doubted."""
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Content of `traffic/<service>`: one epoch. Versions that it does not name get no requests."""

    service: ServiceName
    epoch: int
    """Rises with each change, over all rollouts of the service."""
    shares: tuple[Share, ...]
    """Newest version first: a client that a growing weight has once reached stays reached."""
    key: SplitKey = EACH_REQUEST


class ProxyState(StrEnum):
    """What a proxy says of itself, the best first."""

    SERVES = "serves"
    """It serves what it should."""
    BEHIND = "behind"
    """It serves, but has not taken what it should serve."""
    DOWN = "down"
    """Nothing answers there: its process does not run, and cannot be started."""
    LEAVING = "leaving"
    """It serves, and ends when its drain is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyServes:
    """Content of `proxies/<id>` (ephemeral): which traffic epochs one proxy follows, and how it is."""

    proxy: str
    epochs: Mapping[ServiceName, int] = field(default_factory=dict)
    """By service; written anew only when they change, whatever else the proxy is given to serve."""
    address: str = ""
    """Where a load balancer reaches it; empty: no load balancer is to send it anything."""
    port: int = 0
    state: ProxyState = ProxyState.SERVES
    words: str = ""
    """Why it is so."""


def oddity(traffic: Traffic) -> str:
    """Say what is wrong with a traffic entry; empty when it is sound."""
    versions = [share.version for share in traffic.shares]
    matches = [match for share in traffic.shares for match in share.matches]
    if not is_name(traffic.service):
        return f"service {traffic.service[:80]!r}"
    if odd := [version for version in versions if not is_version(version)]:
        return f"version {odd[0][:80]!r}"
    if len(set(versions)) < len(versions):
        return "a version stands there twice"
    if any(share.weight < 0 or share.instances < 0 for share in traffic.shares):
        return "a weight or a number of instances is negative"
    if sum(share.weight for share in traffic.shares) != WHOLE:
        return f"the weights are not {WHOLE} together"
    if odd_matches := [match for match in matches if not is_match(match)]:
        return f"match {odd_matches[0]}"
    if len({(m.carrier, m.name.lower(), m.value.lower()) for m in matches}) < len(matches):
        return "a match stands there twice"
    if traffic.key.by is SplitBy.COOKIE and not COOKIE.fullmatch(traffic.key.cookie):
        return f"cookie {traffic.key.cookie[:80]!r}"
    return ""


def is_match(match: Match) -> bool:
    """Tell whether a match is within the grammar."""
    name = HEADER if match.carrier is Carrier.HEADER else COOKIE
    return name.fullmatch(match.name) is not None and VALUE.fullmatch(match.value) is not None

"""Who is behind a route: the servers that nginx tries, put together with those that are like them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Duration, Instant
from sim.servers import SimServer
from sim.servicefaults import ServiceFaults
from sim.traffic.load import FULL, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Members that are alike, and the servers that they are."""

    group: Group
    servers: tuple[SimServer, ...]


def tried(
    members: Iterable[tuple[Version, SimServer | None]],
    faults: ServiceFaults,
    hot: Mapping[str, int],
    *,
    now: Instant,
    waits: Duration,
) -> tuple[Tried, ...]:
    """Give those that nginx tries; who refuses, is dark, or was once waited for in vain for `waits`, is passed over."""
    alike: dict[tuple[Version, int, int, bool, int], list[SimServer]] = {}
    for version, server in members:
        if server is None:
            continue
        extra = hot.get(server.machine.spec.server, 0) if hot else 0
        if server.is_serving:
            slowness = server.slowness * faults.slow_versions.get(version, FULL)
            errors = max(server.errors, faults.erring_versions.get(version, 0))
            alike.setdefault((version, slowness, errors, False, extra), []).append(server)
        elif server.is_hanging and now < patience_ends(server, waits):
            alike.setdefault((version, FULL, 0, True, extra), []).append(server)
    return tuple(
        Tried(
            group=Group(
                version=version, members=len(servers), slowness=slowness, errors=errors, hangs=hangs, extra=extra
            ),
            servers=tuple(servers),
        )
        for (version, slowness, errors, hangs, extra), servers in alike.items()
    )


def patience_ends(server: SimServer, waits: Duration) -> int:
    """Give the instant from which nginx passes a hanging server over."""
    assert server.hung_since is not None
    return server.hung_since + waits


def too_busy(server: SimServer, latency: int) -> bool:
    """Tell whether a server's agent waits in vain for the answers to its probes."""
    return server.assignment is not None and latency > server.assignment.health.timeout

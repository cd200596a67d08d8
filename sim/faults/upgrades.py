"""Upgrades that operators ask for with `hfs upgrade`, good ones and bad ones (H4, H8).

A bad one is hfs's to take back. Only where no instance of a good version gets requests there is nothing to go back to:
then whoever asked for it puts it right once the story is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.rollout import Strategy
from hfs_appliance.runtime.control import ApplianceControl
from sim.asking import AUTHOR, Request
from sim.faults.menu import Struck, kind
from sim.faults.places import service_of
from sim.truth import VersionOffered

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

BAD: Final = "bad"
"""How the names of versions end that are no good."""
WITHOUT_FIGURES: Final = (Strategy.BLUE_GREEN, Strategy.ROLLING)
CRASHES_AFTER: Final = Duration(MINUTE)
"""So long instances of a version that crashes have served."""
PATIENCE: Final = 1_800
"""Seconds until all instances of a version serve, at the most."""
SEVERAL: Final = 2
"""Of a single instance nobody could tell whether it or its version is no good."""
LOOKS: Final = 60
"""So often it is looked whether any serve, once a second counted from when they might."""
ERRORS: Final = 50
"""Per mille."""
SLOWER: Final = (2000, 1300)
"""Per mille of the time that the old version takes."""


@kind(
    "upgrade-good",
    "H4",
    words="`hfs upgrade` of a service to a good version; target: which; amount: 0 blue-green, 1 rolling",
    amounts=(0, len(WITHOUT_FIGURES) - 1),
)
def upgrade_good(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version with which nothing is wrong."""
    service, version = service_of(sim, fault), _version(sim, "good")
    strategy = WITHOUT_FIGURES[fault.amount % len(WITHOUT_FIGURES)]
    _offer(sim, service, version, strategy, is_good=True)
    return Struck(words=f"{service} is upgraded to {version}, {strategy}")


@kind(
    "upgrade-late-bad",
    "V9",
    words="`hfs upgrade` to a good version, of several instances the last one to serve crashes for good; target: which",
)
def upgrade_late_bad(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a good version; one server that got it is no good, which shows late."""
    service, version = service_of(sim, fault), _version(sim, "good")
    _offer(sim, service, version, Strategy.BLUE_GREEN, is_good=True)
    count = len(list(_serving(sim, service)))
    if count < SEVERAL:
        return Struck(words=f"{service} is upgraded to {version}")
    _spoil_the_last(sim, service, version, count, PATIENCE)
    return Struck(words=f"{service} is upgraded to {version}, of which one instance of {count} crashes, late")


@kind(
    "upgrade-bad",
    "H8",
    words="`hfs upgrade` of a service to a version that never comes up (amount 0) or crashes once it serves (1)",
    amounts=(0, 1),
)
def upgrade_bad(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version that is no good."""
    service, version = service_of(sim, fault), _version(sim, BAD)
    _offer(sim, service, version, Strategy.BLUE_GREEN, is_good=False)
    if not fault.amount:
        sim.service_faults.broken_versions.add(version)
        return Struck(words=f"{service} is upgraded to {version}, which never comes up")
    _crash_later(sim, service, version, LOOKS)
    return Struck(words=f"{service} is upgraded to {version}, which crashes once it serves")


@kind(
    "canary-good",
    "H4",
    words="`hfs upgrade --strategy canary` of a service to a good version; target: which",
    needs_traffic=True,
)
def canary_good(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a good version, to be compared with the old one."""
    service, version = service_of(sim, fault), _version(sim, "good")
    _offer(sim, service, version, Strategy.CANARY, is_good=True)
    return Struck(words=f"{service} is upgraded to {version}, canary")


@kind(
    "canary-bad",
    "H8",
    words="`hfs upgrade --strategy canary` to a version with 5 % errors (amount 0), twice as slow (1), 30 % slower (2)",
    amounts=(0, len(SLOWER)),
    needs_traffic=True,
)
def canary_bad(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version of which only its figures show that it is no good."""
    service, version = service_of(sim, fault), _version(sim, BAD)
    _offer(sim, service, version, Strategy.CANARY, is_good=False)
    if fault.amount:
        slower = sim.service_faults.slow_versions[version] = SLOWER[fault.amount - 1]
        return Struck(words=f"{service} is upgraded to {version}, which takes {slower // 10} % of the time")
    sim.service_faults.erring_versions[version] = ERRORS
    return Struck(words=f"{service} is upgraded to {version}, which answers {ERRORS} of 1,000 requests with errors")


def _version(sim: Simulation, kind_of: str) -> Version:
    return Version(f"2.0.{sim.clock.now() // SECOND}-{kind_of}")


def _offer(sim: Simulation, service: ServiceName, version: Version, strategy: Strategy, *, is_good: bool) -> None:
    sim.truth.tell(VersionOffered(service=service, version=version, is_good=is_good))
    sim.ask(f"upgrade {service} to {version}", _upgrading(service, version, strategy))
    if not is_good and not _has_good_instances(sim, service):
        good = next(iter(sim.desired.services[service].versions))
        sim.amends["upgrade", service] = lambda: sim.ask(
            f"put {service} right with {good}", _putting_right(service, good), insists=True
        )


def _has_good_instances(sim: Simulation, service: ServiceName) -> bool:
    """Tell whether a good version answers requests; one that only stands by has been replaced already."""
    route = sim.proxy.table.routes.get(service) if sim.proxy.table is not None else None
    routed = {member.instance for member in route.members} if route is not None else set()
    return any(server in routed and not _is_bad(version) for server, version in _serving(sim, service))


def _serving(sim: Simulation, service: ServiceName) -> Iterator[tuple[ServerId, Version]]:
    """Give each instance of a service that answers."""
    for server in sim.servers():
        if server.is_serving and server.assignment is not None and server.assignment.service == service:
            yield server.assignment.server, server.assignment.version


def _is_bad(version: Version) -> bool:
    return version.endswith(f"-{BAD}")


def _putting_right(service: ServiceName, good: Version) -> Request:
    """Give the request for a good version, if by then none is wanted."""

    async def put_right(control: ApplianceControl) -> object:
        wanted = [version for version, counts in control.status().services.get(service, {}).items() if counts.desired]
        if wanted and all(_is_bad(version) for version in wanted):
            return await control.upgrade(service, good, Strategy.BLUE_GREEN, AUTHOR)
        return None

    return put_right


def _upgrading(service: ServiceName, version: Version, strategy: Strategy) -> Request:
    return lambda control: control.upgrade(service, version, strategy, AUTHOR)


def _crash_later(sim: Simulation, service: ServiceName, version: Version, left: int) -> None:
    """Have all instances of a version crash for good, a while after the first one serves."""

    def look() -> None:
        servers = sim.serving(service, version)
        if servers:
            sim.service_faults.broken_versions.add(version)
            for server in servers:
                sim.server(server).crash_service()
        elif left:
            _crash_later(sim, service, version, left - 1)

    sim.clock.after(CRASHES_AFTER, look)


def _spoil_the_last(sim: Simulation, service: ServiceName, version: Version, count: int, left: int) -> None:
    """Have one instance of a version crash for good once so many serve: the last one of them."""

    def look() -> None:
        servers = sim.serving(service, version)
        if len(servers) >= count:
            last = sim.server(servers[-1])
            last.is_broken = True
            last.crash_service()
        elif left:
            _spoil_the_last(sim, service, version, count, left - 1)

    sim.clock.after(SECOND, look)

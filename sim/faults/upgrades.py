"""Upgrades that operators ask for with `hfs upgrade`, good ones and bad ones (H4, H8); nobody takes a bad one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.rollout import Strategy
from sim.asking import AUTHOR, Request
from sim.faults.menu import Struck, kind
from sim.faults.places import service_of

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

WITHOUT_FIGURES: Final = (Strategy.BLUE_GREEN, Strategy.ROLLING)
CRASHES_AFTER: Final = Duration(MINUTE)
"""So long instances of a version that crashes have served."""
LOOKS: Final = 60
"""So often it is looked whether any serve, once a second counted from when they might."""
ERRORS: Final = 50
"""Per mille."""
SLOWER: Final = 2
"""Times: the smallest that the simulated services know."""


@kind(
    "upgrade-good",
    "H4",
    words="`hfs upgrade` of a service to a good version; target: which; amount: 0 blue-green, 1 rolling",
    amounts=(0, len(WITHOUT_FIGURES) - 1),
    is_drawn=False,
)
def upgrade_good(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version with which nothing is wrong."""
    service, version = service_of(sim, fault), _version(sim, "good")
    strategy = WITHOUT_FIGURES[fault.amount % len(WITHOUT_FIGURES)]
    sim.ask(f"upgrade {service} to {version}", _upgrading(service, version, strategy))
    return Struck(words=f"{service} is upgraded to {version}, {strategy}")


@kind(
    "upgrade-bad",
    "H8",
    words="`hfs upgrade` of a service to a version that never comes up (amount 0) or crashes once it serves (1)",
    amounts=(0, 1),
    is_drawn=False,  # a fleet of one service takes its crash for a storm over all, which waits for a person
)
def upgrade_bad(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version that is no good."""
    service, version = service_of(sim, fault), _version(sim, "bad")
    sim.ask(f"upgrade {service} to {version}", _upgrading(service, version, Strategy.BLUE_GREEN))
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
    is_drawn=False,
)
def canary_good(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a good version, to be compared with the old one."""
    service, version = service_of(sim, fault), _version(sim, "good")
    sim.ask(f"upgrade {service} to {version}", _upgrading(service, version, Strategy.CANARY))
    return Struck(words=f"{service} is upgraded to {version}, canary")


@kind(
    "canary-bad",
    "H8",
    words="`hfs upgrade --strategy canary` to a version with 5 % errors (amount 0) or one twice as slow (1)",
    amounts=(0, 1),
    needs_traffic=True,
    is_drawn=False,
)
def canary_bad(sim: Simulation, fault: Fault) -> Struck:
    """Ask for a version of which only its figures show that it is no good."""
    service, version = service_of(sim, fault), _version(sim, "bad")
    sim.ask(f"upgrade {service} to {version}", _upgrading(service, version, Strategy.CANARY))
    if fault.amount:
        sim.service_faults.slow_versions[version] = SLOWER
        return Struck(words=f"{service} is upgraded to {version}, which is {SLOWER} times as slow")
    sim.service_faults.erring_versions[version] = ERRORS
    return Struck(words=f"{service} is upgraded to {version}, which answers {ERRORS} of 1,000 requests with errors")


def _version(sim: Simulation, kind_of: str) -> Version:
    return Version(f"2.0.{sim.clock.now() // SECOND}-{kind_of}")


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

"""How long the stages of a simulated server's life take, each with the source of its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.desired import Health
from hfs_appliance.model.instants import SECOND
from sim.streams import Table

BOOTING: Final = Table.of_ms((0, 10_000), (500, 25_000), (990, 60_000), (1000, 120_000))
"""Power to agent; an assumption for VMs with a full operating system."""
UPDATES: Final = Table.of_ms((0, 5_000), (500, 30_000), (990, 120_000), (1000, 300_000))
"""An assumption: package updates of an image that is days old."""
CONFIGURATION: Final = Table.of_ms((0, 4_100), (500, 12_000), (990, 40_000), (1000, 90_000))
"""Puppet 7.23 takes 4.1 to 4.7 CPU s for five resources (shared/design/measured-floors.md)."""
STARTING: Final = Table.of_ms((0, 300), (500, 1_500), (990, 8_000), (1000, 20_000))
"""Role taken to the first good answer of the service: an assumption."""
SLOW_BOOT: Final = 20
"""V13: what a slow boot takes, times that of a usual one: the tail that a busy hypervisor has."""
RUN_AGAIN: Final = 30 * SECOND
"""Between a configuration run that failed and the next one: an assumption."""
RESTARTING: Final = Table.of_ms((0, 500), (1000, 5_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPace:
    """How long the stages of a server's life take."""

    booting: Table = BOOTING
    updates: Table = UPDATES
    configuration: Table = CONFIGURATION
    starting: Table = STARTING
    agent_restarting: Table = RESTARTING


def patience(health: Health) -> int:
    """Give the time in which so many probes in a row fail that the agent takes the instance out of traffic."""
    return health.unhealthy_after * max(health.interval, health.timeout)

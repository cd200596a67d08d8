"""One machine of the simulated datacentre: what the cloud says of it, what runs on it, and how long things take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MINUTE
from hfs_appliance.model.observed import CloudServer
from hfs_appliance.ports.cloud import ServerSpec
from sim.streams import Table
from sim.truth import Condition


class Life(Protocol):
    """What runs on a machine."""

    def power_on(self) -> None:
        """Begin, or begin again with what is on the disk."""
        ...

    def power_off(self) -> None:
        """End at once."""
        ...

    @property
    def condition(self) -> Condition:
        """Tell how it really is."""
        ...

    @property
    def role(self) -> tuple[ServiceName, Version] | None:
        """Tell what it serves, or is to serve."""
        ...


@dataclass(slots=True, eq=False)
class Machine:
    """One machine."""

    spec: ServerSpec
    host: str
    listed: CloudServer
    """What the cloud says of it."""
    life: Life | None = None
    is_switched_on: bool = False
    """Whether it would run if it had power."""
    outages: int = 0
    """How many power failures it is under."""
    is_never_booting: bool = False
    is_vanished: bool = False
    """Whether somebody else has deleted it."""

    @property
    def is_running(self) -> bool:
        """Tell whether it has power and uses it."""
        return self.is_switched_on and not self.outages


Birth: TypeAlias = Callable[[Machine], Life | None]


# What follows from a quiet cloud is measured (shared/openstack/README.md); the tails are assumptions.
API: Final = Table.of_ms((0, 30), (500, 100), (990, 1_500), (1000, 6_000))
"""One way; a POST takes 0.2 s when Nova is quiet, 7.5 s when it is busy."""
BUILDING: Final = Table.of_ms((0, 1_500), (500, 2_300), (990, 15_000), (1000, 40_000))
"""POST to ACTIVE: 1.5 to 2.3 s one at a time."""
DELETING: Final = Table.of_ms((0, 500), (500, 800), (990, 10_000), (1000, 60_000))
STALLED: Final = 30 * MINUTE
"""A stalled deletion is reaped after this (nova: running_deleted_instance_poll_interval)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the cloud takes."""

    api: Table = API
    building: Table = BUILDING
    deleting: Table = DELETING
    stalled: int = STALLED

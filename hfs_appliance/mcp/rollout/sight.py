"""What the rollout machine sees of one service. The registry must be fresh: a blind machine is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.load import ServiceLoad
from hfs_appliance.model.rollout import Rollout
from hfs_appliance.model.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Instances of one version."""

    present: int
    """Whatever has the role and does not leave."""
    serving: int
    wavering: int = 0
    """Have lost their registration moments ago and may come back any moment."""
    leaving: int = 0


NOBODY = Fleet(present=0, serving=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One service, now."""

    now: Instant
    service: Service
    """As desired; versions with 0 instances count as not desired."""
    rollout: Rollout | None
    traffic: Traffic | None
    fleet: Mapping[Version, Fleet]
    lagging: tuple[str, ...] | None
    """Proxies that do not serve the traffic entry's epoch yet; None: no proxy is known."""
    room: int
    """Servers that may still be had for new instances."""
    load: ServiceLoad | None = None
    failures: Mapping[Version, Setback] = field(default_factory=dict)
    known_since: Instant = Instant(0)
    """When we could see again: nobody is late for what happened while we could not look."""

    @property
    def wanted(self) -> dict[Version, int]:
        """Give the desired versions with their counts, in order."""
        return {version: count for version, count in sorted(self.service.versions.items()) if count > 0}

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether every proxy serves the present epoch."""
        return self.lagging == ()

    def of(self, version: Version) -> Fleet:
        """Give the instances of a version."""
        return self.fleet.get(version, NOBODY)

    def is_up(self, versions: Iterable[Version]) -> bool:
        """Tell whether any instance of some versions serves, or did moments ago."""
        return any(self.of(version).serving or self.of(version).wavering for version in versions)

    def serving(self, counts: Mapping[Version, int]) -> int:
        """Give how many of so many instances serve; more of one version do not stand in for another."""
        return sum(min(self.of(version).serving, count) for version, count in counts.items())

    def present(self) -> dict[Version, int]:
        """Give the numbers of instances that there are."""
        return {version: fleet.present for version, fleet in sorted(self.fleet.items()) if fleet.present}

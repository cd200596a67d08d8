"""The guard: how much hfs may destroy, and what it takes for nothing of the kind. The `[guard]` of a file, checked.

Defaults are those that an operator of some hundred servers would keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from hfs_appliance.model.instants import HOUR, MINUTE, Duration
from hfs_appliance.model.shares import Share, part_of, percent

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyBudget:
    """How many servers may be taken away within a window, whatever the cause."""

    percent: Share = percent(10)
    """Of the servers that there are."""
    min: int = 3
    """At least this many, however few servers there are."""
    max: int = 20
    """At most this many, however many servers there are."""
    window: Duration = Duration(10 * MINUTE)

    def tokens(self, servers: int) -> int:
        """Give how many of so many servers may be taken away within one window."""
        return min(self.max, max(self.min, part_of(servers, self.percent)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """How many losses at once are too many to be believed."""

    percent: Share = percent(30)
    min: int = 3
    """Fewer are no storm, whatever their share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """How long, and how many, sick servers are kept to be looked at."""

    keep: Duration = Duration(6 * HOUR)
    max: int = 0
    """Of one service, or of one pool's failed builds; the oldest leaves for a newer one. They cost as others do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The limits of one environment."""

    destroy_budget: DestroyBudget = DestroyBudget()
    storm: Storm = Storm()
    shrink_confirm: Share = percent(25)
    """A change of the desired state that removes a larger share of instances must be confirmed."""
    quarantine: Quarantine = Quarantine()


def _own(own: T | None, common: T) -> T:
    return own if own is not None else common


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBudget:
    """Where a service's budget is stricter than the environment's; None: as the environment's."""

    percent: Share | None = None
    min: int | None = None
    max: int | None = None
    window: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStorm:
    """Where a service's storm guard is stricter than the environment's; None: as the environment's."""

    percent: Share | None = None
    min: int | None = None

    def within(self, common: Storm) -> Storm:
        """Give the guard of the service in an environment."""
        if self.percent is None and self.min is None:
            return common
        return Storm(percent=_own(self.percent, common.percent), min=_own(self.min, common.min))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceGuard:
    """What one service guards more strictly than the environment does."""

    destroy_budget: ServiceBudget = ServiceBudget()
    storm: ServiceStorm = ServiceStorm()
    shrink_confirm: Share | None = None

    def within(self, guard: Guard) -> Guard:
        """Give the limits of the service in an environment."""
        budget = self.destroy_budget
        return Guard(
            destroy_budget=DestroyBudget(
                percent=_own(budget.percent, guard.destroy_budget.percent),
                min=_own(budget.min, guard.destroy_budget.min),
                max=_own(budget.max, guard.destroy_budget.max),
                window=_own(budget.window, guard.destroy_budget.window),
            ),
            storm=self.storm.within(guard.storm),
            shrink_confirm=_own(self.shrink_confirm, guard.shrink_confirm),
            quarantine=guard.quarantine,
        )

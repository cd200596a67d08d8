"""Shrinking: which changes of the desired state remove so much that they must be confirmed.

A count of 0 by mistake, a file without half of its services, a desired state half migrated: each is a valid wish, and
each has cost somebody a fleet. What is measured is the wish alone, not what runs; the limits are those in force before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.shares import PERCENT, Share, exceeds, format_share


class Shrink(NamedTuple):
    """A service, or (None) the whole, would lose more than its share."""

    service: ServiceName | None
    before: int
    after: int
    allowed: Share

    def __str__(self) -> str:
        """Say it in words."""
        removed = self.before - self.after
        whose = f"of {self.service}" if self.service is not None else "in all"
        share = format_share(removed, self.before)
        return f"{removed} of {self.before} instances {whose} ({share}, {self.allowed // PERCENT}% need no word)"


def shrinks(before: DesiredState | None, after: DesiredState) -> tuple[Shrink, ...]:
    """Give what a change from `before` to `after` removes beyond the shares that need no confirmation."""
    return tuple(_shrinks(before, after)) if before is not None else ()


def _shrinks(before: DesiredState, after: DesiredState) -> Iterator[Shrink]:
    lost, total = 0, 0
    for name in sorted(before.services):
        service, then = before.services[name], after.services.get(name)
        had, has = _most(service), _most(then) if then is not None else 0
        lost, total = lost + max(0, had - has), total + had
        allowed = service.guard.within(before.guard).shrink_confirm
        # One of several is no share to speak of; the last one is the service.
        if (had - has > 1 or has == 0) and exceeds(had - has, had, allowed):
            yield Shrink(name, had, has, allowed)
    if lost > 1 and exceeds(lost, total, before.guard.shrink_confirm):
        yield Shrink(None, total, total - lost, before.guard.shrink_confirm)


def _most(service: Service) -> int:
    return service.autoscale.max if service.autoscale is not None else sum(service.versions.values())


def in_words(found: Iterable[Shrink]) -> str:
    """Say all that a change removes."""
    return "this removes " + "; ".join(map(str, found))

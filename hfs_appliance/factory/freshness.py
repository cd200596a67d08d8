"""Freshness: which warm servers are as good as new, which are claimed last, and which are built anew. Pure.

A warm server has missed the updates since it was built, and what made it may have changed meanwhile. From `fresh` on it
is claimed only when there is nothing better; from `recycle` on it is overdue. What was built by another recipe than
its pool has now is overdue at once; so is what its agent finds unfit, and that is not claimed at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from hfs_appliance.model.ids import AvailabilityZone, ServerId
from hfs_appliance.model.instants import Duration, Instant, after, between, format_duration
from hfs_appliance.model.recipe import PLAIN, Recipe

_DIGITS: Final = 12
_AT_ONCE: Final = 10
"""One in so many of a pool's servers is built anew at a time."""


class Grade(IntEnum):
    """How good a fit warm server is; the least is claimed first."""

    FRESH = 0
    STALE = 1


class Ware(NamedTuple):
    """A warm server on offer."""

    server: ServerId
    az: AvailabilityZone
    built_at: Instant
    recipe: str | None
    """Digest of the recipe that it was built by; None: nobody knows."""
    unfit: str
    """Why its agent says that it must have no role; empty: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a pool demands of its servers."""

    now: Instant
    fresh: Duration | None
    recycle: Duration | None
    recipes: frozenset[str]
    """Digests of those by which its servers may have been built."""

    def grade(self, ware: Ware) -> Grade:
        """Tell how good a fit server is."""
        is_fresh = not _is_past(self.fresh, ware, self.now) and not self._is_odd(ware)
        return Grade.FRESH if is_fresh else Grade.STALE

    def overdue(self, ware: Ware) -> str:
        """Say why a server is to be built anew; empty when it is not."""
        if ware.unfit:
            return f"its agent finds it unfit: {ware.unfit}"
        if self._is_odd(ware):
            return "it was built by another recipe than its pool has now"
        if _is_past(self.recycle, ware, self.now):
            return f"it was built {format_duration(between(ware.built_at, self.now))} ago"
        return ""

    def worst(self, wares: Iterable[Ware]) -> list[Ware]:
        """Give those that are overdue: the unfit first, then the oldest."""
        found = [ware for ware in wares if self.overdue(ware)]
        return sorted(found, key=lambda ware: (not ware.unfit, ware.built_at, ware.server))

    def next_overdue(self, wares: Iterable[Ware]) -> Instant | None:
        """Give when time alone makes the next one overdue."""
        if self.recycle is None:
            return None
        instants = (after(ware.built_at, self.recycle) for ware in wares)
        return min((at for at in instants if at > self.now), default=None)

    def _is_odd(self, ware: Ware) -> bool:
        return ware.recipe is not None and ware.recipe not in self.recipes


def renewals(size: int, overdue: int) -> int:
    """Give how many of a pool's servers may be built anew at a time."""
    return min(overdue, max(1, size // _AT_ONCE))


@lru_cache(maxsize=256)
def digest(recipe: Recipe) -> str:
    """Name a recipe by its content; the plain one is the empty name."""
    if recipe == PLAIN:
        return ""
    return hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _is_past(span: Duration | None, ware: Ware, now: Instant) -> bool:
    return span is not None and now >= after(ware.built_at, span)

"""The checker of sizes: a service that follows its traffic keeps its bounds, and is not made too small for it (S12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import MINUTE, Duration, Instant, seconds
from sim.checkers.base import Case, Checker
from sim.entries import LedgerWritten
from sim.truth import DemandChanged, Fact, FaultBegun, FaultEnded


class Sizes(Checker):
    """The autoscaler shrinks only what has long been too large, whatever it can or cannot measure."""

    name = "sizes"
    ids = ("S12", "L8")
    promise = "a service that scales itself stays within its bounds, and is not shrunk below what its traffic needs"
    sees = (LedgerWritten, DemandChanged, FaultBegun, FaultEnded)

    MEASURED_WITHIN: Final = Duration(seconds(60))
    """What has been needed for less long may not have been measured."""
    LIES: Final = frozenset({"load-frozen", "load-wrong"})
    """Faults under which what is measured is not so, and looks as if it were."""
    REMEMBERED_FOR: Final = Duration(10 * MINUTE)
    """The size is that of the greatest need within a window: a lie lives on in it."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._sizes: Mapping[ServiceName, int] = {}
        self._risen_at: dict[ServiceName, Instant] = {}
        self._needed: dict[ServiceName, int] = {}
        self._lies = 0
        self._lied_at: Instant | None = None

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare each new size with the bounds, and with what is needed."""
        match fact:
            case DemandChanged():
                if fact.instances > self._needed.get(fact.service, 0):
                    self._risen_at[fact.service] = now
                self._needed[fact.service] = fact.instances
            case FaultBegun() if fact.kind in self.LIES:
                self._lies += 1
            case FaultEnded() if fact.kind in self.LIES:
                self._lies -= 1
                self._lied_at = now
            case LedgerWritten():
                before, self._sizes = self._sizes, fact.sizes
                for name, size in fact.sizes.items():
                    if size != before.get(name):
                        self._judge(now, name, before.get(name, size), size)
            case _:
                pass

    def _judge(self, now: Instant, name: ServiceName, before: int, size: int) -> None:
        scales = [d.services[name].autoscale for d in self._census.lately(now) if name in d.services]
        bounds = [(scale.min, scale.max) for scale in scales if scale is not None]
        if bounds and not min(least for least, _ in bounds) <= size <= max(most for _, most in bounds):
            self.accuse(f"{name} is given {size} instances, {bounds[-1][0]} to {bounds[-1][1]} are allowed")
        if self._lies or (self._lied_at is not None and now - self._lied_at < self.REMEMBERED_FOR):
            return
        risen_at, needed = self._risen_at.get(name), self._needed.get(name, 0)
        is_known = risen_at is not None and risen_at + self.MEASURED_WITHIN < now
        if is_known and size < before and size < min(needed, max((most for _, most in bounds), default=0)):
            self.accuse(f"{name} is made smaller, {size} instead of {before}, and its traffic needs {needed}")

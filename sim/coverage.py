"""Coverage: which faults struck while servers were in which phase. An empty cell is something that was never tried.

A fault with victims fills the phases of its victims, any other one the phases of all servers that there are: an outage
of the registry strikes those that boot as much as those that serve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Phase
from sim.truth import Fact, FaultBegun

Matrix = Mapping[str, Mapping[str, int]]
"""Strikes by kind of fault, then by phase."""


class Coverage:
    """Folds one run; sees phases as the product tells them."""

    def __init__(self) -> None:
        self._phases: dict[ServerId, str] = {}
        self._present: Counter[str] = Counter()
        self._struck: dict[str, Counter[str]] = {}

    def hear(self, recorded: Recorded) -> None:
        """Follow the servers' phases."""
        event = recorded.event
        if not isinstance(event, PhaseChanged):
            return
        before = self._phases.pop(event.server, None)
        if before is not None:
            self._present[before] -= 1
        if event.phase != Phase.GONE:
            self._phases[event.server] = event.phase
            self._present[event.phase] += 1

    def see(self, now: Instant, fact: Fact) -> None:
        """Note what a fault strikes."""
        del now
        if isinstance(fact, FaultBegun):
            phases: Iterable[str] = {self._phases.get(victim, "") for victim in fact.victims} or (+self._present)
            self._struck.setdefault(fact.kind, Counter()).update(phase for phase in phases if phase)

    @property
    def matrix(self) -> Matrix:
        """Give the strikes so far, sorted."""
        return {kind: dict(sorted(struck.items())) for kind, struck in sorted(self._struck.items())}


def together(matrices: Iterable[Matrix]) -> Matrix:
    """Add the matrices of many runs."""
    total: dict[str, Counter[str]] = {}
    for matrix in matrices:
        for kind, struck in matrix.items():
            total.setdefault(kind, Counter()).update(struck)
    return {kind: dict(sorted(struck.items())) for kind, struck in sorted(total.items())}

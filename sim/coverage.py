"""Coverage: which faults were in force while servers were in which phase. An empty cell was never tried.

A fault with victims counts for the phases in which it struck them. Any other one counts for the phases of all servers
that there were while it lasted: an outage of the registry meets those that boot as much as those that serve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Phase
from sim.believed import Believed
from sim.truth import Fact, FaultBegun, FaultEnded

Matrix = Mapping[str, Mapping[str, int]]
"""Faults by kind, then by phase."""


class Coverage:
    """Folds one run."""

    def __init__(self, believed: Believed) -> None:
        self._believed = believed
        self._met: dict[str, Counter[str]] = {}
        self._in_force: dict[int, tuple[str, set[str]]] = {}
        """By number: the kind of a fault without victims, and the phases that it has met already."""

    def hear(self, recorded: Recorded) -> None:
        """Let what is in force meet the phase that a server comes into."""
        event = recorded.event
        if not isinstance(event, PhaseChanged) or event.phase == Phase.GONE:
            return
        for kind, met in self._in_force.values():
            if event.phase not in met:
                met.add(event.phase)
                self._count(kind, (event.phase,))

    def see(self, now: Instant, fact: Fact) -> None:
        """Note what a fault meets."""
        del now
        if isinstance(fact, FaultBegun) and fact.victims is not None:
            phases = [self._believed.phase(victim) for victim in fact.victims]
            self._count(fact.kind, sorted({phase for phase in phases if phase is not None}))
        elif isinstance(fact, FaultBegun):
            present = self._believed.present()
            self._in_force[fact.number] = (fact.kind, set(present))
            self._count(fact.kind, present)
        elif isinstance(fact, FaultEnded):
            self._in_force.pop(fact.number, None)

    def _count(self, kind: str, phases: Iterable[str]) -> None:
        self._met.setdefault(kind, Counter()).update(phases)

    @property
    def matrix(self) -> Matrix:
        """Give what was met so far, sorted."""
        return {kind: dict(sorted(met.items())) for kind, met in sorted(self._met.items())}


def together(matrices: Iterable[Matrix]) -> Matrix:
    """Add the matrices of many runs."""
    total: dict[str, Counter[str]] = {}
    for matrix in matrices:
        for kind, met in matrix.items():
            total.setdefault(kind, Counter()).update(met)
    return {kind: dict(sorted(met.items())) for kind, met in sorted(total.items())}

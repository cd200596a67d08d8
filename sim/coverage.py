"""Coverage: which faults were in force while servers and rollouts were in which phase. An empty cell was never tried.

A fault with victims counts for the phases in which it struck them, and for those and the strategies of the rollouts
that went on then. Any other one counts for the phases of all servers and rollouts that there were while it lasted: an
outage of the registry meets those that boot as much as those that serve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from hfs_appliance.model.events import Recorded
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant
from sim.believed import OF_ROLLOUTS, Believed, phase_begun
from sim.entries import RolloutGone, RolloutWritten
from sim.truth import Fact, FaultBegun, FaultEnded

Matrix = Mapping[str, Mapping[str, int]]
"""Faults by kind, then by phase."""


class Coverage:
    """Folds one run."""

    SEES: Final = (FaultBegun, FaultEnded, RolloutWritten, RolloutGone)

    def __init__(self, believed: Believed) -> None:
        self._believed = believed
        self._strategies: dict[ServiceName, str] = {}
        """Of the rollouts that go on."""
        self._met: dict[str, Counter[str]] = {}
        self._in_force: dict[int, tuple[str, set[str]]] = {}
        """By number: the kind of a fault without victims, and the phases that it has met already."""

    def hear(self, recorded: Recorded) -> None:
        """Let what is in force meet the phase that a server or a rollout comes into."""
        phase = phase_begun(recorded)
        if phase is not None:
            self._meet(phase)

    def see(self, now: Instant, fact: Fact) -> None:
        """Note what a fault meets."""
        del now
        if isinstance(fact, RolloutWritten) and not fact.is_over:
            self._strategies[fact.service] = strategy = f"{fact.strategy} rollout"
            self._meet(strategy)
        elif isinstance(fact, RolloutWritten | RolloutGone):
            self._strategies.pop(fact.service, None)
        elif isinstance(fact, FaultBegun) and fact.victims is not None:
            if fact.victims:
                phases = {phase for phase in map(self._believed.phase, fact.victims) if phase is not None}
                rollouts = set(OF_ROLLOUTS).intersection(self._believed.present())
                self._count(fact.kind, sorted(phases | rollouts | set(self._strategies.values())))
        elif isinstance(fact, FaultBegun):
            present = list(dict.fromkeys((*self._believed.present(), *self._strategies.values())))
            self._in_force[fact.number] = (fact.kind, set(present))
            self._count(fact.kind, present)
        elif isinstance(fact, FaultEnded):
            self._in_force.pop(fact.number, None)

    def _meet(self, column: str) -> None:
        for kind, met in self._in_force.values():
            if column not in met:
                met.add(column)
                self._count(kind, (column,))

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

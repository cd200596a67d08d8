"""What the control plane believes of servers and rollouts, as it has told it: the phase of each.

Faults are aimed by it ("at a server that drains"), and coverage counts by it. It listens and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from hfs_appliance.mcp.phases import RULES
from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase, Strategy
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp
from sim.scenario import Aim

OF_SERVERS: Final = tuple(phase for phase in Phase if phase in {rule.phase for rule in RULES} - {Phase.GONE})
"""Phases in which a server is ever seen."""
OF_ROLLOUTS: Final = tuple(phase for phase in RolloutPhase if phase is not RolloutPhase.DONE)
OF_STRATEGIES: Final = tuple(
    f"{strategy} rollout" for strategy in (Strategy.BLUE_GREEN, Strategy.ROLLING, Strategy.CANARY)
)
"""Strategies of the rollouts that a swarm begins."""
AIMABLE: Final[tuple[Aim, ...]] = (*OF_SERVERS, *OF_ROLLOUTS)


def phase_begun(recorded: Recorded) -> Aim | None:
    """Give the phase into which an event tells that a server or a rollout has come; None: of none, or of an end."""
    event = recorded.event
    if isinstance(event, PhaseChanged):
        return Phase(event.phase) if event.phase != Phase.GONE else None
    if isinstance(event, RolloutChanged | RolloutGivenUp):
        return RolloutPhase(event.phase) if event.phase != RolloutPhase.DONE else None
    return None


class Believed:
    """Folds one run."""

    def __init__(self) -> None:
        self._phases: dict[ServerId | ServiceName, Aim] = {}
        """Of servers, and of the rollouts of services."""
        self._counts: Counter[Aim] = Counter()

    def hear(self, recorded: Recorded) -> None:
        """Follow the phases."""
        event = recorded.event
        if isinstance(event, PhaseChanged):
            self._turn(event.server, phase_begun(recorded))
        elif isinstance(event, RolloutChanged | RolloutGivenUp):
            self._turn(event.service, phase_begun(recorded))

    def _turn(self, whose: ServerId | ServiceName, phase: Aim | None) -> None:
        before = self._phases.pop(whose, None)
        if before is not None:
            self._counts[before] -= 1
        if phase is None:
            return
        self._phases[whose] = phase
        self._counts[phase] += 1

    def phase(self, whose: ServerId | ServiceName) -> Aim | None:
        """Give the phase of a server or of a service's rollout; None: nothing was told of it, or it is over."""
        return self._phases.get(whose)

    def present(self) -> list[Aim]:
        """List the phases in which there are servers or rollouts."""
        return [phase for phase, count in self._counts.items() if count > 0]

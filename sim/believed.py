"""What the control plane believes of the servers, as it has told it: the phase of each, and who waits for one to come.

Faults are aimed by it ("at a server that drains"), and coverage counts by it. It listens and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from hfs_appliance.mcp.phases import RULES
from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.plan import Phase
from sim.clock import WorldClock

AIMABLE: Final = tuple(phase for phase in Phase if phase in {rule.phase for rule in RULES} - {Phase.GONE})
"""Phases in which a server is ever seen."""


class Believed:
    """Folds one run."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._phases: dict[ServerId, Phase] = {}
        self._counts: Counter[Phase] = Counter()
        self._waiting: dict[Phase, list[Callable[[], None]]] = {}

    def hear(self, recorded: Recorded) -> None:
        """Follow the servers' phases."""
        event = recorded.event
        if not isinstance(event, PhaseChanged):
            return
        phase = Phase(event.phase)
        before = self._phases.pop(event.server, None)
        if before is not None:
            self._counts[before] -= 1
        if phase is not Phase.GONE:
            self._phases[event.server] = phase
            self._counts[phase] += 1
        for act in self._waiting.pop(phase, ()):
            # As soon as the control plane waits for something: what it is in the midst of saying, it says to the end.
            self._clock.after(0, act)

    def phase(self, server: ServerId) -> Phase | None:
        """Give the phase of a server; None: nothing was told of it, or it is gone."""
        return self._phases.get(server)

    def present(self) -> list[Phase]:
        """List the phases in which there are servers."""
        return [phase for phase, count in self._counts.items() if count > 0]

    def once(self, phase: Phase, act: Callable[[], None]) -> None:
        """Call `act` when there is a server in a phase: at once, or when the next one comes into it."""
        if self._counts[phase] > 0:
            act()
        else:
            self._waiting.setdefault(phase, []).append(act)

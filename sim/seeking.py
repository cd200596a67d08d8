"""Seeking: faults that are aimed at a phase wait until somebody whom they may hit is in it.

A phase is what the control plane believes, and whom a fault may hit is the truth: a service crashes only where one
answers. Either may come first and last for milliseconds only, so both are listened to. Nothing is looked at unless
somebody waits.

Those that seek one phase strike in the order in which they began to, for what one does may keep others from ever
finding anybody: who comes first is waited for, but not for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.instants import MILLISECOND, Duration, Instant, after
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp
from sim.faults import MENU
from sim.fleet import Simulation
from sim.scenario import Aim, Fault
from sim.truth import ConditionChanged, Fact, MachineMade

LASTING: Final = frozenset(
    {Phase.BOOTING, Phase.CONFIGURING, Phase.WARM, Phase.WARMING, Phase.SERVING, Phase.SUSPECT, Phase.DRAINING}
)
"""Phases that last for seconds, wherever they are met; any other one may be over in milliseconds."""


@dataclass(slots=True)
class _Seeker:
    fault: Fault
    strike: Callable[[], None]
    not_before: Instant | None = None
    """Where it is the first of its phase and hits no one in particular, it may strike a part of a second later."""


class Seekers:
    """Those that wait in one run, in the order in which they began to."""

    def __init__(self, sim: Simulation, patience_ends: Instant) -> None:
        self._sim = sim
        self._patience_ends = patience_ends
        """Until then those that began later wait for one that finds nobody."""
        self._seekers: list[_Seeker] = []
        self._is_due = False
        self._met: set[Aim | None] = set()
        """Phases in which one has struck already."""
        sim.bus.subscribe("seekers", self._hear)
        sim.truth.listen(self._see, (ConditionChanged, MachineMade))
        sim.clock.after(max(0, patience_ends - sim.clock.now()), self._look_soon)

    def seek(self, fault: Fault, strike: Callable[[], None]) -> None:
        """Call `strike` as soon as whom the fault seeks is there: now, if anybody is, and nobody is waited for."""
        self._seekers.append(_Seeker(fault, strike))
        self._look()

    def _is_there(self, fault: Fault) -> bool:
        """Tell whether somebody whom a fault may hit is in its phase, as far as the control plane knows."""
        believed, phase, hits = self._sim.believed, fault.phase, MENU[fault.kind].hits
        if phase not in believed.present():
            return False
        if hits is None:
            return True
        names = hits(self._sim)
        return any(not isinstance(phase, Phase) or believed.phase(name) is phase for name in names)

    def _hear(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, PhaseChanged | RolloutChanged | RolloutGivenUp):
            self._look_soon()

    def _see(self, _now: Instant, _fact: Fact) -> None:
        self._look_soon()

    def _look_soon(self) -> None:
        """Look as soon as the control plane waits: what it is in the midst of saying, it says to the end."""
        if self._seekers and not self._is_due:
            self._is_due = True
            self._sim.clock.after(0, self._look)

    def _look(self) -> None:
        self._is_due = False
        awaited: set[Aim | None] = set()
        for seeker in list(self._seekers):
            phase = seeker.fault.phase
            if phase not in awaited and self._may_strike(seeker):
                self._seekers.remove(seeker)
                self._met.add(phase)
                seeker.strike()
            elif self._sim.clock.now() < self._patience_ends:
                awaited.add(phase)

    def _may_strike(self, seeker: _Seeker) -> bool:
        if not self._is_there(seeker.fault):
            return False
        now, target = self._sim.clock.now(), seeker.fault.target
        if seeker.not_before is None:
            is_first = seeker.fault.phase not in self._met and MENU[seeker.fault.kind].hits is None
            is_late = is_first and seeker.fault.phase in LASTING and target % 2
            delay = target % 1000 * MILLISECOND if is_late else 0
            seeker.not_before = after(now, Duration(delay))
            self._sim.clock.after(delay, self._look_soon)
        return now >= seeker.not_before

"""Striking: the faults of a story at their instants, and an end to each of them before the story is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.instants import Duration, Instant
from sim.faults import MENU
from sim.fleet import Simulation
from sim.scenario import Fault, Scenario
from sim.seeking import Seekers
from sim.truth import FaultBegun, FaultEnded

PATIENCE: Final = 750
"""Per mille of a story in which faults aimed at a phase wait for those before them."""


async def strike_all(sim: Simulation, scenario: Scenario) -> None:
    """Let every fault of an unrolled scenario begin and end, until the scenario's time is over."""
    begun, seekers = sim.clock.now(), None
    if any(fault.phase is not None for fault in scenario.faults):
        seekers = Seekers(sim, Instant(begun + scenario.lasts * PATIENCE // 1000))
    running = [_Running(sim, seekers, number, fault) for number, fault in enumerate(scenario.faults)]
    for moment in _timeline(running):
        await sim.pass_time(_until(sim, Instant(begun + moment.at)))
        moment.act()
    await sim.pass_time(_until(sim, Instant(begun + scenario.lasts)))
    for each in running:
        each.end()


def _until(sim: Simulation, instant: Instant) -> Duration:
    return Duration(max(0, instant - sim.clock.now()))


@dataclass(slots=True)
class _Moment:
    at: Duration
    act: Callable[[], None]


def _timeline(running: list[_Running]) -> Iterator[_Moment]:
    """Give the beginnings and ends of all faults in order; an end comes before a beginning of the same instant."""
    moments = []
    for each in running:
        number, fault = each.number, each.fault
        moments.append((fault.at, 1, number, each.begin))
        if fault.lasts and fault.phase is None:
            moments.append((Duration(fault.at + fault.lasts), 0, number, each.end))
    for at, _, _, act in sorted(moments, key=lambda moment: moment[:3]):
        yield _Moment(at, act)


class _Running:
    """One fault: not begun, in force, or over."""

    def __init__(self, sim: Simulation, seekers: Seekers | None, number: int, fault: Fault) -> None:
        self._sim = sim
        self._seekers = seekers
        self.number = number
        self.fault = fault
        self._undo: Callable[[], None] | None = None
        self._is_in_force = self._is_over = False

    def begin(self) -> None:
        """Strike; one that is aimed at a phase waits until whom it seeks is in it, and lasts from then on."""
        if self._seekers is None or self.fault.phase is None:
            self._strike()
        else:
            self._seekers.seek(self.fault, self._strike_aimed)

    def end(self) -> None:
        """Let it be over; one that has found nothing to strike never begins."""
        if self._is_in_force:
            self._is_in_force = False
            if self._undo is not None:
                self._undo()
            self._sim.note(f"fault {self.number} {self.fault.kind} ends")
            self._sim.truth.tell(FaultEnded(number=self.number, kind=self.fault.kind))
        self._is_over = True

    def _strike_aimed(self) -> None:
        if self._is_over:
            return
        self._strike()
        if self.fault.lasts:
            self._sim.clock.after(self.fault.lasts, self.end)

    def _strike(self) -> None:
        kind = self.fault.kind
        struck = MENU[kind].strike(self._sim, self.fault)
        self._undo, self._is_in_force = struck.end, True
        self._sim.note(f"fault {self.number} {kind}: {struck.words}")
        self._sim.truth.tell(FaultBegun(number=self.number, kind=kind, words=struck.words, victims=struck.victims))
        if not self.fault.lasts:
            self.end()

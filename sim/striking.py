"""Striking: the faults of a story at their instants, and an end to each of them before the story is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hfs_appliance.model.instants import MILLISECOND, Duration, Instant
from hfs_appliance.model.plan import Phase
from sim.faults import MENU
from sim.fleet import Simulation
from sim.scenario import Fault, Scenario
from sim.truth import FaultBegun, FaultEnded


async def strike_all(sim: Simulation, scenario: Scenario) -> None:
    """Let every fault of an unrolled scenario begin and end, until the scenario's time is over."""
    running = [_Running(sim, number, fault) for number, fault in enumerate(scenario.faults)]
    begun = sim.clock.now()
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

    def __init__(self, sim: Simulation, number: int, fault: Fault) -> None:
        self._sim = sim
        self.number = number
        self.fault = fault
        self._undo: Callable[[], None] | None = None
        self._is_in_force = self._is_over = False

    def begin(self) -> None:
        """Strike; one that is aimed at a phase waits until a server is in it, and lasts from then on."""
        if self.fault.phase is None:
            self._strike()
        else:
            self._sim.believed.once(self.fault.phase, self._seek)

    def end(self) -> None:
        """Let it be over; one that has found nothing to strike never begins."""
        if self._is_in_force:
            self._is_in_force = False
            if self._undo is not None:
                self._undo()
            self._sim.note(f"fault {self.number} {self.fault.kind} ends")
            self._sim.truth.tell(FaultEnded(number=self.number, kind=self.fault.kind))
        self._is_over = True

    def _seek(self) -> None:
        """Strike as the phase begins, or, if it is a server's, a part of a second later: it may be there by then."""
        is_delayed = self.fault.target % 2 and isinstance(self.fault.phase, Phase)  # a rollout's may last milliseconds
        delay = self.fault.target % 1000 * MILLISECOND if is_delayed else 0
        self._sim.clock.after(delay, self._strike_what_it_seeks)

    def _strike_what_it_seeks(self) -> None:
        """Strike if anybody is in the phase by now; else as soon as the next one comes into it, without delay."""
        if self._is_over:
            return
        assert self.fault.phase is not None
        if self.fault.phase in self._sim.believed.present():
            self._strike_aimed()
        else:
            self._sim.believed.once(self.fault.phase, self._strike_aimed)

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

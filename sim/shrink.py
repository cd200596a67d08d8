"""Shrinking: a failing scenario is reduced to a small one that fails the same way.

First faults are taken away (delta debugging: Zeller and Hildebrandt, 2002), then the story is shortened, then the fleet
made smaller, then each fault simpler; again until nothing more can go. Targets are indices modulo what lives, so every
candidate is a valid scenario. What counts as the same way is the checker that accuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.scenario import Beginning, Fault, Scenario

TRIES: Final = 400


@dataclass(slots=True)
class _Search:
    fails: Callable[[Scenario], bool]
    tries_left: int

    def better(self, candidates: Iterable[Scenario]) -> Scenario | None:
        """Give the first candidate that still fails."""
        for candidate in candidates:
            if self.tries_left <= 0:
                return None
            self.tries_left -= 1
            if self.fails(candidate):
                return candidate
        return None


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool], *, tries: int = TRIES) -> Scenario:
    """Give the smallest scenario found that `fails`, as `scenario` itself does."""
    search = _Search(fails, tries)
    best = scenario
    while True:
        smaller = _fewer_faults(best, search)
        for simplify in (_shorter, _smaller, _simpler_faults):
            while (found := search.better(simplify(smaller))) is not None:
                smaller = found
        if smaller == best:
            return best
        best = smaller


def _fewer_faults(scenario: Scenario, search: _Search) -> Scenario:
    size = max(1, len(scenario.faults) // 2)
    while scenario.faults:
        found = search.better(replace(scenario, faults=rest) for rest in _without(scenario.faults, size))
        if found is not None:
            scenario = found
            size = min(size, max(1, len(scenario.faults) // 2))
        elif size > 1:
            size //= 2
        else:
            break
    return scenario


def _without(faults: Sequence[Fault], size: int) -> Iterator[tuple[Fault, ...]]:
    """Leave out each run of `size` faults."""
    for start in range(0, len(faults), size):
        yield (*faults[:start], *faults[start + size :])


def _shorter(scenario: Scenario) -> Iterator[Scenario]:
    """Begin sooner, and end with the last fault."""
    first = min((fault.at for fault in scenario.faults), default=0)
    if first > MINUTE:
        earlier = tuple(replace(fault, at=Duration(fault.at - first + SECOND)) for fault in scenario.faults)
        yield replace(scenario, faults=earlier, lasts=Duration(scenario.lasts - first + SECOND))
    last = max((fault.at + fault.lasts for fault in scenario.faults), default=0)
    if scenario.lasts > last + MINUTE:
        yield replace(scenario, lasts=Duration(last + SECOND))


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    layout = scenario.layout
    if layout.servers > 1:
        yield replace(scenario, layout=replace(layout, servers=layout.servers // 2))
        yield replace(scenario, layout=replace(layout, servers=layout.servers - 1))
    if layout.zones > 1:
        yield replace(scenario, layout=replace(layout, zones=1))
    if layout.pool > 0:
        yield replace(scenario, layout=replace(layout, pool=layout.pool // 2))
    if scenario.has_mischief:
        yield replace(scenario, has_mischief=False)
    if scenario.begins is Beginning.NOTHING:
        yield replace(scenario, begins=Beginning.STANDING)


def _simpler_faults(scenario: Scenario) -> Iterator[Scenario]:
    for number, fault in enumerate(scenario.faults):
        for simpler in _simpler(fault):
            faults = (*scenario.faults[:number], simpler, *scenario.faults[number + 1 :])
            yield replace(scenario, faults=faults)


def _simpler(fault: Fault) -> Iterator[Fault]:
    if fault.target:
        yield replace(fault, target=0)
    if fault.amount > 1:
        yield replace(fault, amount=1)
        yield replace(fault, amount=fault.amount // 2)
    if fault.lasts > SECOND:
        yield replace(fault, lasts=Duration(fault.lasts // 2 // SECOND * SECOND or SECOND))

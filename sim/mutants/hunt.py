"""Looking for a mutant: seeds are played until its checker accuses; what was found is made smaller."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count
from typing import Final

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.mutants.base import Mutant, applied
from sim.mutants.catches import Catch
from sim.outcome import Outcome
from sim.play import play
from sim.scenario import Scenario
from sim.shrink import shrink
from sim.unroll import unrolled

CPU_S: Final = 60
"""Time to find one mutant."""
TRIES: Final = 16
"""Plays to make what was found smaller."""


def hunt(wrong: Mutant, *, cpu_s: float = CPU_S, tries: int = TRIES) -> Catch | None:
    """Play seeds from 0 on until the checker accuses; None when the time is over.

    A story in which the product itself breaks a promise shows nothing, and the hunt goes on.
    """
    spent_ms = 0
    for seed in count():
        scenario = unrolled(wrong.world(seed), seed)
        began = time.process_time()
        with applied(wrong):
            outcome = attempt(wrong, scenario, seed)
        spent_ms += round((time.process_time() - began) * 1000)
        if is_caught(wrong, outcome):
            with applied(wrong):
                small = _reduced(wrong, scenario, seed, outcome, tries)
            if not play(small, seed).violations:
                return Catch(checker=wrong.caught_by, seed=seed, seeds=seed + 1, cpu_ms=spent_ms, scenario=small)
        if spent_ms > cpu_s * 1000:
            return None
    raise AssertionError("unreachable")


def attempt(wrong: Mutant, scenario: Scenario, seed: int) -> Outcome:
    """Play until the checker that is there for a mutant accuses, or to the end."""
    return play(scenario, seed, until=lambda violation: violation.checker == wrong.caught_by)


def is_caught(wrong: Mutant, outcome: Outcome) -> bool:
    """Tell whether the checker has accused."""
    return any(violation.checker == wrong.caught_by for violation in outcome.violations)


def _reduced(wrong: Mutant, scenario: Scenario, seed: int, found: Outcome, tries: int) -> Scenario:
    def fails(candidate: Scenario) -> bool:
        return is_caught(wrong, attempt(wrong, candidate, seed))

    ended = _ended(scenario, Duration(found.virtual_seconds * SECOND))
    if ended != scenario and fails(ended):
        scenario = ended
    words = f"what is left of seed {seed}"
    return replace(shrink(scenario, fails, tries=tries), name=wrong.name, words=words)


def _ended(scenario: Scenario, at: Duration) -> Scenario:
    """Leave out what had yet to come when the checker accused."""
    lasts = Duration(min(scenario.lasts, max(at, MINUTE)))
    faults = (fault for fault in scenario.faults if fault.at < lasts)
    cut = tuple(replace(fault, lasts=Duration(min(fault.lasts, lasts - fault.at))) for fault in faults)
    return replace(scenario, lasts=lasts, faults=cut)

"""Many runs: seeds of the swarm on all cores, each a process of its own; a failing one is reduced to what fails it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence

from hfs_appliance.runtime.collector import collecting_seldom
from sim.outcome import Outcome, Violation
from sim.play import play
from sim.scenario import Scenario
from sim.shrink import shrink
from sim.swarm import draw
from sim.unroll import unrolled


def swarm(seeds: Sequence[int], *, workers: int | None = None) -> Iterator[Outcome]:
    """Play seeds; give their outcomes in the order of `seeds`, as they come."""
    at_once = min(workers or len(os.sched_getaffinity(0)), len(seeds))
    # A world that is over is garbage: it goes when many of them have been played, not after each.
    with collecting_seldom():
        if at_once <= 1:
            yield from map(play_seed, seeds)
            return
        # Forked, not spawned: a zipapp is no module that another interpreter could import again.
        with multiprocessing.get_context("fork").Pool(at_once, _begin_to_work) as pool:
            yield from pool.imap(play_seed, seeds)


def _begin_to_work() -> None:
    """Ctrl-C reaches every process of a terminal, only the one that prints answers it; what is loaded is no garbage."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()


def play_seed(seed: int, playing: Callable[[Scenario, int], Outcome] = play) -> Outcome:
    """Play what a seed draws; of many none ends the others: the end of the simulation itself is a violation, too."""
    scenario = draw(seed)
    try:
        return playing(scenario, seed)
    except Exception as error:  # noqa: BLE001  # told below, with what is needed to see it again
        words = f"the simulation itself ended with {type(error).__name__}: {error}"
        return Outcome(
            scenario=scenario.name,
            seed=seed,
            servers=scenario.layout.servers,
            virtual_seconds=0,
            cpu_seconds=0,
            events=0,
            digest="",
            violations=(Violation(checker="alive", instant="?", words=words),),
        )


def reduce(scenario: Scenario, seed: int) -> Scenario:
    """Shrink a scenario that fails with a seed to a small one whose first accuser is the same."""
    accuser = _accuser(scenario, seed)
    assert accuser, "only what fails can be reduced"
    return shrink(unrolled(scenario, seed), lambda candidate: _accuser(candidate, seed) == accuser)


def _accuser(scenario: Scenario, seed: int) -> str:
    violations = play(scenario, seed, until=lambda _: True).violations
    return violations[0].checker if violations else ""

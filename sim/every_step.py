"""Crash at every step: small stories, each played once for every step of the scheduler at which hfs can be killed.

    python -m sim.every_step                    all stories, all steps
    python -m sim.every_step grow --each 10     one of them, every tenth step

Each run kills whoever leads once, starts it again a millisecond later, and is judged by all checkers. A story is
played once without a kill; at each step a copy of the process goes on with one (sim/forking.py), so that what came
before the step costs nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sim.checkers import Docket
from sim.fleet import Simulation
from sim.forking import ForkAtSteps
from sim.killing import AtSteps, KillAtStep
from sim.outcome import Outcome, Violation
from sim.play import Playing, play
from sim.scenario import Scenario
from sim.stories import STORIES
from sim.truth import Settled

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one story."""

    story: str
    steps: int
    runs: int
    failures: tuple[tuple[int, Violation], ...] = ()
    """Steps at which a kill led to a violation, each with the first one."""


def steps_of(story: Scenario, seed: int) -> int:
    """Count the steps of a story until it has settled."""
    return _play(story, seed, KillAtStep(0))[0]


def crash(story: Scenario, seed: int, step: int) -> Outcome:
    """Play a story from its beginning, and kill whoever leads at one step."""
    return _play(story, seed, KillAtStep(step))[1]


def crash_at(
    story: Scenario,
    seed: int,
    is_due: Callable[[int], bool],
    judge: Callable[[Simulation, Docket], T],
    *,
    workers: int | None = None,
) -> tuple[int, list[tuple[int, T]]]:
    """Play a story once for each step that is due, on all cores; give its steps, and what became of each kill."""
    fork = ForkAtSteps(is_due, workers or len(os.sched_getaffinity(0)), judge)
    steps, _ = _play(story, seed, fork, fork.answer)
    return steps, sorted(fork.collected(), key=lambda told: told[0])


def _play(
    story: Scenario, seed: int, counter: AtSteps, ended: Callable[[Docket, BaseException | None], None] | None = None
) -> tuple[int, Outcome]:
    def watch(playing: Playing) -> None:
        counter.watch(playing.sim)
        playing.sim.truth.listen(lambda _now, _fact: counter.stop(), (Settled,))

    outcome = play(story, seed, watch=watch, instruments=[counter], ended=ended)
    return counter.steps, outcome


def row(story: Scenario, seed: int, *, each: int = 1, workers: int | None = None) -> Row:
    """Play a story once for every `each`-th step."""
    first = (1 + seed) % each
    steps, runs = crash_at(
        story, seed, lambda step: step % each == first, lambda _, docket: docket.violations[:1], workers=workers
    )
    failures = tuple((step, violations[0]) for step, violations in runs if violations)
    return Row(story=story.name, steps=steps, runs=len(runs), failures=failures)


def main(arguments: Sequence[str]) -> int:
    """Print a table; exit code 1 when a kill led to a violation."""
    parser = argparse.ArgumentParser(prog="python -m sim.every_step", description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of {', '.join(STORIES)}; all without any")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=1, metavar="K", help="only every K-th step")
    parser.add_argument("--workers", type=int, metavar="N", help="so many runs at the same time; one on each core")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.stories) - STORIES.keys())
    if unknown:
        parser.error(f"no story is called {', '.join(unknown)}")
    sys.stdout.write(f"{'story':16}{'steps':>8}{'runs':>8}{'violations':>12}\n")
    is_sound = True
    for name in options.stories or STORIES:
        told = row(STORIES[name], options.seed, each=options.each, workers=options.workers)
        sys.stdout.write(f"{told.story:16}{told.steps:>8}{told.runs:>8}{len(told.failures):>12}\n")
        for step, violation in told.failures:
            sys.stdout.write(f"    step {step}: {violation.checker} at {violation.instant}: {violation.words}\n")
        sys.stdout.flush()
        is_sound = is_sound and not told.failures
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

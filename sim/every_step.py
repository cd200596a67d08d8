"""Crash at every step: small stories, each played once for every step of the scheduler at which hfs can be killed.

    python -m sim.every_step                    all stories, all steps
    python -m sim.every_step grow --each 10     one of them, every tenth step

Each run kills the control plane once, starts it again a millisecond later, and is judged by all checkers. A story is
played once without a kill; at each step a copy of the process goes on with one (sim/forking.py), so that what came
before the step costs nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.forking import ForkAtSteps
from sim.killing import KillAtStep
from sim.outcome import Outcome, Violation
from sim.play import Playing, play
from sim.scenario import Beginning, Bounds, Fault, Layout, Scenario
from sim.truth import Settled

SMALL: Final = Layout(servers=4, per_service=2, zones=2, pool=1, poll=seconds(10))

STAYS: Final = seconds(70)
"""A resync: of thousands of runs this is a good part, and what is left over is found at the end in any case."""


def _story(words: str, *faults: Fault, begins: Beginning = Beginning.STANDING, lasts: int = 3) -> Scenario:
    name = words.partition(":")[0]
    return Scenario(
        name=name,
        words=words,
        lasts=Duration(lasts * MINUTE),
        begins=begins,
        layout=SMALL,
        bounds=Bounds(settle=Duration(40 * MINUTE), stays=STAYS),
        faults=faults,
    )


def _fault(kind: str, at: float, lasts: float = 0, *, target: int = 0, amount: int = 1) -> Fault:
    return Fault(kind=kind, at=seconds(at), lasts=seconds(lasts), target=target, amount=amount)


def _takeover() -> Scenario:
    """Play beside a second appliance, which takes over from the one that is killed."""
    story = _story(
        "takeover: of two appliances one takes over from the other, again and again, while a server dies",
        _fault("server-dies", 5),
        _fault("leader-frozen", 20, 20),
        _fault("leader-silent", 60, 20),
        lasts=2,
    )
    return replace(story, layout=replace(SMALL, appliances=2))


STORIES: Final = {
    story.name: story
    for story in (
        _story("build: everything is built from nothing", begins=Beginning.NOTHING, lasts=1),
        _story(
            "repair: two servers die, one is deleted by hand",
            _fault("server-dies", 5),
            _fault("server-vanishes", 40, target=2),
        ),
        _story(
            "grow: a service grows and shrinks",
            _fault("scale-out", 5, 60, amount=2),
            _fault("scale-in", 100, 30, target=1),
        ),
        _story("upgrade: a service gets another version", _fault("version-changed", 5)),
        _story("revert: a release crashes once it serves and is taken back", _fault("upgrade-bad", 5, amount=1)),
        _takeover(),
        _story(
            "adopt: the registry is emptied, hfs restarted, and an operator adopts the fleet",
            _fault("registry-wiped", 5),
            _fault("mcp-killed", 10, 1),
            _fault("fleet-adopted", 30),
            lasts=1,
        ),
        _story("retire: a service is left out of the file and comes back", _fault("service-removed", 5, 60)),
        _story(
            "lost-answers: creations and writes lose their answers",
            _fault("creates-lost", 1, 120, amount=600),
            _fault("registry-loses-answers", 1, 120, amount=100),
            _fault("server-dies", 5),
            _fault("server-dies", 50, target=3),
        ),
        _story(
            "late-servers: creations fail and are carried out later",
            _fault("creates-late", 1, 60, amount=700),
            _fault("server-dies", 5),
        ),
        _story(
            "registry-away: the registry goes away while a server dies",
            _fault("server-dies", 5),
            _fault("registry-away", 8, 20),
        ),
        _story("zone-dark: a zone is dark for two minutes", _fault("zone-dark", 5, 120), lasts=4),
        _story(
            "bad-builds: builds fail, then a rotten server is claimed",
            _fault("builds-break", 1, 60, amount=500),
            _fault("server-dies", 5),
            _fault("pool-rots", 70),
            _fault("server-dies", 75, target=1),
        ),
        _story(
            "stuck-deletes: deletions are ignored and break",
            _fault("deletes-ignored", 1, 60, amount=500),
            _fault("deletes-break", 1, 100, amount=500),
            _fault("server-dies", 5),
            _fault("scale-in", 30, 60),
        ),
        _story(
            "forgotten: records are removed by hand, and the registry loses a member",
            _fault("record-removed-by-hand", 5, amount=3),
            _fault("registry-member-lost", 30),
            _fault("mcp-session-expires", 40),
        ),
    )
}


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
    """Play a story from its beginning, and kill the control plane at one step."""
    return _play(story, seed, KillAtStep(step))[1]


def _play(story: Scenario, seed: int, counter: KillAtStep | ForkAtSteps) -> tuple[int, Outcome]:
    def watch(playing: Playing) -> None:
        counter.watch(playing.sim)
        playing.sim.truth.listen(lambda _now, _fact: counter.stop(), (Settled,))

    ended = counter.answer if isinstance(counter, ForkAtSteps) else None
    outcome = play(story, seed, watch=watch, instruments=[counter], ended=ended)
    return counter.steps, outcome


def row(story: Scenario, seed: int, *, each: int = 1, workers: int | None = None) -> Row:
    """Play a story once for every `each`-th step, on all cores."""
    first = 1 + seed % each
    fork = ForkAtSteps(lambda step: step % each == first % each, workers or len(os.sched_getaffinity(0)))
    steps, _ = _play(story, seed, fork)
    runs = sorted(fork.collected())
    failures = tuple((step, violations[0]) for step, violations in runs if violations)
    return Row(story=story.name, steps=steps, runs=len(runs), failures=failures)


def main(arguments: Sequence[str]) -> int:
    """Print a table; exit code 1 when a kill led to a violation."""
    parser = argparse.ArgumentParser(prog="python -m sim.every_step", description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of {', '.join(STORIES)}; all without any")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=1, metavar="K", help="only every K-th step")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.stories) - STORIES.keys())
    if unknown:
        parser.error(f"no story is called {', '.join(unknown)}")
    sys.stdout.write(f"{'story':16}{'steps':>8}{'runs':>8}{'violations':>12}\n")
    is_sound = True
    for name in options.stories or STORIES:
        told = row(STORIES[name], options.seed, each=options.each)
        sys.stdout.write(f"{told.story:16}{told.steps:>8}{told.runs:>8}{len(told.failures):>12}\n")
        for step, violation in told.failures:
            sys.stdout.write(f"    step {step}: {violation.checker} at {violation.instant}: {violation.words}\n")
        sys.stdout.flush()
        is_sound = is_sound and not told.failures
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

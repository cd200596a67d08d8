"""Crash at random points: larger stories, each played once for each of many steps that a seed chooses.

    python -m sim.kill_points                         1,000 points over all stories
    python -m sim.kill_points cloud --points 50       so many of one of them

As sim/every_step.py, with a second judgement beside the checkers': at the end of each run the books are closed
(sim/books.py), and whatever is left over, there twice, or still to be done is counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sim import books
from sim.books import Books
from sim.checkers import Docket
from sim.every_step import crash_at, steps_of
from sim.fleet import Simulation
from sim.outcome import Violation
from sim.scenario import Scenario
from sim.stories import LARGE_STORIES
from sim.streams import Streams

POINTS: Final = 1_000
COLUMNS: Final = ("servers", "steps", "points", "violations", "leaks", "duplicates", "open intents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of one kill."""

    violation: Violation | None
    """The first one."""
    books: Books


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one story."""

    story: Scenario
    steps: int
    endings: tuple[tuple[int, Ending], ...]
    """By step."""

    def figures(self) -> tuple[int, ...]:
        """Count, column by column."""
        closed = [ending.books for _, ending in self.endings]
        return (
            self.story.layout.servers,
            self.steps,
            len(self.endings),
            sum(ending.violation is not None for _, ending in self.endings),
            sum(len(each.leaks) for each in closed),
            sum(len(each.duplicates) for each in closed),
            sum(len(each.open_intents) for each in closed),
        )

    def complaints(self) -> Iterator[str]:
        """Say what is wrong, and after which step."""
        for step, ending in self.endings:
            wrong = [*ending.books.leaks, *ending.books.duplicates, *ending.books.open_intents]
            if (broken := ending.violation) is not None:
                wrong.insert(0, f"{broken.checker} at {broken.instant}: {broken.words}")
            if wrong:
                yield f"step {step}: {'; '.join(wrong)}"


def chosen(story: Scenario, seed: int, steps: int, points: int) -> frozenset[int]:
    """Choose steps, no one twice."""
    every = list(range(1, steps + 1))
    Streams(seed).named(f"kill points/{story.name}").shuffle(every)
    return frozenset(every[:points])


def row(story: Scenario, seed: int, points: int, *, workers: int | None = None) -> Row:
    """Play a story once for each chosen step."""
    due = chosen(story, seed, steps_of(story, seed), points)
    steps, endings = crash_at(story, seed, due.__contains__, _ended, workers=workers)
    return Row(story=story, steps=steps, endings=tuple(endings))


def _ended(sim: Simulation, docket: Docket) -> Ending:
    return Ending(violation=next(iter(docket.violations), None), books=books.close(sim))


def main(arguments: Sequence[str]) -> int:
    """Print a table; exit code 1 when anything is wrong after any kill."""
    parser = argparse.ArgumentParser(prog="python -m sim.kill_points", description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of {', '.join(LARGE_STORIES)}; all without any")
    parser.add_argument("--points", type=int, default=POINTS, help="of all stories together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, metavar="N", help="so many runs at the same time; one on each core")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.stories) - LARGE_STORIES.keys())
    if unknown:
        parser.error(f"no story is called {', '.join(unknown)}")
    stories = [LARGE_STORIES[name] for name in options.stories or LARGE_STORIES]
    sys.stdout.write(f"| story | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}\n")
    is_sound = True
    for number, story in enumerate(stories):
        points = options.points // len(stories) + (number < options.points % len(stories))
        told = row(story, options.seed, points, workers=options.workers)
        sys.stdout.write(f"| `{story.name}` | {' | '.join(f'{figure:,}' for figure in told.figures())} |\n")
        for complaint in told.complaints():
            sys.stderr.write(f"{story.name}, {complaint}\n")
            is_sound = False
        sys.stdout.flush()
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A sweep: many seeds of the swarm judged together: which promise broke, and which faults met which phases.

    python -m sim.sweep 500                        seeds 0 to 499; exit code 1 when a promise was broken
    python -m sim.sweep 500 --from 1000            seeds 1000 to 1499
    python -m sim.sweep 500 --write matrix.md      write the matrix of faults and phases
    python -m sim.sweep 500 --whole-matrix         exit code 1 also when a cell is empty that can be filled
    python -m sim.sweep 500 --known FILE           say of seeds in FILE that they break a promise, and go on

A line of FILE is a seed and the checker that accuses it, until what it has found is mended.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sim import cells
from sim.batch import swarm
from sim.coverage import Matrix, together
from sim.outcome import Outcome


@dataclass(slots=True)
class Sweep:
    """What all runs together showed."""

    known: Mapping[int, str] = field(default_factory=dict)
    """Seeds that are known to break a promise, with the checker."""
    runs: int = 0
    broken: int = 0
    expected: int = 0
    """Runs that broke the promise that they are known to break."""
    virtual_seconds: int = 0
    cpu_seconds: float = 0.0
    matrix: Matrix = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Take a run."""
        self.runs += 1
        if self.is_known(outcome):
            self.expected += 1
        else:
            self.broken += bool(outcome.violations)
        self.virtual_seconds += outcome.virtual_seconds
        self.cpu_seconds += outcome.cpu_seconds
        self.matrix = together((self.matrix, outcome.strikes))

    def is_known(self, outcome: Outcome) -> bool:
        """Tell whether a run breaks just the promise that it is known to break."""
        accusers = {violation.checker for violation in outcome.violations}
        return accusers == {self.known.get(outcome.seed)}

    def verdict(self) -> str:
        """Say it in one line."""
        spent = f"{self.virtual_seconds // 3600} virtual hours in {self.cpu_seconds:.0f} s of CPU"
        known = f", {self.expected} more as they are known to" if self.expected else ""
        return f"{self.runs} seeds, {spent}: {self.broken} broke a promise{known}"


def complaints(outcome: Outcome) -> Iterator[str]:
    """Say what broke in a run, and how to see it again."""
    for violation in outcome.violations[:3]:
        yield f"seed {outcome.seed} at {violation.instant}: {violation.checker}: {violation.words}"
    if outcome.violations:
        yield f"  again: hfs simulate {outcome.scenario} --seed {outcome.seed}"


def read_known(file: Path) -> dict[int, str]:
    """Read the seeds that are known to break a promise."""
    lines = (line.split() for line in file.read_text().splitlines() if line and not line.startswith("#"))
    return {int(seed): checker for seed, checker, *_ in lines}


def main(arguments: Sequence[str]) -> int:
    """Play so many seeds, and write the matrix if asked."""
    parser = argparse.ArgumentParser(prog="python -m sim.sweep", description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--known", type=Path)
    parser.add_argument("--whole-matrix", action="store_true")
    options = parser.parse_args(arguments)
    found = Sweep(known=read_known(options.known) if options.known is not None else {})
    for outcome in swarm(range(options.first, options.first + options.count)):
        found.add(outcome)
        if not found.is_known(outcome):
            for complaint in complaints(outcome):
                sys.stdout.write(f"{complaint}\n")
                sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{found.runs} of {options.count} seeds, {found.broken} broken \r")
    sys.stdout.write(f"{found.verdict()}\n")
    if options.write is not None:
        options.write.write_text("\n".join(_page(found)) + "\n")
    faulty = list(faults_of(found.matrix))
    if options.whole_matrix:
        sys.stdout.writelines(f"{line}\n" for line in faulty)
    return 1 if found.broken or (options.whole_matrix and faulty) else 0


def faults_of(matrix: Matrix) -> Iterator[str]:
    """Say what is wrong with the matrix: cells that could have been filled, and some that can only be by mistake."""
    if missing := _named(cells.empty(matrix)):
        yield f"not met, though it could have been (sim/stirring.py brings it about): {missing}"
    if mistaken := _named(cells.mistaken(matrix)):
        yield f"met, though it is said to be impossible (sim/cells.py): {mistaken}"


def _named(found: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} × {column}" for name, column in found)


def _page(found: Sweep) -> Iterator[str]:
    yield f"Written by `./build.sh sweep`: {found.verdict()}."
    yield ""
    yield from cells.table(found.matrix)
    yield ""
    yield f"Not met, though it could have been: {_named(cells.empty(found.matrix)) or 'nothing'}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A sweep: many seeds of the swarm judged together: which promise broke, and which faults met which phases.

python -m sim.sweep 500                        seeds 0 to 499; exit code 1 when a promise was broken
python -m sim.sweep 500 --write matrix.md      and write the matrix of faults and phases
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hfs_appliance.model.plan import Phase
from sim.batch import swarm
from sim.coverage import Matrix, together
from sim.faults import MENU
from sim.outcome import Outcome

NOWHERE = frozenset({Phase.PLANNED, Phase.GONE})
"""No server is ever seen in these: one is a plan, the other has left."""


@dataclass(slots=True)
class Sweep:
    """What all runs together showed."""

    runs: int = 0
    broken: int = 0
    virtual_seconds: int = 0
    cpu_seconds: float = 0.0
    matrix: Matrix = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Take a run."""
        self.runs += 1
        self.broken += bool(outcome.violations)
        self.virtual_seconds += outcome.virtual_seconds
        self.cpu_seconds += outcome.cpu_seconds
        self.matrix = together((self.matrix, outcome.strikes))

    def verdict(self) -> str:
        """Say it in one line."""
        spent = f"{self.virtual_seconds // 3600} virtual hours in {self.cpu_seconds:.0f} s of CPU"
        return f"{self.runs} seeds, {spent}: {self.broken} broke a promise"


def complaints(outcome: Outcome) -> Iterator[str]:
    """Say what broke in a run, and how to see it again."""
    for violation in outcome.violations[:3]:
        yield f"seed {outcome.seed} at {violation.instant}: {violation.checker}: {violation.words}"
    if outcome.violations:
        yield f"  again: hfs simulate {outcome.scenario} --seed {outcome.seed}"


def table(matrix: Matrix) -> Iterator[str]:
    """Lay the matrix out in Markdown: a row for each kind that a swarm draws, a column for each phase."""
    phases = [phase for phase in Phase if phase not in NOWHERE]
    yield f"| fault | {' | '.join(phases)} |"
    yield f"| --- | {' | '.join(['---:'] * len(phases))} |"
    for name in sorted(name for name, kind in MENU.items() if kind.is_drawn):
        struck = matrix.get(name, {})
        yield f"| {name} | {' | '.join(str(struck.get(phase, '')) for phase in phases)} |"


def main(arguments: Sequence[str]) -> int:
    """Play so many seeds, and write the matrix if asked."""
    count, *options = arguments
    found = Sweep()
    for outcome in swarm(range(int(count))):
        found.add(outcome)
        for complaint in complaints(outcome):
            sys.stdout.write(f"{complaint}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found.verdict()}\n")
    if options:
        _, file = options
        Path(file).write_text("\n".join(_page(found)) + "\n")
    return 1 if found.broken else 0


def _page(found: Sweep) -> Iterator[str]:
    yield "# Which faults met which phases"
    yield ""
    yield f"Written by `./build.sh sweep`: {found.verdict()}."
    yield ""
    yield "A number tells how often a fault of that kind struck while its victims (any server, if it has none) were in"
    yield "that phase. An empty cell is something that these seeds have not tried."
    yield ""
    yield from table(found.matrix)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The hunt for all mutants.

python -m sim.mutants              look for every mutant anew, and keep what is found in tests/golden/mutants
python -m sim.mutants NAME...      only for these

Exit code 1 when one is not caught within its time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sim.mutants import MUTANTS
from sim.mutants.base import Mutant
from sim.mutants.catches import keep
from sim.mutants.hunt import hunt


def main(names: Sequence[str]) -> int:
    """Hunt; tell a line for each mutant."""
    unknown = [name for name in names if name not in MUTANTS]
    if unknown:
        sys.stderr.write(f"no such mutant: {', '.join(unknown)}\n")
        return 2
    missed = sum(not _look_for(MUTANTS[name]) for name in names or sorted(MUTANTS))
    return 1 if missed else 0


def _look_for(wrong: Mutant) -> bool:
    catch = hunt(wrong)
    if catch is None:
        _tell(wrong, "was not caught")
        return False
    keep(wrong.name, catch)
    faults = len(catch.scenario.faults)
    _tell(wrong, f"{catch.checker} after {catch.seeds} seeds, {catch.cpu_ms / 1000:.1f} s; {faults} faults left")
    return True


def _tell(wrong: Mutant, words: str) -> None:
    sys.stdout.write(f"{wrong.name}: {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

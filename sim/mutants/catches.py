"""What is kept of a hunt: for each mutant the small story, its seed and the checker that accuses in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.scenario import Scenario
from sim.scenario_text import write
from sim.scenarios import load

FOLDER: Final = Path(__file__).parents[2] / "tests" / "golden" / "mutants"
_INDEX: Final = "catches.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """A run in which a mutant was seen."""

    checker: str
    seed: int
    seeds: int
    """How many were played until then."""
    cpu_ms: int
    """For all of them."""
    scenario: Scenario
    """What is left of that run."""


def read(folder: Path = FOLDER) -> Mapping[str, Catch]:
    """Read what was kept, by the names of the mutants."""
    index = folder / _INDEX
    known = json.loads(index.read_text()) if index.exists() else {}
    return {name: Catch(**entry, scenario=load(str(folder / f"{name}.toml"))) for name, entry in known.items()}


def keep(name: str, catch: Catch, folder: Path = FOLDER) -> None:
    """Keep a catch in place of the former one of that mutant."""
    index = folder / _INDEX
    known = json.loads(index.read_text()) if index.exists() else {}
    known[name] = {"checker": catch.checker, "seed": catch.seed, "seeds": catch.seeds, "cpu_ms": catch.cpu_ms}
    comment = f"With the mutant {name} (sim/mutants) and seed {catch.seed}, the checker {catch.checker} accuses."
    (folder / f"{name}.toml").write_text(write(catch.scenario, comment=comment))
    index.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")

"""Every checker is among those that judge, has a name of its own, and is shown here to be able to fail."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import sim.checkers
from sim.checkers import CHECKERS, Checker


def written() -> set[type[Checker]]:
    modules = [import_module(f"sim.checkers.{found.name}") for found in iter_modules(sim.checkers.__path__)]
    every = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {kind for kind in every if issubclass(kind, Checker) and kind is not Checker}


def test_whoever_is_written_judges() -> None:
    assert written() == set(CHECKERS)
    assert len({checker.name for checker in CHECKERS}) == len(CHECKERS)


def test_whoever_judges_has_a_story_that_it_accuses() -> None:
    stories = "\n".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))
    assert [checker.__name__ for checker in CHECKERS if f"Stage({checker.__name__}" not in stories] == []

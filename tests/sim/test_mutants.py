"""Every mutant is caught by the checker that is there for it, in a small story that the product itself plays well.

What is played here was found and reduced by `./build.sh mutants`; it is looked for anew when it is no use any more.
"""

from __future__ import annotations

import pytest

from sim.checkers import CHECKERS
from sim.mutants import MUTANTS, applied
from sim.mutants.base import Mutant, Patch
from sim.mutants.catches import Catch, read
from sim.mutants.hunt import attempt, is_caught
from sim.play import play

CATCHES = read()
SEEDS = 5


def test_every_mutant_has_been_caught_in_time() -> None:
    assert CATCHES.keys() == MUTANTS.keys()
    assert len(MUTANTS) >= 25
    assert {name: catch.checker for name, catch in CATCHES.items()} == {
        name: wrong.caught_by for name, wrong in MUTANTS.items()
    }
    assert {catch.checker for catch in CATCHES.values()} <= {checker.name for checker in CHECKERS}
    assert max(catch.cpu_ms for catch in CATCHES.values()) <= 60_000


def seen(wrong: Mutant, catch: Catch) -> int | None:
    """Give the seed with which the checker accuses: the recorded one or, if the product has changed, one after it."""
    with applied(wrong):
        seeds = range(catch.seed, catch.seed + SEEDS)
        return next((seed for seed in seeds if is_caught(wrong, attempt(wrong, catch.scenario, seed))), None)


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_caught_and_the_product_is_not(name: str) -> None:
    seed = seen(MUTANTS[name], CATCHES[name])
    assert seed is not None, "it is not seen any more; ./build.sh mutants NAME looks for it anew"
    assert play(CATCHES[name].scenario, seed).violations == ()


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_leaves_the_product_as_it_was(name: str) -> None:
    patch = Patch()
    MUTANTS[name].change(patch)
    changed = [(owner, attribute) for owner, attribute, _ in patch.changes]
    during = [vars(owner)[attribute] for owner, attribute in changed]
    before = {(id(owner), attribute): value for owner, attribute, value in reversed(patch.changes)}
    patch.undo()
    assert changed
    assert all(vars(owner)[attribute] is before[id(owner), attribute] for owner, attribute in changed)
    assert any(vars(owner)[attribute] is not value for (owner, attribute), value in zip(changed, during, strict=True))

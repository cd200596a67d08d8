"""What a mutant is: one rule of the product taken out or turned round, to see that a checker misses it.

A mutant is a function that changes functions or constants of the real product through a `Patch`, which puts everything
back afterwards. The product knows nothing of it and has no switch for it. The rule to keep: one mutant, one rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sim.faults import MENU
from sim.scenario import Scenario
from sim.swarm import draw

World: TypeAlias = Callable[[int], Scenario]
"""Gives the story in which a mutant is looked for, by seed."""


class Patch:
    """Changes of the product, undone in reverse order."""

    def __init__(self) -> None:
        self.changes: list[tuple[Any, str, object]] = []
        """What was changed, and what had been there."""

    def set(self, owner: object, name: str, value: object) -> None:
        """Replace a function or constant of a module, or a method of a class."""
        self.changes.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def around(self, owner: object, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace a function by one that is made of it."""
        self.set(owner, name, make(vars(owner)[name]))

    def undo(self) -> None:
        """Put everything back."""
        while self.changes:
            setattr(*self.changes.pop())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One wrong product."""

    name: str
    breaks: str
    """The rule that it does not keep, in words."""
    because: str
    """Why the rule is there: what happened to others, or the fault of the catalogue that makes it necessary."""
    caught_by: str
    """Name of the checker that is there for it."""
    change: Callable[[Patch], None]
    world: World = draw


MUTANTS: Final[dict[str, Mutant]] = {}


def among(*kinds: str, **layout: int) -> World:
    """Draw as the swarm does, but only from some kinds of faults, and with this in the layout."""
    menu = {name: replace(MENU[name], is_drawn=True) for name in kinds}

    def world(seed: int) -> Scenario:
        drawn = draw(seed, menu or MENU)
        return replace(drawn, layout=replace(drawn.layout, **layout))  # type: ignore[arg-type]

    return world


def mutant(
    name: str, *, breaks: str, because: str, caught_by: str, world: World = draw
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Put a change of the product among the mutants; `world` where the whole swarm would seldom draw what it needs."""

    def put(change: Callable[[Patch], None]) -> Callable[[Patch], None]:
        assert name not in MUTANTS, name
        MUTANTS[name] = Mutant(
            name=name, breaks=breaks, because=because, caught_by=caught_by, change=change, world=world
        )
        return change

    return put


@contextmanager
def applied(wrong: Mutant) -> Iterator[None]:
    """Have the product be wrong within the block."""
    patch = Patch()
    try:
        wrong.change(patch)
        yield
    finally:
        patch.undo()

"""Overlapping faults: what several faults hold at a time stays as the worst of them until the last one ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

End = Callable[[], None]


class Overlaps:
    """What faults hold now, in one simulation."""

    def __init__(self) -> None:
        self._values: Final[dict[tuple[int, str], tuple[object, Any, list[Any]]]] = {}
        """By the identity of what is held: itself, its value without faults, and what each fault holds it at."""
        self._counts: Final[dict[object, int]] = {}

    def hold(self, thing: object, name: str, value: Any, worst: Callable[[list[Any]], Any] = max) -> End:
        """Hold an attribute of something at the worst of its own value and of what faults want; give the end of it."""
        key = (id(thing), name)
        _, own, held = self._values.setdefault(key, (thing, getattr(thing, name), []))
        held.append(value)
        setattr(thing, name, worst([own, *held]))

        def end() -> None:
            held.remove(value)
            setattr(thing, name, worst([own, *held]))
            if not held:
                del self._values[key]

        return end

    def during(self, what: object, begin: End, end: End) -> End:
        """Have `begin` done by the first of several faults and `end` when the last one ends; give the end of one."""
        if self._counts.setdefault(what, 0) == 0:
            begin()
        self._counts[what] += 1
        return partial(self._leave, what, end)

    def _leave(self, what: object, end: End) -> None:
        self._counts[what] -= 1
        if not self._counts[what]:
            del self._counts[what]
            end()


def tightest(values: list[int | None]) -> int | None:
    """Give the least of several limits; None is no limit."""
    return min((value for value in values if value is not None), default=None)


def union(values: list[set[Any]]) -> set[Any]:
    """Give what any of several sets holds."""
    return set().union(*values)


def chain(*ends: End | None) -> End:
    """Give one end of several things."""

    def end() -> None:
        for one in ends:
            if one is not None:
                one()

    return end

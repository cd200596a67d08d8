"""What a fault is: a kind of the menu, with what it does to the world and how that ends.

A kind is a function of the simulation and of the fault's two integers. It hurts the world at once and gives back a
`Struck`: what was hurt, in words, and how to end it. It never waits; what an operator asks for goes through `ask`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Duration
from sim.scenario import Fault

if TYPE_CHECKING:
    from sim.fleet import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What a fault did."""

    words: str
    victims: tuple[ServerId, ...] | None = None
    """Machines that are hurt at once: their repair is measured. None: it is no fault of certain machines."""
    end: Callable[[], None] | None = None
    """How it ends; None: it is over at once."""


Strike: TypeAlias = "Callable[[Simulation, Fault], Struck]"
Whom: TypeAlias = "Callable[[Simulation], Iterable[ServerId]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One entry of the menu."""

    name: str
    ids: tuple[str, ...]
    """Of the fault catalogue (Z4, O2, …); empty for what an operator does on purpose."""
    words: str
    """What it does, and what `target` and `amount` mean."""
    strike: Strike
    amounts: tuple[int, int] = (1, 1)
    """What a swarm draws `amount` from, both included."""
    spans: tuple[Duration, Duration] | None = None
    """What a swarm draws `lasts` from; None: it is over at once."""
    hits: Whom | None = None
    """Names whom it may have for its victims now; None: it has none."""
    is_drawn: bool = True
    """Whether a swarm draws it: no for what the product may rightly answer by falling short of a swarm's demands."""
    needs_traffic: bool = False
    """Whether it is something that clients do."""
    needs_balancer: bool = False
    """Whether it is something that happens to a load balancer."""

    @property
    def is_by_people(self) -> bool:
        """Tell whether nothing breaks: operators (H) or callers (L) do something."""
        return all(name.startswith(("H", "L-")) for name in self.ids)


MENU: Final[dict[str, Kind]] = {}


def kind(
    name: str,
    *ids: str,
    words: str,
    amounts: tuple[int, int] = (1, 1),
    spans: tuple[Duration, Duration] | None = None,
    hits: Whom | None = None,
    is_drawn: bool = True,
    needs_traffic: bool = False,
    needs_balancer: bool = False,
) -> Callable[[Strike], Strike]:
    """Put a function on the menu, with the ranges that a swarm (sim/swarm.py) draws its faults from."""

    def put(strike: Strike) -> Strike:
        assert name not in MENU, name
        MENU[name] = Kind(
            name=name,
            ids=ids,
            words=words,
            strike=strike,
            amounts=amounts,
            spans=spans,
            hits=hits,
            is_drawn=is_drawn,
            needs_traffic=needs_traffic,
            needs_balancer=needs_balancer,
        )
        return strike

    return put

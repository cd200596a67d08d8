"""The load balancer before the proxies: who is behind it, with which weight, and what state it is in.

Its members are proxies, never instances of services; all that is between them and the instances is the proxies' affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

FULL_WEIGHT: Final = 1
"""Of every proxy that may have traffic: all alike. 0: no new connections, open ones may end."""


class Place(NamedTuple):
    """Where a proxy is reached: its identity for a load balancer, which knows no names."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class BalancerMember(NamedTuple):
    """One proxy behind the load balancer."""

    place: Place
    weight: int


class BalancerState(StrEnum):
    """Whether the load balancer can be changed, in its own words."""

    ABSENT = "absent"
    """There is none of ours: it is to be made."""
    ACTIVE = "active"
    PENDING = "pending"
    """It carries a change out, and refuses every other one until it is done."""
    ERROR = "error"
    """It has failed in a change and refuses all others: somebody must mend it. What it serves, it goes on serving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerView:
    """The load balancer as it answered."""

    state: BalancerState
    members: tuple[BalancerMember, ...] = ()
    """Sorted by place, each place once."""
    answering: frozenset[Place] = frozenset()
    """Those of which its own health monitor says that they answer. It may be wrong both ways, or have no monitor."""
    address: str = ""
    """Where clients reach it; empty when it does not say."""
    name: str = ""
    """What operators know it by."""
    spares: int = 0
    """How many more of ours there are beside it: creations whose answers were lost may come late."""


def member_set(members: dict[Place, int]) -> tuple[BalancerMember, ...]:
    """Give members in the order in which they are compared."""
    return tuple(BalancerMember(place, members[place]) for place in sorted(members))

"""What really happens at the load balancer and at the proxies behind it, as facts of the truth."""

from __future__ import annotations

from dataclasses import dataclass

from hfs_appliance.model.balancer import BalancerMember, BalancerState, Place
from sim.truth import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAnswers(Fact):
    """A proxy answers from now on, or does not."""

    place: Place
    is_answering: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerCalled(Fact):
    """A call reached the load balancer's API and was accepted, or refused."""

    client: int
    call: str
    """`look`, `create`, `replace` or `delete`."""
    state: BalancerState
    """Of the load balancer, when the call came."""
    refusal: str = ""
    """Name of the error that it is answered with, `silence` for no answer; empty: it was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerServes(Fact):
    """Another set of members is in force."""

    members: tuple[BalancerMember, ...]
    is_by_hand: bool
    """Somebody else has changed it."""

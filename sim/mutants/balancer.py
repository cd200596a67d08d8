"""Mutants of the load balancer's publisher: members cut off, the last one taken out, proxies forgotten, no pause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hfs_appliance.model.balancer import Place
from hfs_appliance.model.instants import MILLISECOND, MINUTE, Duration
from hfs_appliance.proxy import balance as policy
from hfs_appliance.runtime import balance as publisher
from sim.mutants.base import Patch, World, among, mutant


def _several(*kinds: str) -> World:
    return among(*kinds, appliances=3, balancer=True)


@mutant(
    "members-cut-off",
    breaks="a proxy that is gone for good leaves the load balancer at once, with its weight",
    because="OS16: open connections of a proxy that ends in order are cut in the middle of a request",
    caught_by="drained-first",
    world=_several("appliance-lost"),
)
def members_cut_off(patch: Patch) -> None:
    """Wait for no drain."""

    def gone(_sight: Any, _memory: Any, rows: Mapping[Place, Any], weights: Mapping[Place, int]) -> Iterator[Place]:
        yield from (place for place in weights if rows[place] is not None and rows[place].is_for_good)

    patch.set(policy, "_gone", gone)


@mutant(
    "balancer-emptied",
    breaks="whoever should be out is out, be it the last one",
    because="S10: a table that no proxy takes, or a leader that hears of nobody, takes the whole endpoint away",
    caught_by="never-empty",
    world=_several("proxy-refuses", "appliance-lost", "scale-out"),
)
def balancer_emptied(patch: Patch) -> None:
    """Keep nobody."""
    patch.set(policy, "_kept", lambda *_: frozenset())


@mutant(
    "balancer-late",
    breaks="a change of the load balancer waits half an hour for the one before it",
    because="L6: a proxy that is back stands idle while those that are left are overrun",
    caught_by="behind-balancer",
    world=_several("appliance-lost"),
)
def balancer_late(patch: Patch) -> None:
    """Keep changes far apart."""
    patch.set(publisher, "APART", Duration(30 * MINUTE))


@mutant(
    "balancer-without-pause",
    breaks="a load balancer that does not answer, or refuses a change, is asked again at once, for ever",
    because="O8, Q1: retries in a tight loop keep a load balancer busy that would be well again after a minute",
    caught_by="balancer-backs-off",
    world=_several("balancer-down", "balancer-busy"),
)
def balancer_without_pause(patch: Patch) -> None:
    """Pause for nothing."""
    for name in ("APART", "FIRST_PAUSE", "LONGEST_PAUSE", "LOOK_SOON"):
        patch.set(publisher, name, Duration(100 * MILLISECOND))

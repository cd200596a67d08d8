"""The election: from what stands in the registry to what an appliance should do about it. No recipe, no queue.

The epoch's entry names the seat (candidacy) of the leader, and a seat is named by a session: when it is gone, it is
gone for ever, and whoever sat there can write nothing any more, because each of its writes checks it. So the office is
vacant when the seat is gone, and it is taken by one write on the version of the epoch that was read: of those who try,
one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hfs_appliance.model.leadership import Candidate, Leader, Tenure


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """The office is ours."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """Somebody else leads."""

    leader: Leader


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacant:
    """Nobody leads: whoever first moves the epoch on from this one does."""

    epoch: int
    remains: str = ""
    """Seat of our own former life, to be removed in the same step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Astray:
    """The registry knows less than we do: it was emptied or rolled back, and is not to be acted upon."""

    seen: int
    """Highest epoch that we have seen."""


Standing: TypeAlias = Leads | Follows | Vacant | Astray


def standing(
    ours: str,
    us: Candidate,
    epoch: int,
    seen: int,
    tenure: Tenure | None,
    seats: Mapping[str, Candidate],
    *,
    may_succeed_itself: bool,
) -> Standing:
    """Tell where the appliance `us`, which sits in `ours`, stands.

    `seen` is the highest epoch of which it knows; `tenure` is None when the epoch's entry cannot be read.
    `may_succeed_itself`: whoever of our identity has sat there before is certainly dead (a kill -9 a moment ago), so
    that its session needs not be waited for.
    """
    if epoch < seen:
        return Astray(seen=seen)
    holder = seats.get(tenure.seat) if tenure is not None else None
    if tenure is None or holder is None:
        return Vacant(epoch=epoch)
    if tenure.seat == ours:
        return Leads(epoch=epoch)
    if may_succeed_itself and holder.appliance == us.appliance:
        return Vacant(epoch=epoch, remains=tenure.seat)
    return Follows(leader=Leader(name=holder.name, address=holder.address, epoch=epoch))

"""What the instances of one service make of the requests that come: an approximation of queues in integers.

Pure: who is routed and how they are, in; what is served, what is lost, how long it takes, out. What nginx does is here
as our template has it: shares are equal, whoever refuses or is known to be dead is passed over at no loss, whoever
hangs costs its share until nginx has waited for it once, and what an instance answers is the answer, an error too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Final

from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import SECOND
from sim.scenario import Traffic

MILLI: Final = 1000
FULL: Final = 1000
"""Per mille."""
EVENLY: Final[Mapping[Version, int]] = {}
TAIL: Final = 3
"""The 95th percentile of a time that is distributed exponentially is 3.0 times its mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members of one route that are alike."""

    version: Version
    members: int
    slowness: int = FULL
    """V9, H8: on the time of everything they do, per mille."""
    errors: int = 0
    """V9, H8: per mille of their answers that are errors."""
    hangs: bool = False
    """They take requests and never answer."""
    extra: int = 0
    """L-7: per mille of the service's requests that stick to each of them; the rest is shared out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one group does."""

    group: Group
    offered: int
    lost: int
    """Requests that get no answer in time, or an error."""
    utilisation: int
    """Of one of its members, per mille of what it can do; above 1000 it cannot keep up."""
    latency: int
    """Mean, in ns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a service does; rates are milli-requests a second."""

    offered: int
    lost: int
    able: int
    """Members that answer."""
    utilisation: int
    """Of all that answer together, per mille."""
    latency_p95: int
    """Of what is answered, in ns."""
    shares: tuple[Share, ...]


NOTHING: Final = Load(offered=0, lost=0, able=0, utilisation=0, latency_p95=0, shares=())


def latency(traffic: Traffic, utilisation: int, slowness: int = FULL) -> int:
    """Give the mean time of an answer: the service's own, and the wait for a free worker.

    The wait is Sakasegawa's approximation for c workers, rho^sqrt(2(c+1)) / (c (1 - rho)) of a service time, with its
    exponent rounded to a whole number so that no float is needed.
    """
    own = traffic.latency * slowness // FULL
    if utilisation >= FULL:
        return max(traffic.patience, own)
    workers = max(1, traffic.capacity * traffic.latency // SECOND)
    queue = FULL
    for _ in range(isqrt(2 * (workers + 1))):
        queue = queue * utilisation // FULL
    return min(own + own * queue // (workers * (FULL - utilisation)), max(traffic.patience, own))


def served(offered: int, capacity: int) -> int:
    """Give how much of what comes is answered in time.

    Beyond its capacity an instance also works for clients that have given up: at twice its capacity two thirds of it
    are of use, at four times two fifths (an assumption; a service that sheds load does better, a plain queue worse).
    """
    return offered if offered <= capacity else 2 * capacity * capacity // (capacity + offered)


def spread(traffic: Traffic, offered: int, groups: Sequence[Group], weights: Mapping[Version, int] = EVENLY) -> Load:
    """Share requests out over the members that are tried, and give what becomes of them.

    `weights` divide them by version first, each version's part evenly over its members; without weights all members
    are alike. The part of a version that nobody is tried of goes to the others, as nginx's backup servers have it.
    """
    if not groups:
        return replace(NOTHING, offered=offered, lost=offered)
    lost = able = capacity = taken = 0
    shares = []
    for group, part in zip(groups, _parts(offered, groups, weights), strict=True):
        share = _share(traffic, group, part)
        shares.append(share)
        lost += share.lost
        if not group.hangs:
            able += group.members
            taken += part
            capacity += _capacity(traffic, group) * group.members
    return Load(
        offered=offered,
        lost=lost,
        able=able,
        utilisation=taken * FULL // capacity if capacity else 0,
        latency_p95=min(_p95(shares), max(traffic.patience, traffic.latency)),
        shares=tuple(shares),
    )


def _parts(offered: int, groups: Sequence[Group], weights: Mapping[Version, int]) -> Sequence[int]:
    """Give what each group gets: what sticks to its members, and its part of the rest."""
    if len(groups) == 1:
        return (offered,)
    whole = max(FULL, sum(group.extra * group.members for group in groups))
    parts = [offered * group.extra * group.members // whole for group in groups]
    shared = offered - sum(parts)
    versions = sorted({group.version for group in groups if weights.get(group.version)})
    if not versions:
        divided = _divide(shared, [group.members for group in groups])
        return [own + part for own, part in zip(parts, divided, strict=True)]
    for version, of_version in zip(versions, _divide(shared, [weights[each] for each in versions]), strict=True):
        places = [place for place, group in enumerate(groups) if group.version == version]
        for place, part in zip(places, _divide(of_version, [groups[each].members for each in places]), strict=True):
            parts[place] += part
    return parts


def _divide(amount: int, weights: Sequence[int]) -> Sequence[int]:
    """Divide whole numbers by weight; the sum is exact."""
    left, parts = sum(weights), []
    for weight in weights:
        part = amount * weight // left
        amount, left = amount - part, left - weight
        parts.append(part)
    return parts


def coming_back(usual: int, before: Load, retries: int) -> int:
    """Give what comes when a request that fails is tried again so often: each try fails as often as one did before."""
    if not retries or not before.offered or not before.lost:
        return usual
    tries = failing = FULL
    for _ in range(retries):
        failing = failing * before.lost // before.offered
        tries += failing
    return usual * tries // FULL


def needed(traffic: Traffic, offered: int) -> int:
    """Give the fewest instances that are as quick as they must be under so many requests; at least one."""
    return max(1, -(-offered * FULL // (traffic.capacity * MILLI * traffic.busy)))


def _share(traffic: Traffic, group: Group, offered: int) -> Share:
    if group.hangs:
        return Share(group=group, offered=offered, lost=offered, utilisation=0, latency=traffic.patience)
    capacity = _capacity(traffic, group)
    each = offered // group.members
    good = served(each, capacity) * (FULL - group.errors) // FULL
    utilisation = each * FULL // capacity
    return Share(
        group=group,
        offered=offered,
        lost=offered - good * group.members if good < each else 0,
        utilisation=utilisation,
        latency=latency(traffic, utilisation, group.slowness),
    )


def _capacity(traffic: Traffic, group: Group) -> int:
    return max(1, traffic.capacity * MILLI * FULL // group.slowness)


def _p95(shares: Sequence[Share]) -> int:
    """Take the slowest group that at least one answer in twenty comes from; its own tail on top."""
    slowest_first = sorted((share for share in shares if not share.group.hangs), key=lambda share: -share.latency)
    total = sum(share.offered for share in slowest_first)
    seen = 0
    for share in slowest_first:
        seen += share.offered
        if seen * 20 > total or not total:
            return share.latency * TAIL
    return 0

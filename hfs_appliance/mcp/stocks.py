"""Stocks: the sizes of the pools that follow what is claimed from them, and what of a plan they have to remember.

What counts is what nobody could wait for: instances that died, and those that a growing crowd asks for. A new service
or version is given what there is, and waits for builds; the pool is not made larger for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hfs_appliance.factory.forecast import noted, size
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.model.autoscale import Demand
from hfs_appliance.model.desired import DesiredState, Pool
from hfs_appliance.model.ids import PoolName, ServiceName
from hfs_appliance.model.instants import Duration, Instant, between
from hfs_appliance.model.ledger import Rush
from hfs_appliance.model.plan import Cause, Claim, ConfirmBuilt

NOTHING = Rush()


def stocked(
    pools: Mapping[PoolName, Pool], rushes: Mapping[PoolName, Rush], now: Instant
) -> tuple[Mapping[PoolName, Pool], Instant | None]:
    """Give the pools with the sizes that they are to have, and until when; the very same when nothing is changed."""
    changed: dict[PoolName, Pool] = {}
    untils: list[Instant] = []
    for name, pool in pools.items():
        if pool.max is None:
            continue
        wanted, until = size(rushes.get(name, NOTHING), pool.size, pool.max, now, pool.remember)
        untils += [until] if until is not None else []
        if wanted != pool.size:
            changed[name] = replace(pool, size=wanted)
    return ({**pools, **changed} if changed else pools), min(untils, default=None)


def remembered(draft: Draft, operators: DesiredState, demands: Mapping[ServiceName, Demand]) -> Mapping[PoolName, Rush]:
    """Give what is to be remembered of the pools once the plan is carried out. `operators`: before any sizing."""
    followed = [pool for pool in operators.pools.values() if pool.max is not None]
    if not followed:
        return {}
    claims, builds, now = _claims(draft, demands), _builds(draft), draft.world.now
    found: dict[PoolName, Rush] = {}
    for pool in followed:
        before = draft.world.ledger.rushes.get(pool.name, NOTHING)
        rush = noted(before, now, claims[pool.name], builds.get(pool.name, ()), pool.remember)
        kept = draft.desired.pools[pool.name].size
        found[pool.name] = rush if rush.size == kept else replace(rush, size=kept)
    return found


def _claims(draft: Draft, demands: Mapping[ServiceName, Demand]) -> Counter[PoolName]:
    found: Counter[PoolName] = Counter()
    for action in draft.actions:
        if not isinstance(action, Claim):
            continue
        demand, service = demands.get(action.service), draft.desired.services[action.service]
        is_growing = demand is not None and demand.size.base < demand.size.total and not service.former
        found[service.pool] += action.reason.cause is Cause.REMEDIATION or is_growing
    return found


def _builds(draft: Draft) -> Mapping[PoolName, Sequence[Duration]]:
    """Give how long those took to build that are in the pool for the first time."""
    found: defaultdict[PoolName, list[Duration]] = defaultdict(list)
    for action in draft.actions:
        standing = draft.tally.unnoted.get(action.server) if isinstance(action, ConfirmBuilt) else None
        record = standing.facts.record if standing is not None else None
        if record is not None and record.cause != Cause.ADOPTION:  # whose instants are those of the adoption
            found[record.pool].append(between(record.created_at, draft.world.now))
    return found

"""Converge: records that follow what is, and roles for warm servers. What is built in their place is in build.py.

Order of safety: what adds capacity may always be planned; what removes any (remedy.py, retire.py) needs the fresh word
of cloud and registry (`may_destroy`) and a token, and never takes a service version below its count by our own hand.

Of services only those are visited that are short of instances (needs.py), and of all other servers only the tally's
groups: the cost of a plan is that of what is to be done. A rule that must see more adds a group to the tally (see
there). The tally stays as it is: what this plan takes out of it is counted in the Draft.
"""

from __future__ import annotations

from itertools import count

from hfs_appliance.factory.policy import Stock
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.insurance import Insurance, insurance
from hfs_appliance.mcp.needs import Shortage
from hfs_appliance.mcp.setbacks import is_open
from hfs_appliance.mcp.tally import InstanceTally, Standing, in_order, slot_of
from hfs_appliance.mcp.wares import terms, wares
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import (
    Adopt,
    Cause,
    Claim,
    ConfirmBuilt,
    ConfirmReady,
    Forget,
    Reason,
)


def keep_books(draft: Draft) -> None:
    """Adopt, confirm, forget: bring our records in line with what is."""
    for server in sorted(draft.tally.gone):
        draft.add(Forget(server=server, reason=Reason(cause=Cause.BOOKKEEPING, words="gone from the cloud")))
    for facts, *_ in in_order(draft.tally.ambiguous):
        if facts.cloud is not None and draft.may_destroy:
            words = "is ours by its identity, but our records do not say so, or not what it does: they are mended"
            if facts.cloud.status is CloudStatus.DELETING:
                words = (
                    "is ours by its identity, and the cloud deletes it without a record of ours: followed to its end"
                )
            draft.add(Adopt(server=facts.server, reason=Reason(cause=Cause.ADOPTION, words=words)))
    for facts, *_ in in_order(draft.tally.unnoted):
        built = facts.pool_entry.built if facts.pool_entry is not None else ""
        reason = Reason(cause=Cause.BOOKKEEPING, words="in the pool for the first time")
        draft.add(ConfirmBuilt(server=facts.server, reason=reason, built=built))
    for server in sorted(draft.tally.unconfirmed):
        reason = Reason(cause=Cause.BOOKKEEPING, words="registered for the first time")
        draft.add(ConfirmReady(server=server, reason=reason))


def claim(draft: Draft) -> None:
    """Give warm servers to the versions that are short of instances; the rest becomes `unmet`.

    All wait as they were counted. Visited, and counted otherwise, are those for whom there is something to give, or
    of whom there is anything else to be known.
    """
    covered, needs = insurance(draft), draft.needs
    draft.unmet, draft.replacing = needs.short.copy(), needs.replacing.copy()
    stocks = {pool: _stock(draft, pool) for pool in needs.short}
    is_calm = covered is None and not draft.version_setbacks
    for shortage in needs.shortages():
        if is_calm and not any(stocks.values()):
            break
        pool = shortage.service.pool
        short = _short(draft, shortage, covered)
        # Most of the time there is none to give, and looking at all instances of the service would be for nothing.
        given = _give(draft, shortage, short, stocks[pool]) if short > 0 and stocks[pool] else 0
        waiting = max(0, short - given)
        draft.unmet[pool] -= shortage.short - waiting
        draft.replacing[pool] -= shortage.replaces - min(waiting, max(0, shortage.replacing - given))


def _short(draft: Draft, shortage: Shortage, covered: Insurance | None) -> int:
    """Give how many instances a version may be given now of those that it lacks."""
    service, version, wanted, have, short, *_ = shortage
    setback = draft.version_setbacks.get((service.name, version))
    if setback is not None and draft.world.now < setback.not_before:
        words = (
            f"{setback.failures} instances in a row did not come up (last: {setback.words}); "
            f"{short} more wait {draft.time_left(setback.not_before)}"
        )
        draft.hold(f"service/{service.name}", "version-setback", words, setback)
        return 0
    if setback is not None and is_open(setback):
        short = min(short, 1 - _trials(have, setback))
    return short if covered is None else covered.cover(have, wanted, short)


def _stock(draft: Draft, pool: PoolName) -> Stock:
    """Give the warm servers of a pool that can be claimed now."""
    known, wanted = draft.tally.pools.get(pool), draft.desired.pools.get(pool)
    if known is None or wanted is None:
        return Stock(())
    demanded = terms(draft, wanted)
    # An unfit one would be waited for in vain: another one is built sooner.
    fit = (ware for ware in wares(draft, pool) if not ware.unfit and _is_listed(draft, known.warm[ware.server]))
    return Stock((demanded.grade(ware), ware.server, ware.az) for ware in fit)


def _give(draft: Draft, shortage: Shortage, short: int, stock: Stock) -> int:
    """Give a version the warm servers that it is short of, as far as there are any; tell how many."""
    service, version, wanted, have, *_ = shortage
    staying = (standing for server, standing in have.lost.items() if _may_return(draft, server, standing))
    taken, zones = have.slots() | {slot_of(standing) for standing in staying}, have.zones()
    slots = (slot for slot in count() if slot not in taken)
    for given in range(short):
        found = stock.take(zones)
        if found is None:
            return given
        server, az = found
        zones[az] += 1
        draft.claimed[service.pool] += 1
        cause = Cause.REMEDIATION if given < shortage.replacing else Cause.MEET_DEMAND
        words = f"{service.name} {version} has {wanted - short + given} of {wanted}"
        reason = Reason(cause=cause, words=words)
        draft.add(Claim(server=server, service=service.name, version=version, slot=next(slots), reason=reason))
    return short


def _may_return(draft: Draft, server: ServerId, standing: Standing) -> bool:
    """Tell whether a lost server keeps its slot: as long as it is not being deleted.

    Nor is one that the list leaves out (O4): the cloud is asked for it by its id first, and may know it.
    """
    return standing.facts.cloud is None or server in draft.tally.failed or draft.is_free(server)


def _is_listed(draft: Draft, standing: Standing) -> bool:
    """Tell whether the cloud's list names a server, as far as there is a list to go by.

    One that it leaves out (O4) would be taken for vanished between its place in the pool and its registration, and the
    next one claimed in its place, until the pool is empty.
    """
    return standing.facts.cloud is not None or not draft.may_create


def _trials(have: InstanceTally, setback: Setback) -> int:
    """Count the instances that have yet to come up and were begun in the knowledge of the failures."""
    records = (standing.facts.record for standing in have.starting.values())
    return sum(
        record is not None and (record.assigned_at is None or record.assigned_at >= setback.counted_at)
        for record in records
    )

"""Retire: what is too many and what nobody wants any more leaves, in order and within the budget."""

from __future__ import annotations

from collections.abc import Set

from hfs_appliance.factory.policy import surplus
from hfs_appliance.mcp.again import again_at
from hfs_appliance.mcp.budget import scope_of
from hfs_appliance.mcp.draft import Departure, Draft, plight_of
from hfs_appliance.mcp.losses import Plight
from hfs_appliance.mcp.needs import Excess
from hfs_appliance.mcp.proving import is_on_trial
from hfs_appliance.mcp.tally import Standing, in_order
from hfs_appliance.mcp.wares import terms, wares
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.instants import SECOND, Duration
from hfs_appliance.model.observed import CloudStatus, ServerRecord
from hfs_appliance.model.plan import Cause, Delete, Drain, Reason

DELETE_AGAIN_AFTER = Duration(10 * SECOND)
"""A deletion that the cloud does not show as going on by then is asked for again (OS14)."""


def leavers(draft: Draft, singular: Set[ServerId]) -> list[Departure]:
    """Name the instances that are too many, or that nobody wants any more.

    Of a service whose rollout moves nobody leaves in the same plan: it may be on the way back to them. A zone that
    comes back leaves a surplus in every service for hours: those that must wait are only counted.
    """
    found: list[Departure] = []
    for excess in draft.needs.excesses():
        if excess.name in draft.turning:
            continue
        alone = singular & excess.servers
        amount, chosen = len(excess.leaving) - len(alone), excess.leaving
        if amount and draft.keep_back(_plight(excess, alone), amount):
            if not alone:
                continue  # the most, for hours: a plan costs no look at each of them
            chosen = [standing for standing in chosen if standing.facts.server in alone]
        reason = Reason(cause=_cause(excess), words=_words(excess))
        found += [_drain(standing, reason) for standing in chosen]
    return found


def _plight(excess: Excess, alone: Set[ServerId]) -> Plight:
    """Give what those have in common that are not alone; there are some."""
    first = next(one for one in excess.leaving if one.facts.server not in alone)
    return plight_of(first, _cause(excess))


def finish(draft: Draft) -> None:
    """Delete what has been drained, ask again for deletions that do not go on, and trim the pools."""
    if not draft.may_destroy:
        return
    for standing in in_order(draft.tally.drained):
        assert standing.facts.record is not None
        cause = Cause(standing.facts.record.leave_cause)
        deletion = Delete(server=standing.facts.server, reason=Reason(cause=cause, words="drained"))
        draft.take_away(Departure(standing, deletion))
    _delete_again(draft)
    for pool in sorted(draft.tally.pools):
        _trim_pool(draft, pool)


def close(draft: Draft) -> None:
    """Delete every server: the environment is being ended, and no budget holds that up."""
    assert draft.world.registry is not None
    if draft.deletions_left > 0:
        for server, record in sorted(draft.world.registry.value.records.items()):
            if record.delete_at is None:
                reason = Reason(cause=Cause.CLOSING, words="the environment is being ended")
                draft.delete(Delete(server=server, reason=reason))
    _delete_again(draft)


def _delete_again(draft: Draft) -> None:
    """Ask again for deletions that were decided and do not go on, no more at one time than go on at one time.

    They are paid for, too: the first attempt may have been free, because no source knew the server.
    """
    due: list[ServerRecord] = []
    for facts, *_ in in_order(draft.tally.deleting):
        record, cloud = facts.record, facts.cloud
        assert record is not None
        assert record.delete_at is not None
        if cloud is None or cloud.status is CloudStatus.DELETING:
            continue  # on its way
        again = again_at(record.delete_at, draft.world.answered.get(facts.server), DELETE_AGAIN_AFTER)
        if draft.world.now < again:
            draft.look_again(again)
        elif draft.is_free(facts.server):
            due.append(record)
    for record in due[: max(0, draft.deletions_left + len(due))]:
        cause = Cause(record.leave_cause)
        if cause is Cause.CLOSING or draft.budget.renew(record.server, scope_of(record), cause):
            reason = Reason(cause=cause, words="its deletion is not under way: asked for again")
            draft.add(Delete(server=record.server, reason=reason))


def _cause(excess: Excess) -> Cause:
    if excess.service is None:
        return Cause.RETIRE_SERVICE
    return Cause.SCALE_IN if excess.service.versions.get(excess.version) else Cause.RETIRE_VERSION


def _words(excess: Excess) -> str:
    name, service, version, have, *_ = excess
    if service is None:
        return f"service {name} is not desired"
    if wanted := service.versions.get(version, 0):
        return f"{name} {version} has {len(have.serving) + len(have.starting)} of {wanted}"
    return f"{name} {version} is not desired, and what is desired serves"


def _drain(standing: Standing, reason: Reason) -> Departure:
    return Departure(standing, Drain(server=standing.facts.server, reason=reason))


def _trim_pool(draft: Draft, name: PoolName) -> None:
    known = draft.desired.pools.get(name)
    size = known.size if known is not None else 0
    words = f"pool {name} keeps {size}" if known is not None else f"pool {name} is not desired"
    too_many = surplus(size=size, warm=draft.warm(name))
    if not too_many:
        return
    warm = draft.tally.pools[name].warm
    why: dict[ServerId, Reason] = {}
    if known is not None:
        # A pool that has one too many has been given one in the place of another.
        demanded = terms(draft, known)
        overdue = demanded.worst(wares(draft, name))
        why = {ware.server: Reason(cause=Cause.RECYCLE, words=demanded.overdue(ware)) for ware in overdue}
    surplus_reason = Reason(cause=Cause.POOL_SURPLUS, words=words)
    left = (server for server in warm if server not in draft.planned and server not in why)
    # What a new recipe has proved itself by is not what is too many.
    newest = sorted(sorted(left, reverse=True), key=lambda server: is_on_trial(warm[server].facts.record, draft.trials))
    for server in [*why, *newest][:too_many]:
        draft.take_away(Departure(warm[server], Delete(server=server, reason=why.get(server, surplus_reason))))

"""Placing: where a server counts in the tally, by what is known and believed of it and what is being done with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hfs_appliance.mcp.budget import scope_of
from hfs_appliance.mcp.facts import Facts
from hfs_appliance.mcp.losses import FAILURES, SILENT, Plight, cause_of_loss, loss_of
from hfs_appliance.mcp.phases import DRAINED, FOREIGN, QUESTIONED, UNCOUNTED
from hfs_appliance.mcp.tally import Group, InstanceTally, Place, PoolTally, Tally
from hfs_appliance.model.ids import serial_of
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Action, Cause, Claim, Create, Delete, Phase, Verdict

_SERVING: Final = Phase.SERVING
_ADOPTED: Final = Cause.ADOPTION.value


def place(tally: Tally, facts: Facts, verdict: Verdict | None, action: Action | None, next_serial: int) -> Place:
    """Tell where a server counts; what an action in flight will bring already does."""
    if verdict is None:
        found = _place_unknown(tally, action)
    elif verdict.phase is _SERVING and action is None and facts.record is not None:
        found = _place_serving(tally, facts, facts.record, verdict)
    elif verdict.rule == FOREIGN:
        found = Place((tally.foreign,))
    elif facts.record is None or verdict.phase is Phase.AMBIGUOUS:
        found = _place_unrecorded(tally, facts)
    elif isinstance(action, Claim) and verdict.phase is Phase.WARM:
        starting = tally.instance(action.service, action.version).starting
        found = Place((starting,), action.service, tally.pool(facts.record.pool), facts.record.az)
    elif isinstance(action, Create) and verdict.phase is Phase.LOST:
        # Its time is over, and yet its creation may still succeed: another one in its place could be one too many.
        pool = tally.pool(facts.record.pool)
        found = Place((pool.building, tally.in_creation), None, pool, facts.record.az, is_coming=True)
    else:
        found = _place_known(tally, facts, facts.record, verdict)
    if verdict is not None and verdict.rule in QUESTIONED:
        found = found._replace(groups=(*found.groups, tally.questioned))
    if isinstance(action, Delete):
        found = found._replace(groups=(*found.groups, tally.deletions))
    if serial_of(facts.server) >= next_serial:
        found = found._replace(groups=(*found.groups, tally.ahead))
    return found


def _place_unknown(tally: Tally, action: Action | None) -> Place:
    if not isinstance(action, Create):
        return Place(())
    pool = tally.pool(action.pool)
    return Place((pool.building, tally.in_creation, tally.creations), None, pool, action.az, is_coming=True)


def _place_unrecorded(tally: Tally, facts: Facts) -> Place:
    """Z15: a registry that was emptied or rolled back has forgotten them, and they are there all the same."""
    registration, entry = facts.registration, facts.pool_entry
    if facts.cloud is None:
        return Place((tally.ambiguous,))  # a ghost, or a list that leaves it out
    if registration is not None:
        instance = tally.instance(registration.service, registration.version)
        return Place((tally.ambiguous, instance.unrecorded), registration.service)
    if entry is not None:
        return Place((tally.ambiguous, tally.pool(entry.pool).unrecorded))
    return Place((tally.ambiguous,))


def _place_serving(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    """Nearly all servers serve and are recorded as serving: those of one service and zone share one place."""
    service, version = record.service, record.version
    if service is None or version is None or record.ready_at is None:
        return _place_known(tally, facts, record, verdict)
    instance = tally.instance(service, version)
    is_adopted = record.cause == _ADOPTED
    found = instance.shared.get((record.pool, record.az, is_adopted))
    if found is None:
        groups = (instance.serving, instance.adopted) if is_adopted else (instance.serving,)
        found = Place(groups, service, tally.pool(record.pool), record.az)
        instance.shared[record.pool, record.az, is_adopted] = found
    return found


def _place_known(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    phase = verdict.phase
    if phase is Phase.GONE:
        return Place((tally.gone,))
    if phase is Phase.DELETING:
        return Place((tally.deleting,))
    if phase is Phase.LOST:
        return _place_lost(tally, facts, record, verdict)
    pool = tally.pool(record.pool)
    loss = loss_of(record, verdict) if phase is Phase.SUSPECT else None
    if record.service is not None and record.version is not None:
        instance = tally.instance(record.service, record.version)
        groups = _groups_of_instance(tally, instance, record, verdict)
        return Place(groups, record.service, pool, record.az, loss=loss)
    groups = _groups_of_spare(tally, pool, facts, record, phase)
    return Place(groups, None, pool, record.az, is_coming=groups[0] is pool.building, loss=loss)


def _place_lost(tally: Tally, facts: Facts, record: ServerRecord, verdict: Verdict) -> Place:
    loss, cause = loss_of(record, verdict), cause_of_loss(verdict)
    is_counted = cause not in FAILURES or record.failed_at is not None
    groups: tuple[Group, ...] = (tally.lost,) if is_counted else (tally.lost, tally.failed)
    if is_counted and facts.cloud is None:
        groups += (tally.absent,)
    elif is_counted and cause in FAILURES:
        groups += (tally.condemned,)
    plight = Plight(scope_of(record), record.az, verdict.rule, cause) if is_counted else None
    if record.service is None or record.version is None:
        return Place(groups, loss=loss, plight=plight)
    instance = tally.instance(record.service, record.version)
    groups += (instance.lost, instance.silent) if verdict.rule == SILENT else (instance.lost,)
    return Place(groups, record.service, loss=loss, plight=plight)


def _groups_of_instance(
    tally: Tally, instance: InstanceTally, record: ServerRecord, verdict: Verdict
) -> tuple[Group, ...]:
    phase = verdict.phase
    if phase is Phase.DRAINING:
        return (instance.draining, tally.drained) if verdict.rule == DRAINED else (instance.draining,)
    adopted = (instance.adopted,) if record.cause == _ADOPTED else ()
    if phase is Phase.SERVING:
        unconfirmed = () if record.ready_at is not None else (tally.unconfirmed,)
        return (instance.serving, *unconfirmed, *adopted)
    if phase is not Phase.SUSPECT:
        return (instance.starting, *adopted)
    return (instance.missing if verdict.rule in UNCOUNTED else instance.wavering, *adopted)


def _groups_of_spare(
    tally: Tally, pool: PoolTally, facts: Facts, record: ServerRecord, phase: Phase
) -> tuple[Group, ...]:
    if phase is Phase.WARM:
        return (pool.warm, *_groups_of_warm(tally, pool, facts, record))
    if phase is Phase.SUSPECT:
        # Warm once, and now called dead by the cloud or gone from the pool: not claimable, and not to be destroyed yet.
        return (tally.doubtful,)
    if phase is Phase.DRAINING:
        return (tally.drained,)
    if phase is Phase.CONFIGURING:
        return (pool.building,)
    if phase is Phase.CREATING and record.built_at is None:
        return (pool.building, tally.in_creation, tally.unsent)
    return (pool.building, tally.in_creation)


def _groups_of_warm(tally: Tally, pool: PoolTally, facts: Facts, record: ServerRecord) -> Iterator[Group]:
    if record.built_at is None:
        yield tally.unnoted
    if facts.pool_entry is not None and facts.pool_entry.unfit:
        yield pool.unfit
    if record.cause != _ADOPTED:
        yield pool.by_recipe.setdefault(record.recipe, {})

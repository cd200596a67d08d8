"""Remedy: what is lost is taken away, and failures in a row slow down what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hfs_appliance.mcp.draft import Departure, Draft
from hfs_appliance.mcp.setbacks import Failed, carried_on
from hfs_appliance.mcp.tally import InstanceTally, PoolTally, Standing, in_order
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.plan import Cause, Condemn, Delete, Reason

_CAUSE_OF_LOSS: Final = {
    "never-ready": Cause.NEVER_READY,
    "build-failed": Cause.BUILD_FAILED,
    "build-error": Cause.BUILD_FAILED,
    "never-created": Cause.BUILD_FAILED,
}
_FAILURES: Final = frozenset({Cause.BUILD_FAILED, Cause.NEVER_READY})
"""Causes that say that something other than this one server may be wrong."""


def corpses(draft: Draft) -> list[Departure]:
    """Name what is lost and may be deleted now: failures once they have been counted."""
    if not draft.may_destroy:
        return []
    return [
        Departure(standing, Delete(server=standing.facts.server, reason=_loss(standing)))
        for standing in in_order(draft.tally.lost)
        if not _is_uncounted(standing)
    ]


def _loss(standing: Standing) -> Reason:
    verdict = standing.verdict
    assert verdict is not None
    return Reason(cause=_CAUSE_OF_LOSS.get(verdict.rule, Cause.REMEDIATION), words=verdict.words)


def _is_uncounted(standing: Standing) -> bool:
    record = standing.facts.record
    return _loss(standing).cause in _FAILURES and record is not None and record.failed_at is None


def count_failures(draft: Draft) -> None:
    """Carry the setbacks on.

    A failure is counted once, when it is found, however long its deletion waits for a token: else a cloud that builds
    nothing but failures would be asked for more of them meanwhile. A success of the same thing ends the setback.
    """
    world, tally = draft.world, draft.tally
    assert world.registry is not None
    troubles = world.registry.value.troubles
    builds = [Failed(failure.pool, failure.words, failure.until) for failure in world.failures if failure.pool]
    instances: list[Failed[tuple[ServiceName, Version]]] = []
    for standing in in_order(tally.lost) if draft.may_destroy else ():
        record = standing.facts.record
        if record is None or not _is_uncounted(standing):
            continue
        reason, trouble = _loss(standing), troubles.get(record.server)
        words = trouble.words if trouble is not None else reason.words
        if not draft.add(Condemn(server=record.server, reason=Reason(cause=reason.cause, words=words))):
            continue
        words = f"{record.server} {words}"
        if reason.cause is Cause.BUILD_FAILED:
            builds.append(Failed(record.pool, words))
        elif record.service is not None and record.version is not None:
            instances.append(Failed((record.service, record.version), words))
    draft.pool_setbacks = {
        name: setback
        for name, setback in carried_on(world.ledger.pool_setbacks, builds, world.now).items()
        if name in draft.desired.pools and not _has_built_since(tally.pools.get(name), setback)
    }
    draft.version_setbacks = {
        (service, version): setback
        for (service, version), setback in carried_on(world.ledger.version_setbacks, instances, world.now).items()
        if version in _versions(draft.desired, service) and not _has_come_up(tally.of(service, version))
    }


def _versions(desired: DesiredState, service: ServiceName) -> Iterable[Version]:
    known = desired.services.get(service)
    return known.versions if known is not None else ()


def _has_built_since(pool: PoolTally | None, setback: Setback) -> bool:
    """A server of the pool that was asked for after the last failure is warm now."""
    if pool is None:
        return False
    records = (standing.facts.record for standing in pool.warm.values())
    return any(record is not None and record.created_at >= setback.not_before for record in records)


def _has_come_up(instances: InstanceTally) -> bool:
    """An instance registered for the first time just now: its claim is still to be confirmed."""
    records = (standing.facts.record for standing in instances.serving.values())
    return any(record is not None and record.ready_at is None for record in records)

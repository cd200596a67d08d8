"""Remedy: what is lost is taken away, and failures in a row slow down what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from typing import Final

from hfs_appliance.mcp.draft import Departure, Draft
from hfs_appliance.mcp.losses import cause_of_loss
from hfs_appliance.mcp.proving import is_on_trial
from hfs_appliance.mcp.quarantine import quarantine
from hfs_appliance.mcp.setbacks import (
    LONGEST_PAUSE,
    OPENS_WITH,
    Failed,
    carried_on,
    failed_again,
    is_open,
    pause,
)
from hfs_appliance.mcp.tally import InstanceTally, PoolTally, Standing, in_order
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName, Version
from hfs_appliance.model.instants import after
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.plan import Cause, Condemn, Delete, Reason

_QUOTA: Final = "quota"
_ROUNDS_OF_DEAD_ZONE: Final = 6
"""A zone without power does not come back within seconds: its first trial waits for minutes."""


def corpses(draft: Draft, singular: Set[ServerId]) -> list[Departure]:
    """Name what is lost and may be deleted now: failures once they have been counted.

    A dead zone leaves thousands for hours, as tokens come back by the dozen: those that must wait are only counted.
    """
    tally = draft.tally
    draft.quarantined = kept = quarantine(draft)
    alone = (singular & tally.lost.keys()) - kept.keys()
    apart = Counter(tally.lost[server].place.plight for server in (*alone, *kept))
    waiting = {plight: amount - apart[plight] for plight, amount in tally.plights.items()}
    stay = {plight for plight, amount in waiting.items() if amount and draft.keep_back(plight, amount)}
    servers = alone
    if any(amount and plight not in stay for plight, amount in waiting.items()):
        servers = {server for server, standing in tally.lost.items() if standing.place.plight not in stay}
        servers = (servers | alone) - kept.keys()
    found = [tally.lost[server] for server in sorted(servers - tally.failed.keys())]
    return [Departure(standing, Delete(server=standing.facts.server, reason=_loss(standing))) for standing in found]


def _loss(standing: Standing) -> Reason:
    verdict = standing.verdict
    assert verdict is not None
    return Reason(cause=cause_of_loss(verdict), words=verdict.words)


def count_failures(draft: Draft) -> None:
    """Carry the setbacks on.

    A failure is counted once, when it is found, however long its deletion waits for a token: else a cloud that builds
    nothing but failures would be asked for more of them meanwhile. A success of the same thing ends the setback.
    """
    world, tally = draft.world, draft.tally
    assert world.registry is not None
    records, troubles = world.registry.value.records, world.registry.value.troubles
    draft.quota_setback = _quota(draft)
    builds = [
        Failed((failure.pool, failure.az), failure.words, failure.begun_at, failure.until)
        for failure in world.failures
        if not failure.is_exhausted and not is_on_trial(records.get(failure.server), draft.trials)
    ]
    instances: list[Failed[tuple[ServiceName, Version]]] = []
    for standing in in_order(tally.failed) if draft.may_destroy else ():
        record = standing.facts.record
        assert record is not None
        reason, trouble = _loss(standing), troubles.get(record.server)
        words = trouble.words if trouble is not None else reason.words
        if not draft.add(Condemn(server=record.server, reason=Reason(cause=reason.cause, words=words))):
            continue
        words = f"{record.server} {words}"
        if reason.cause is Cause.OVER_QUOTA:
            failed = Failed(_QUOTA, words, record.created_at)
            draft.quota_setback = failed_again(draft.quota_setback, failed, world.now)
        elif reason.cause is Cause.BUILD_FAILED:
            if not _was_refused(draft, standing) and not is_on_trial(record, draft.trials):
                builds.append(Failed((record.pool, record.az), words, record.created_at))
        elif record.service is not None and record.version is not None and record.az not in draft.weather.dead_zones:
            begun_at = record.assigned_at or record.created_at
            instances.append(Failed((record.service, record.version), words, begun_at))
    zones = draft.desired.cloud.azs
    draft.launches.setbacks = {
        (pool, az): setback
        for (pool, az), setback in carried_on(world.ledger.launch_setbacks, builds, world.now).items()
        if pool in draft.desired.pools and az in zones and not _has_built_since(tally.pools.get(pool), az, setback)
    }
    _remember_dead_zones(draft)
    draft.version_setbacks = {
        (service, version): setback
        for (service, version), setback in carried_on(world.ledger.version_setbacks, instances, world.now).items()
        if version in _versions(draft.desired, service) and not _has_come_up(tally.of(service, version))
    }


def _versions(desired: DesiredState, service: ServiceName) -> Iterable[Version]:
    known = desired.services.get(service)
    return known.versions if known is not None else ()


def _has_built_since(pool: PoolTally | None, az: AvailabilityZone, setback: Setback) -> bool:
    """A server of the pool that was asked for in the zone after the failures is warm now."""
    records = (standing.facts.record for standing in pool.warm.values()) if pool is not None else ()
    return any(record is not None and record.az == az and record.created_at >= setback.counted_at for record in records)


def _remember_dead_zones(draft: Draft) -> None:
    """Let a zone that is dead as a whole be tried by one server of a pool when nothing of it is left to be seen."""
    setbacks = dict(draft.launches.setbacks)
    for az in sorted(draft.weather.dead_zones):
        for pool in draft.desired.pools:
            known = setbacks.get((pool, az))
            if known is None or not is_open(known):
                setbacks[pool, az] = Setback(
                    failures=OPENS_WITH,
                    not_before=after(draft.world.now, pause(OPENS_WITH, _ROUNDS_OF_DEAD_ZONE)),
                    words=f"the whole of {az} is lost",
                    rounds=_ROUNDS_OF_DEAD_ZONE,
                    counted_at=draft.world.now,
                )
    draft.launches.setbacks = setbacks


def _quota(draft: Draft) -> Setback | None:
    """Carry on what the cloud has refused for quota or rate: it counts for no pool, no zone and no version.

    It is over when a server has been made since, or when nothing has been refused for long.
    """
    world, setback = draft.world, draft.world.ledger.quota_setback
    for failure in world.failures:
        if failure.is_exhausted:
            failed = Failed(_QUOTA, failure.words, failure.begun_at, failure.until)
            setback = failed_again(setback, failed, world.now)
    if setback is None or world.now >= after(setback.not_before, LONGEST_PAUSE):
        return None
    made = (standing.facts.cloud for pool in draft.tally.pools.values() for standing in pool.building.values())
    return None if any(found is not None and found.created_at >= setback.counted_at for found in made) else setback


def _was_refused(draft: Draft, standing: Standing) -> bool:
    """Whether a server was never made because there is no room for it: nothing is wrong with its pool or zone."""
    return draft.quota_setback is not None and standing.facts.cloud is None


def _has_come_up(instances: InstanceTally) -> bool:
    """An instance registered for the first time just now: its claim is still to be confirmed."""
    records = (standing.facts.record for standing in instances.serving.values())
    return any(record is not None and record.ready_at is None for record in records)

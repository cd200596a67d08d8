"""Converge: records that follow what is, roles for warm servers, and new servers, each within its limits.

Order of safety: what adds capacity may always be planned; what removes any (remedy.py, retire.py) needs the fresh word
of cloud and registry (`may_destroy`) and a token, and never takes a service version below its count by our own hand.

Services are visited only while they are `restless` (something is missing, starting, suspect or leaving), and of all
other servers only the tally's groups: the cost of a plan is that of what is to be done. A rule that must see more adds
a group to the tally (see there). The tally stays as it is: what this plan takes out of it is counted in the Draft.
"""

from __future__ import annotations

from itertools import count

from hfs_appliance.factory.policy import choose, spread, wanted_builds
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.facts import CREATE_RETRY_AFTER
from hfs_appliance.mcp.tally import PoolTally, in_order
from hfs_appliance.model.desired import Pool, Service
from hfs_appliance.model.ids import PoolName, Version, serial_of, server_id
from hfs_appliance.model.instants import Duration, after, format_duration
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import (
    Adopt,
    Cause,
    Claim,
    ConfirmBuilt,
    ConfirmReady,
    Create,
    Forget,
    Reason,
)


def keep_books(draft: Draft) -> None:
    """Adopt, confirm, forget: bring our records in line with what is."""
    now = draft.world.now
    for server in sorted(draft.tally.gone):
        draft.add(Forget(server=server, reason=Reason(cause=Cause.BOOKKEEPING, words="gone from the cloud")))
    for facts, *_ in in_order(draft.tally.ambiguous):
        if facts.cloud is not None and draft.may_destroy and facts.cloud.status is not CloudStatus.DELETING:
            words = "is ours by its identity, but our records do not say so, or not what it does: they are mended"
            draft.add(Adopt(server=facts.server, reason=Reason(cause=Cause.ADOPTION, words=words)))
    for server in sorted(draft.tally.unnoted):
        reason = Reason(cause=Cause.BOOKKEEPING, words="in the pool for the first time")
        draft.add(ConfirmBuilt(server=server, reason=reason))
    for server in sorted(draft.tally.unconfirmed):
        reason = Reason(cause=Cause.BOOKKEEPING, words="registered for the first time")
        draft.add(ConfirmReady(server=server, reason=reason))
    for facts, *_ in in_order(draft.tally.unsent):
        record = facts.record
        assert record is not None
        retry_at = after(record.created_at, CREATE_RETRY_AFTER)
        setback = draft.pool_setbacks.get(record.pool)
        if setback is not None:
            retry_at = max(retry_at, setback.not_before)
        if draft.may_create and now >= retry_at:
            reason = Reason(cause=Cause.BOOKKEEPING, words="recorded, but the cloud does not list it: asked for again")
            draft.add(Create(server=facts.server, pool=record.pool, az=record.az, reason=reason, is_retry=True))
        else:
            draft.look_again(retry_at if now < retry_at else None)


def claim(draft: Draft) -> None:
    """Give warm servers to the versions that are short of instances; the rest becomes `unmet`."""
    for name in sorted(draft.restless & draft.desired.services.keys()):
        service = draft.desired.services[name]
        for version in sorted(service.versions):
            _claim_version(draft, service, version)


def _claim_version(draft: Draft, service: Service, version: Version) -> None:
    wanted = service.versions[version]
    have = draft.tally.of(service.name, version)
    short = wanted - len(have.serving) - len(have.starting) - len(have.wavering) - len(have.unrecorded)
    if short <= 0:
        return
    setback = draft.version_setbacks.get((service.name, version))
    if setback is not None and draft.world.now < setback.not_before:
        words = (
            f"{setback.failures} instances in a row did not come up (last: {setback.words}); "
            f"{short} more wait {format_duration(Duration(setback.not_before - draft.world.now))}"
        )
        draft.hold(f"service/{service.name}", "version-setback", words, setback)
        return
    pool = draft.tally.pools.get(service.pool)
    warm = pool.warm if pool is not None else {}
    cause = Cause.REMEDIATION if have.missing or have.serving else Cause.MEET_DEMAND
    taken, zones = have.slots(), have.zones()
    slots = (slot for slot in count() if slot not in taken)
    while short > 0:
        free = ((s, w.facts.record.az) for s, w in warm.items() if w.facts.record is not None and draft.is_free(s))
        server = choose(free, zones)
        if server is None:
            break
        record = warm[server].facts.record
        assert record is not None
        zones[record.az] += 1
        draft.claimed[service.pool] += 1
        slot = next(slots)
        words = f"{service.name} {version} has {wanted - short} of {wanted}"
        reason = Reason(cause=cause, words=words)
        draft.add(Claim(server=server, service=service.name, version=version, slot=slot, reason=reason))
        short -= 1
    if short > 0:
        draft.unmet[service.pool] = draft.unmet.get(service.pool, 0) + short


def build(draft: Draft) -> None:
    """Ask for the servers that pools and unmet instances need, as far as the limits allow."""
    limits, tally = draft.desired.limits, draft.tally
    used = max(map(serial_of, tally.ahead), default=0)
    serial = max(draft.world.ledger.next_serial, used + 1)
    headroom = limits.max_servers - tally.total
    slots = limits.max_creating - len(tally.in_creation)
    # Pools with instances waiting come first: refilling must not take the last places from remediation.
    for name in sorted(draft.desired.pools, key=lambda pool: (-draft.unmet.get(pool, 0), pool)):
        wanted = _wanted_builds(draft, draft.desired.pools[name])
        if wanted and not _may_build(draft, name, wanted):
            continue
        if wanted > headroom:
            words = f"{wanted} more servers are needed, limits.max_servers = {limits.max_servers} leaves {headroom}"
            draft.hold(f"pool/{name}", "max-servers", words)
        pool = tally.pools.get(name) or PoolTally()
        zones = pool.zones.copy()
        for number in range(max(0, min(wanted, headroom, slots))):
            az = spread(zones, draft.desired.cloud.azs)
            reason = _build_reason(draft, name, len(pool.building) + number)
            draft.add(Create(server=server_id(name, serial), pool=name, az=az, reason=reason))
            serial, headroom, slots = serial + 1, headroom - 1, slots - 1


def _wanted_builds(draft: Draft, pool: Pool) -> int:
    have = draft.tally.pools.get(pool.name) or PoolTally()
    unmet = draft.unmet.get(pool.name, 0)
    coming = len(have.building) + len(have.unrecorded)
    return wanted_builds(size=pool.size, warm=draft.warm(pool.name), building=coming, unmet=unmet)


def _may_build(draft: Draft, name: PoolName, wanted: int) -> bool:
    setback = draft.pool_setbacks.get(name)
    if setback is not None and draft.world.now < setback.not_before:
        words = f"{setback.failures} builds in a row failed (last: {setback.words}); {wanted} more wait"
        draft.hold(f"pool/{name}", "pool-setback", words, setback)
        return False
    return draft.may_create


def _build_reason(draft: Draft, pool: PoolName, number: int) -> Reason:
    """Say what the `number`-th server in building (from 0) is for: instances that wait come before the pool."""
    unmet = draft.unmet.get(pool, 0)
    if number < unmet:
        waiting = "1 instance waits" if unmet == 1 else f"{unmet} instances wait"
        return Reason(cause=Cause.MEET_DEMAND, words=f"{waiting} for a server of pool {pool}")
    return Reason(cause=Cause.FILL_POOL, words=f"pool {pool} keeps {draft.desired.pools[pool].size} warm")

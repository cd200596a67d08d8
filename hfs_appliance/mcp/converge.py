"""Converge: from tallies to actions. Claims first, then creations, then what must leave; each within its limits.

Order of safety: what adds capacity may always be planned; what removes any needs the cloud's and the registry's fresh
word (`may_destroy`) and never takes a service version below its count by our own hand (add before remove).

Services are visited only while they are `restless` (something is missing, starting, suspect or leaving), and of all
other servers only the tally's groups: the cost of a plan is that of what is to be done. A rule that must see more adds
a group to the tally (see there). The tally stays as it is: what this plan takes out of it is counted in the Draft.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import count

from hfs_appliance.factory.policy import choose, spread, surplus, wanted_builds
from hfs_appliance.mcp.facts import CREATE_RETRY_AFTER
from hfs_appliance.mcp.setbacks import Failed, carried_on
from hfs_appliance.mcp.tally import Group, InstanceTally, PoolTally, Standing, Tally, slot_of
from hfs_appliance.model.desired import DesiredState, Pool, Service
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version, serial_of, server_id
from hfs_appliance.model.instants import SECOND, Duration, Instant, after, format_duration
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import (
    Action,
    Adopt,
    Cause,
    Claim,
    ConfirmBuilt,
    ConfirmReady,
    Create,
    Delete,
    Drain,
    Forget,
    Hold,
    Reason,
    Verdict,
)
from hfs_appliance.model.world import World

DELETE_AGAIN_AFTER = Duration(10 * SECOND)
"""A deletion that the cloud does not show as going on by then is asked for again (OS14)."""

_CAUSE_OF_LOSS = {
    "never-ready": Cause.NEVER_READY,
    "build-failed": Cause.BUILD_FAILED,
    "build-error": Cause.BUILD_FAILED,
    "never-created": Cause.BUILD_FAILED,
}


@dataclass(slots=True)
class Draft:
    """A plan in the making."""

    world: World
    desired: DesiredState
    tally: Tally
    restless: Set[ServiceName]
    """Services with anything to see to; with all others nothing is to be done."""
    may_destroy: bool
    may_create: bool
    actions: list[Action] = field(default_factory=list)
    planned: set[ServerId] = field(default_factory=set)
    holds: list[Hold] = field(default_factory=list)
    pool_setbacks: dict[PoolName, Setback] = field(default_factory=dict)
    version_setbacks: dict[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    unmet: dict[PoolName, int] = field(default_factory=dict)
    """Instances that found no warm server, by pool."""
    claimed: Counter[PoolName] = field(default_factory=Counter)
    """Warm servers that this plan claims, by pool."""
    unburied: int = 0
    """Failed builds that wait for their deletion, and so to be counted; they keep their places in creation."""
    requeue_at: Instant | None = None
    deletions_left: int = field(init=False)

    def __post_init__(self) -> None:
        under_way = self.tally.deletions.keys() | self.tally.deleting.keys()
        self.deletions_left = self.desired.limits.max_deleting - len(under_way)

    def add(self, action: Action) -> None:
        """Plan an action, unless the server's lane is taken: by one in flight, or by an earlier one of this plan."""
        if self.is_free(action.server):
            self.actions.append(action)
            self.planned.add(action.server)

    def delete(self, server: ServerId, reason: Reason) -> bool:
        """Plan a deletion, if one more may go on at the same time; else (False) a later plan will."""
        if self.deletions_left <= 0 or not self.is_free(server):
            return False
        self.deletions_left -= 1
        self.add(Delete(server=server, reason=reason))
        return True

    def is_free(self, server: ServerId) -> bool:
        """Tell whether nothing is being done with a server."""
        return server not in self.world.in_flight and server not in self.planned

    def hold(self, scope: str, rule: str, words: str, setback: Setback | None = None) -> None:
        """Note what is withheld; with a setback, until when."""
        until = setback.not_before if setback is not None else None
        self.holds.append(Hold(scope=scope, rule=rule, words=words, until=until))
        self.look_again(until)

    def look_again(self, at: Instant | None) -> None:
        """Note that time alone may change the answer at `at`."""
        if at is not None and (self.requeue_at is None or at < self.requeue_at):
            self.requeue_at = at

    def warm(self, pool: PoolName) -> int:
        """Count the warm servers that a pool has left."""
        known = self.tally.pools.get(pool)
        return len(known.warm) - self.claimed[pool] if known is not None else 0


def bury(draft: Draft) -> None:
    """Plan the end of what is lost, and carry the setbacks on.

    A failure is counted once, with the deletion that follows from it; a success of the same thing ends the setback.
    """
    world, tally = draft.world, draft.tally
    assert world.registry is not None
    troubles = world.registry.value.troubles
    builds = [Failed(failure.pool, failure.words, failure.until) for failure in world.failures if failure.pool]
    instances: list[Failed[tuple[ServiceName, Version]]] = []
    for facts, verdict, *_ in _sorted(tally.lost):
        assert verdict is not None
        reason = _loss(verdict)
        record = facts.record
        if not (draft.may_destroy and draft.delete(facts.server, reason)):
            draft.unburied += reason.cause is Cause.BUILD_FAILED
            continue
        if record is None:
            continue
        trouble = troubles.get(facts.server)
        words = f"{facts.server} {trouble.words if trouble is not None else verdict.words}"
        if reason.cause is Cause.BUILD_FAILED:
            builds.append(Failed(record.pool, words))
        elif reason.cause is Cause.NEVER_READY and record.service is not None and record.version is not None:
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


def keep_books(draft: Draft) -> None:
    """Adopt, confirm, forget: bring our records in line with what is."""
    now = draft.world.now
    for server in sorted(draft.tally.gone):
        draft.add(Forget(server=server, reason=Reason(cause=Cause.BOOKKEEPING, words="gone from the cloud")))
    for facts, *_ in _sorted(draft.tally.ambiguous):
        if facts.cloud is not None and draft.may_destroy and facts.cloud.status is not CloudStatus.DELETING:
            words = "is ours by its identity, but our records do not say so, or not what it does: they are mended"
            draft.add(Adopt(server=facts.server, reason=Reason(cause=Cause.ADOPTION, words=words)))
    for server in sorted(draft.tally.unnoted):
        reason = Reason(cause=Cause.BOOKKEEPING, words="in the pool for the first time")
        draft.add(ConfirmBuilt(server=server, reason=reason))
    for server in sorted(draft.tally.unconfirmed):
        reason = Reason(cause=Cause.BOOKKEEPING, words="registered for the first time")
        draft.add(ConfirmReady(server=server, reason=reason))
    for facts, *_ in _sorted(draft.tally.unsent):
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
    slots = limits.max_creating - len(tally.in_creation) - draft.unburied
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


def retire(draft: Draft) -> None:
    """Plan what leaves: the drained, what is too many, and what nobody wants any more."""
    if not draft.may_destroy:
        return
    for facts, *_ in _sorted(draft.tally.drained):
        assert facts.record is not None
        draft.delete(facts.server, Reason(cause=Cause(facts.record.leave_cause), words="drained"))
    _delete_again(draft)
    for name in sorted(draft.restless & draft.tally.instances.keys()):
        service = draft.desired.services.get(name)
        for version, instances in sorted(draft.tally.instances[name].items()):
            if service is None:
                _drain_all(draft, instances, Reason(cause=Cause.RETIRE_SERVICE, words=f"service {name} is not desired"))
            elif service.versions.get(version, 0) > 0:
                _scale_in(draft, service, version, instances)
            elif _are_complete(draft.tally, service):
                words = f"{name} {version} is not desired, and what is desired serves"
                _drain_all(draft, instances, Reason(cause=Cause.RETIRE_VERSION, words=words))
    for pool in sorted(draft.tally.pools):
        _trim_pool(draft, pool)


def close(draft: Draft) -> None:
    """Delete every server: the environment is being ended."""
    assert draft.world.registry is not None
    if draft.deletions_left > 0:
        for server, record in sorted(draft.world.registry.value.records.items()):
            if record.delete_at is None:
                draft.delete(server, Reason(cause=Cause.CLOSING, words="the environment is being ended"))
    _delete_again(draft)


def _sorted(group: Group) -> list[Standing]:
    return [group[server] for server in sorted(group)]


def _loss(verdict: Verdict) -> Reason:
    return Reason(cause=_CAUSE_OF_LOSS.get(verdict.rule, Cause.REMEDIATION), words=verdict.words)


def _delete_again(draft: Draft) -> None:
    for facts, *_ in _sorted(draft.tally.deleting):
        record, cloud = facts.record, facts.cloud
        assert record is not None
        assert record.delete_at is not None
        if cloud is None or cloud.status is CloudStatus.DELETING:
            continue  # on its way
        due = after(record.delete_at, DELETE_AGAIN_AFTER)
        if draft.world.now >= due:
            reason = Reason(cause=Cause(record.leave_cause), words="its deletion is not under way: asked for again")
            draft.add(Delete(server=facts.server, reason=reason))
        else:
            draft.look_again(due)


def _are_complete(tally: Tally, service: Service) -> bool:
    """Every desired version of the service serves in full: add before remove."""
    return all(len(tally.of(service.name, version).serving) >= n for version, n in service.versions.items())


def _drain_all(draft: Draft, instances: InstanceTally, reason: Reason) -> None:
    for server in sorted(standing.facts.server for standing in instances.staying()):
        draft.add(Drain(server=server, reason=reason))


def _scale_in(draft: Draft, service: Service, version: Version, instances: InstanceTally) -> None:
    """Drain what is too many: those that do not serve yet first, then the highest slots."""
    wanted = service.versions[version]
    extra = len(instances.serving) + len(instances.starting) - wanted
    if extra <= 0:
        return
    words = f"{service.name} {version} has {wanted + extra} of {wanted}"
    reason = Reason(cause=Cause.SCALE_IN, words=words)
    starting = sorted(instances.starting.values(), key=_slot, reverse=True)
    serving = sorted(instances.serving.values(), key=_slot, reverse=True)
    # Never below the count by our own hand: of the serving ones only what is above it may go.
    spare = max(0, len(serving) - wanted)
    for standing in (starting + serving[:spare])[:extra]:
        draft.add(Drain(server=standing.facts.server, reason=reason))


def _slot(standing: Standing) -> tuple[int, ServerId]:
    slot = slot_of(standing)
    return (slot if slot is not None else -1, standing.facts.server)


def _trim_pool(draft: Draft, name: PoolName) -> None:
    known = draft.desired.pools.get(name)
    size = known.size if known is not None else 0
    words = f"pool {name} keeps {size}" if known is not None else f"pool {name} is not desired"
    too_many = surplus(size=size, warm=draft.warm(name))
    warm = (server for server in draft.tally.pools[name].warm if server not in draft.planned)
    for server in sorted(warm, reverse=True)[:too_many]:
        draft.delete(server, Reason(cause=Cause.POOL_SURPLUS, words=words))

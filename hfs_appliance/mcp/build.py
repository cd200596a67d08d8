"""Build: the servers that pools and unmet instances need, within quota, reserves and what failed builds leave room for.

When there is too little room, what has died is replaced first, then come instances that are wanted beside those that
there are, and full pools last: each may use the quota up to what is reserved for those before it (`[quota.reserve]`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hfs_appliance.factory.freshness import renewals
from hfs_appliance.factory.policy import spread, wanted_builds
from hfs_appliance.factory.trials import is_refused
from hfs_appliance.mcp.again import again_at
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.facts import CREATE_RETRY_AFTER
from hfs_appliance.mcp.proving import in_force, is_on_trial, recipe_of
from hfs_appliance.mcp.setbacks import is_open
from hfs_appliance.mcp.tally import PoolTally, Zones, in_order
from hfs_appliance.mcp.wares import terms, wares
from hfs_appliance.model.desired import Pool
from hfs_appliance.model.ids import AvailabilityZone, PoolName, serial_of, server_id
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause, Create, Hold, Reason
from hfs_appliance.model.recipe import PLAIN, Recipe
from hfs_appliance.model.shares import part_of

RENEWAL: Final = "no-room-to-recycle"
"""Rule of the hold that tells of it; it keeps nothing from being converged."""


def ask_again(draft: Draft) -> None:
    """Ask again for servers that are recorded and that the cloud does not list: perhaps nothing was ever sent.

    One that ran and is gone is among them, so there may be more than are made at one time.
    """
    due: list[ServerRecord] = []
    for facts, *_ in in_order(draft.tally.unsent):
        record = facts.record
        assert record is not None
        retry_at = again_at(record.created_at, draft.world.answered.get(facts.server), CREATE_RETRY_AFTER)
        if draft.world.now < retry_at:
            draft.look_again(retry_at)
        elif draft.may_create and draft.is_free(facts.server):
            due.append(record)
    # What is not asked for again may well be under way.
    slots = draft.desired.limits.max_creating - (len(draft.tally.in_creation) - len(due))
    for record in due:
        if slots > 0 and _has_room(draft, record.pool, record.az):
            reason = Reason(cause=Cause.BOOKKEEPING, words="recorded, but the cloud does not list it: asked for again")
            pool, trial = draft.desired.pools.get(record.pool), draft.trials.get(record.pool)
            recipe = recipe_of(record, pool, trial) or PLAIN
            draft.add(
                Create(
                    server=record.server, pool=record.pool, az=record.az, reason=reason, recipe=recipe, is_retry=True
                )
            )
            draft.launches.use(record.pool, record.az)
            draft.asked += 1
            slots -= 1


def _has_room(draft: Draft, pool: PoolName, az: AvailabilityZone) -> bool:
    quota, setback = draft.quota_setback, draft.launches.speaks_against(pool, az)
    if setback is not None:
        draft.look_again(setback.not_before if draft.world.now < setback.not_before else None)
    if quota is not None:
        draft.look_again(quota.not_before if draft.world.now < quota.not_before else None)
    return _asks_left(draft) > 0 and draft.launches.room(pool, az) > 0


def _asks_left(draft: Draft) -> int:
    """Give how many servers the cloud may be asked for: while it refuses them for quota or rate, one at a time."""
    setback = draft.quota_setback
    if setback is None or not is_open(setback):
        return draft.desired.limits.max_creating
    if draft.world.now < setback.not_before:
        return 0
    under_way = sum(isinstance(action, Create) for action in draft.world.in_flight.values())
    return 1 - draft.asked - under_way


@dataclass(slots=True)
class _Ground:
    """What is left for the pools that come after each other."""

    serial: int
    headroom: int
    slots: int


def build(draft: Draft) -> None:
    """Ask for the servers that pools and unmet instances need, as far as the limits allow."""
    limits, tally = draft.desired.limits, draft.tally
    used = max(map(serial_of, tally.ahead), default=0)
    ground = _Ground(
        serial=max(draft.world.ledger.next_serial, used + 1),
        headroom=limits.max_servers - tally.total,
        slots=min(limits.max_creating - len(tally.in_creation), _asks_left(draft)),
    )
    waiting: list[str] = []
    # Pools with instances waiting come first: refilling must not take the last places from remediation.
    for name in sorted(draft.desired.pools, key=lambda pool: (-draft.unmet.get(pool, 0), pool)):
        wanted = _wanted_builds(draft, draft.desired.pools[name])
        if not wanted or not draft.may_create:
            continue
        waiting.append(f"{wanted} of pool {name}")
        _build(draft, name, _within_quota(draft, name, wanted, ground.headroom), ground)
    if not waiting:
        for _, pool in sorted(draft.desired.pools.items()):
            _renew(draft, pool, ground)
    quota = draft.quota_setback
    if waiting and quota is not None and draft.world.now < quota.not_before:
        words = (
            f"the cloud refuses more servers for quota or rate ({quota.failures} times in a row, last: {quota.words}); "
            f"{', '.join(waiting)} wait, and it is asked again in {draft.time_left(quota.not_before)}"
        )
        draft.hold("environment", "quota-exhausted", words, quota)


def _build(draft: Draft, name: PoolName, wanted: int, ground: _Ground) -> None:
    pool = draft.tally.pools.get(name) or PoolTally()
    zones = pool.zones.copy()
    number, most = 0, min(wanted, ground.slots)
    while number < most:
        az = _choose_zone(draft, name, zones, is_urgent=number < draft.unmet.get(name, 0))
        if az is None:
            break
        reason = _build_reason(draft, name, len(pool.building) + number)
        _create(draft, name, az, reason, ground)
        number += 1
    if number < most:
        _hold_back(draft, name, wanted - number)


def _create(
    draft: Draft,
    name: PoolName,
    az: AvailabilityZone,
    reason: Reason,
    ground: _Ground,
    recipe: Recipe | None = None,
) -> None:
    """Ask for a server; without a recipe, by the one that is in force."""
    recipe = recipe or in_force(draft.desired.pools[name], draft.trials.get(name))
    server = server_id(name, ground.serial)
    draft.add(Create(server=server, pool=name, az=az, reason=reason, recipe=recipe))
    draft.launches.use(name, az)
    draft.asked += 1
    ground.serial, ground.headroom, ground.slots = ground.serial + 1, ground.headroom - 1, ground.slots - 1


def _renew(draft: Draft, pool: Pool, ground: _Ground) -> None:
    """Build in the place of overdue warm servers of a full pool; they leave when those are there (retire.py).

    Nothing is less urgent: not while anything of the pool is being built or fails, or anything is missing.
    """
    have, demanded = draft.tally.pools.get(pool.name) or PoolTally(), terms(draft, pool)
    trial = draft.trials.get(pool.name)
    candidate = trial.candidate if trial is not None and not is_refused(trial) else None
    is_alike = all(recipe in demanded.recipes for recipe, servers in have.by_recipe.items() if servers)
    if candidate is None and pool.recycle is None and is_alike and not have.unfit:
        return  # most pools, most of the time: nobody has to be looked at
    offered = wares(draft, pool.name)
    draft.look_again(demanded.next_overdue(offered))
    overdue = demanded.worst(offered)
    is_busy = have.building or have.unrecorded or draft.unmet.total() or draft.weather.storms
    is_failing = any(name == pool.name for name, _ in draft.launches.setbacks)
    if (
        not (overdue or candidate)
        or is_busy
        or is_failing
        or draft.warm(pool.name) != pool.size
        or not draft.may_create
    ):
        return
    scope, limits = f"pool/{pool.name}", draft.desired.limits
    kept = sum(part_of(limits.max_servers, share) for share in (limits.reserve.remediation, limits.reserve.rollout))
    if ground.headroom <= kept:
        words = (
            f"{len(overdue) or 1} warm servers are to be built anew; quota.max_servers leaves no room to begin with one"
        )
        draft.note(Hold(scope=scope, rule="no-room-to-recycle", words=words, amount=len(overdue)))
        return
    if candidate is not None:
        _try(draft, pool, candidate, ground)
        return
    for ware in overdue[: min(renewals(pool.size, len(overdue)), ground.headroom - kept, max(0, ground.slots))]:
        # What there is no token for would stay, one too many.
        can_leave = draft.budget.affords(ware.server, scope, Cause.RECYCLE)
        if can_leave and draft.launches.room(pool.name, ware.az) > 0:
            words = f"in the place of {ware.server}: {demanded.overdue(ware)}"
            _create(draft, pool.name, ware.az, Reason(cause=Cause.RECYCLE, words=words), ground)


def _try(draft: Draft, pool: Pool, candidate: Recipe, ground: _Ground) -> None:
    """Build one server by a new recipe; when it came up, one of the former recipe leaves."""
    az = _choose_zone(draft, pool.name, (draft.tally.pools.get(pool.name) or PoolTally()).zones.copy(), is_urgent=False)
    if az is not None and ground.slots > 0:
        came_up = len(draft.trials[pool.name].passed)
        words = f"by the new recipe of pool {pool.name}: {came_up} of {pool.image_canary} came up so far"
        _create(draft, pool.name, az, Reason(cause=Cause.RECYCLE, words=words), ground, candidate)


def _choose_zone(draft: Draft, name: PoolName, zones: Zones, *, is_urgent: bool) -> AvailabilityZone | None:
    """Choose the zone of the next server; what instances wait for is not built where it would be a trial."""
    allowed = [az for az in draft.desired.cloud.azs if draft.launches.room(name, az) > 0]
    proved = [az for az in allowed if draft.launches.speaks_against(name, az) is None] if is_urgent else []
    return spread(zones, proved or allowed) if allowed else None


def _hold_back(draft: Draft, name: PoolName, waiting: int) -> None:
    """Tell that no zone takes the servers of a pool now, and what has been failing there."""
    azs, launches = draft.desired.cloud.azs, draft.launches
    setbacks = [setback for az in azs if (setback := launches.speaks_against(name, az)) is not None]
    first = min(setbacks, key=lambda setback: setback.not_before)
    own = {az: launches.setbacks[name, az].failures for az in azs if (name, az) in launches.setbacks}
    counts = ", ".join(f"{failures} in {az}" for az, failures in own.items()) or "of other pools"
    words = f"builds failed in a row ({counts}; last: {first.words}); {waiting} more wait"
    if draft.world.now < first.not_before:
        draft.hold(f"pool/{name}", "launch-breaker", f"{words} {draft.time_left(first.not_before)}", first)
    else:
        draft.hold(f"pool/{name}", "launch-breaker", f"{words} for the one that is tried")


def _within_quota(draft: Draft, name: PoolName, wanted: int, headroom: int) -> int:
    """Give how many of the wanted servers there is room for, each kind up to what is reserved for the more urgent."""
    limits = draft.desired.limits
    for_remediation = part_of(limits.max_servers, limits.reserve.remediation)
    for_rollout = part_of(limits.max_servers, limits.reserve.rollout)
    unmet = min(wanted, draft.unmet.get(name, 0))
    replacing = min(unmet, draft.replacing.get(name, 0))
    granted = min(replacing, max(0, headroom))
    granted += min(unmet - replacing, max(0, headroom - for_remediation - granted))
    granted += min(wanted - unmet, max(0, headroom - for_remediation - for_rollout - granted))
    if granted < wanted:
        words = (
            f"{wanted} more servers are needed ({_kinds(replacing, unmet, wanted)}), and quota.max_servers = "
            f"{limits.max_servers} leaves {max(0, headroom)}: {for_remediation} are kept for replacing what dies, "
            f"{for_rollout} more for what is wanted beside what there is; {wanted - granted} wait"
        )
        draft.hold(f"pool/{name}", "max-servers", words)
    return granted


def _kinds(replacing: int, unmet: int, wanted: int) -> str:
    counts = {"to replace": replacing, "for more instances": unmet - replacing, "for the pool": wanted - unmet}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _wanted_builds(draft: Draft, pool: Pool) -> int:
    have = draft.tally.pools.get(pool.name) or PoolTally()
    unmet, trial = draft.unmet.get(pool.name, 0), draft.trials.get(pool.name)
    on_trial = 0
    if trial is not None and trial.candidate is not None:
        # What is on trial may well fail: nobody counts on it.
        on_trial = sum(is_on_trial(standing.facts.record, draft.trials) for standing in have.building.values())
    coming = len(have.building) - on_trial + len(have.unrecorded)
    # In a storm over all the spares that are missed are thought to live, too.
    size = pool.size if not draft.weather.is_over_all else min(pool.size, draft.warm(pool.name))
    return wanted_builds(size=size, warm=draft.warm(pool.name), building=coming, unmet=unmet)


def _build_reason(draft: Draft, pool: PoolName, number: int) -> Reason:
    """Say what the `number`-th server in building (from 0) is for: instances that wait come before the pool."""
    unmet = draft.unmet.get(pool, 0)
    if number < unmet:
        waiting = "1 instance waits" if unmet == 1 else f"{unmet} instances wait"
        return Reason(cause=Cause.MEET_DEMAND, words=f"{waiting} for a server of pool {pool}")
    return Reason(cause=Cause.FILL_POOL, words=f"pool {pool} keeps {draft.desired.pools[pool].size} warm")

"""Waits: what is under way or to come for a server or a service, and what it waits for. Pure; words for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hfs_appliance.mcp.facts import DRAIN_MARGIN
from hfs_appliance.model.explained import Waiting
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant, after, format_instant
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import OBSERVING, Action, Claim, Hold, Phase, Plan, VersionCount
from hfs_appliance.model.rollout import RolloutPhase
from hfs_appliance.model.world import World


def server_waits(world: World, plan: Plan, server: ServerId) -> tuple[Waiting, ...]:
    """Tell what a server waits for."""
    actions = [action for action in _actions(world, plan) if action.server == server]
    return (*(_act(world, action) for action in actions), *_progress(world, plan, [server]))


def service_waits(world: World, plan: Plan, name: ServiceName, servers: Iterable[ServerId]) -> tuple[Waiting, ...]:
    """Tell what a service waits for: its actions, its instances on their way, those that have no server yet."""
    members = list(servers)
    its = set(members)
    acts = [
        _act(world, action)
        for action in _actions(world, plan)
        if action.server in its or (isinstance(action, Claim) and action.service == name)
    ]
    short = [
        waiting
        for version, count in sorted(plan.counts.get(name, {}).items())
        if (waiting := _short(world, plan, name, version, count)) is not None
    ]
    return (*_rollout(world, plan, name), *acts, *_progress(world, plan, members), *short)


def _rollout(world: World, plan: Plan, name: ServiceName) -> Iterator[Waiting]:
    """Tell of the rollout that runs, and what it waits for."""
    rollout = world.registry.value.rollouts.get(name) if world.registry is not None else None
    if rollout is None or rollout.phase is RolloutPhase.DONE:
        return
    step = f" {rollout.step + 1} of {len(rollout.steps)}" if rollout.phase is RolloutPhase.CANARY else ""
    waiting = plan.waiting.get(name)
    until = waiting.until if waiting is not None else None
    yield Waiting(
        what=f"rollout, {rollout.phase.value}{step}",
        words=waiting.words if waiting is not None else rollout.words,
        since=format_instant(rollout.since),
        until=format_instant(until) if until is not None else None,
    )


def concerning(holds: Iterable[Hold], *scopes: str) -> tuple[Hold, ...]:
    """Give the holds of these scopes, with those under which nothing at all is done."""
    return tuple(hold for hold in holds if hold.scope in scopes or hold.rule in OBSERVING)


def _actions(world: World, plan: Plan) -> Iterator[Action]:
    """Give what is being done, then what the newest plan has still to begin."""
    yield from (world.in_flight[server] for server in sorted(world.in_flight))
    yield from (action for action in plan.actions if world.in_flight.get(action.server) is not action)


def _act(world: World, action: Action) -> Waiting:
    state = "under way" if world.in_flight.get(action.server) is action else "planned"
    words = f"{state}, for {action.reason.cause.value}: {action.reason.words}"
    return Waiting(what=f"{action.verb} {action.server}", words=words)


def _progress(world: World, plan: Plan, servers: Iterable[ServerId]) -> Iterator[Waiting]:
    """Tell of servers that are on their way to serving, or to their end."""
    records = world.registry.value.records if world.registry is not None else {}
    for server in servers:
        verdict, record = plan.verdicts.get(server), records.get(server)
        if verdict is not None and record is not None and verdict.phase in _ON_THE_WAY:
            until = _deadline(world, record, verdict.phase)
            yield Waiting(
                what=f"{server} is {verdict.phase.value}",
                words=verdict.words,
                since=format_instant(verdict.since),
                until=format_instant(until) if until is not None else None,
            )


_ON_THE_WAY = frozenset(
    {Phase.CREATING, Phase.BOOTING, Phase.CONFIGURING, Phase.ASSIGNED, Phase.WARMING, Phase.SUSPECT, Phase.LOST}
    | {Phase.DRAINING, Phase.DELETING}
)


def _deadline(world: World, record: ServerRecord, phase: Phase) -> Instant | None:
    """Tell when waiting ends by time alone, where that follows from the record."""
    assert world.desired is not None
    service = world.desired.services.get(record.service) if record.service is not None else None
    pool = world.desired.pools.get(record.pool)
    if phase in {Phase.ASSIGNED, Phase.WARMING} and service is not None and record.assigned_at is not None:
        return after(record.assigned_at, service.health.ready_within)
    if phase is Phase.DRAINING and service is not None and record.drain_at is not None:
        return after(after(record.drain_at, service.drain), DRAIN_MARGIN)
    if phase in {Phase.BOOTING, Phase.CONFIGURING} and pool is not None:
        return after(record.created_at, pool.build_within)
    return None


def _short(world: World, plan: Plan, name: ServiceName, version: Version, count: VersionCount) -> Waiting | None:
    """Tell what the instances wait for that have no server yet."""
    short = count.desired - count.serving - count.starting
    if short <= 0:
        return None
    what = f"{short} more of {version}"
    held = next((hold for hold in plan.holds if hold.scope == f"service/{name}" and hold.until is not None), None)
    if held is not None:
        until = format_instant(held.until) if held.until is not None else None
        return Waiting(what=what, words=f"{held.words} ({held.rule})", until=until)
    stopped = next((hold for hold in plan.holds if hold.rule in OBSERVING), None)
    if stopped is not None:
        return Waiting(what=what, words=f"{stopped.words} ({stopped.rule})")
    if count.suspect:
        return Waiting(what=what, words=f"{count.suspect} may come back any moment, or are given up")
    assert world.desired is not None
    pool = world.desired.services[name].pool
    have = plan.pools.get(pool)
    there = f"it has {have.warm} warm and {have.building} in building" if have is not None else "it has none"
    return Waiting(what=what, words=f"a server of pool {pool}: {there}")

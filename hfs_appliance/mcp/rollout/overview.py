"""The rollouts of all services: the machine is asked where something has changed or a rollout runs.

What converge is to work towards follows from what is *written*: until a rollout has begun (and every proxy keeps to the
old versions), a version that is newly desired is not started, and none that is not desired any more goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from enum import IntEnum

from hfs_appliance.mcp.rollout.beginning import is_as_wanted, unwritten
from hfs_appliance.mcp.rollout.machine import advance
from hfs_appliance.mcp.rollout.sight import Fleet, Sight
from hfs_appliance.mcp.rollout.sizes import sizes
from hfs_appliance.mcp.tally import Tally
from hfs_appliance.model.desired import DesiredState, Limits, Service
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.load import ServiceLoad, over
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.observed import RegistryView
from hfs_appliance.model.rollout import Move, Rollout, RolloutPhase, Strategy, Waiting
from hfs_appliance.model.shares import part_of
from hfs_appliance.model.traffic import Traffic
from hfs_appliance.model.world import World

MOVES_AT_ONCE = 200
"""A plan with more leaves the rest to the next one: writing them holds up everything else."""


class Trust(IntEnum):
    """How far the registry's view may be built upon."""

    NOTHING = 0
    """It is old, or of another fleet: nothing moves."""
    ENTRIES = 1
    """What is there is believed, what is not there is not: a rollout may begin, but none that runs gets further."""
    ABSENCE = 2


@dataclass(slots=True)
class Outlook:
    """What all rollouts together ask for."""

    services: Mapping[ServiceName, Service]
    """The desired services, with the instances that are to be there now."""
    moves: list[Move] = field(default_factory=list)
    waiting: dict[ServiceName, Waiting] = field(default_factory=dict)
    to_measure: Set[ServiceName] = frozenset()

    def note(self, move: Move) -> None:
        """Take a move in, unless there are too many already."""
        if len(self.moves) < MOVES_AT_ONCE:
            self.moves.append(move)


class Overview:
    """What was seen last, and what follows from it for services of which nothing has changed."""

    def __init__(self) -> None:
        self._desired: Mapping[ServiceName, Service] = {}
        self._rollouts: Mapping[ServiceName, Rollout] = {}
        self._traffic: Mapping[ServiceName, Traffic] = {}
        self._services: Map[ServiceName, Service] = Map()
        self._open: set[ServiceName] = set()
        """Services to be looked at again though nothing of them has changed: a rollout runs, or a move is due."""

    def look(
        self, world: World, desired: DesiredState, tally: Tally, stirred: Set[ServiceName] | None, *, trust: Trust
    ) -> Outlook:
        """Take a World in; `stirred` are the services whose instances have changed, None: perhaps all."""
        assert world.registry is not None
        view = world.registry.value
        touched = self._open | differing(self._desired, desired.services)
        touched |= differing(self._rollouts, view.rollouts) | differing(self._traffic, view.traffic)
        if stirred is None:
            touched |= desired.services.keys() | view.rollouts.keys() | view.traffic.keys()
        else:
            touched |= stirred
        self._desired, self._rollouts, self._traffic = desired.services, view.rollouts, view.traffic
        outlook = Outlook(services=self._services)
        measured = set[ServiceName]()
        changes: dict[ServiceName, Service | None] = {}
        for name in sorted(touched):
            self._open.discard(name)
            service, rollout = desired.services.get(name), view.rollouts.get(name)
            if service is None:
                changes[name] = None
                if rollout is not None or name in view.traffic:
                    self._open.add(name)
                    if trust >= Trust.ENTRIES:
                        outlook.note(Move(service=name, rollout=None, traffic=None))
                continue
            sight = _sight(world, view, desired, tally, service)
            changes[name] = self._sized(sight)
            if rollout is not None and _is_measured(rollout):
                measured.add(name)
            self._ask(outlook, sight, trust)
        self._services = outlook.services = self._services.updated(changes)
        outlook.to_measure = frozenset(measured)
        return outlook

    @property
    def is_settled(self) -> bool:
        """Tell whether no rollout runs and none is to begin."""
        return not self._open

    def _ask(self, outlook: Outlook, sight: Sight, trust: Trust) -> None:
        """Have the machine answer for one service, if what it would rest on is to be trusted."""
        name, rollout = sight.service.name, sight.rollout
        is_running = rollout is not None and rollout.phase is not RolloutPhase.DONE
        if trust < (Trust.ABSENCE if is_running else Trust.ENTRIES):
            self._open.add(name)
            return
        answer = advance(sight)
        if is_running or answer.move is not None:
            self._open.add(name)
        if answer.move is not None:
            outlook.note(answer.move)
        if answer.waiting is not None:
            outlook.waiting[name] = answer.waiting

    def _sized(self, sight: Sight) -> Service:
        """Give the service with the instances that are to be there now; the same object when it is the same."""
        known = self._services.get(sight.service.name)
        versions = instances(sight)
        if versions == sight.service.versions:
            return sight.service
        sized = replace(sight.service, versions=versions)
        return known if known == sized else sized


def instances(sight: Sight) -> Mapping[Version, int]:
    """Give the instances that are to be there now, by version."""
    wanted, rollout = sight.wanted, sight.rollout
    if not wanted:
        return sight.service.versions
    if rollout is None:
        return sight.service.versions if is_as_wanted(sight) else unwritten(sight)
    if rollout.phase is RolloutPhase.DONE:
        is_protected = any(sight.of(version).present for version in rollout.target)
        is_promoted = rollout.target.keys() == wanted.keys() or not is_protected
        return sight.service.versions if is_promoted else rollout.target
    return sizes(rollout, sight.present())


def _is_measured(rollout: Rollout) -> bool:
    phases = (RolloutPhase.EXPAND, RolloutPhase.CANARY)
    return rollout.strategy is Strategy.CANARY and rollout.phase in phases


def _sight(world: World, view: RegistryView, desired: DesiredState, tally: Tally, service: Service) -> Sight:
    name = service.name
    rollout, traffic = view.rollouts.get(name), view.traffic.get(name)
    pool = tally.pools.get(service.pool)
    return Sight(
        now=world.now,
        service=service,
        rollout=rollout,
        traffic=traffic,
        fleet={
            version: Fleet(
                present=sum(map(len, (there.serving, there.starting, there.wavering, there.missing, there.unrecorded))),
                serving=len(there.serving),
                wavering=len(there.wavering),
                leaving=len(there.draining),
            )
            for version, there in tally.instances.get(name, {}).items()
        },
        lagging=_lagging(view, name, traffic),
        room=_room(desired.limits, tally) + (len(pool.warm) if pool is not None else 0),
        load=_load(world, name, rollout),
        failures=_failures(world, service, rollout),
        known_since=view.removals_believed_at,
    )


def _room(limits: Limits, tally: Tally) -> int:
    """Give how many servers may still be built for a rollout: what is kept for replacing what dies is not its."""
    kept = part_of(limits.max_servers, limits.reserve.remediation)
    return max(0, limits.max_servers - kept - tally.total)


def _lagging(view: RegistryView, name: ServiceName, traffic: Traffic | None) -> tuple[str, ...] | None:
    if not view.proxies:
        return None
    epoch = traffic.epoch if traffic is not None else 0
    return tuple(sorted(serves.proxy for serves in view.proxies.values() if serves.epochs.get(name, 0) < epoch))


def _load(world: World, name: ServiceName, rollout: Rollout | None) -> ServiceLoad | None:
    served_at = rollout.served_at if rollout is not None else None
    if served_at is None or world.load is None:
        return None
    return over(world.load.value.services.get(name, ()), Instant(served_at))


def _failures(world: World, service: Service, rollout: Rollout | None) -> Mapping[Version, Setback]:
    if rollout is None or rollout.phase is RolloutPhase.DONE:
        return {}
    setbacks = world.ledger.version_setbacks
    return {v: setbacks[service.name, v] for v in rollout.target if (service.name, v) in setbacks}

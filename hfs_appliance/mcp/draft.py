"""The Draft: a plan in the making, and what may be put into it.

Every action passes here, so that what holds for all of them is asked in one place: its server's lane is free, and what
takes a server away has a token, room among the deletions that go on, and leaves its service its floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from hfs_appliance.mcp.budget import ENVIRONMENT, Budget, Purse, scope_of
from hfs_appliance.mcp.facts import Facts
from hfs_appliance.mcp.launches import Launches
from hfs_appliance.mcp.losses import Plight
from hfs_appliance.mcp.needs import Needs
from hfs_appliance.mcp.reins import Reins
from hfs_appliance.mcp.storm import Weather
from hfs_appliance.mcp.tally import Standing, Tally
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, format_duration
from hfs_appliance.model.ledger import Setback, Trial
from hfs_appliance.model.plan import Action, Cause, Delete, Drain, Hold, Phase
from hfs_appliance.model.world import World


class Departure(NamedTuple):
    """A server that is to be taken away, and how."""

    standing: Standing
    action: Delete | Drain

    @property
    def plight(self) -> Plight:
        """What it may have in common with others."""
        return plight_of(self.standing, self.action.reason.cause)


@dataclass(slots=True)
class Draft:
    """A plan in the making."""

    world: World
    desired: DesiredState
    tally: Tally
    weather: Weather
    needs: Needs
    may_destroy: bool
    may_create: bool
    actions: list[Action] = field(default_factory=list)
    planned: set[ServerId] = field(default_factory=set)
    holds: list[Hold] = field(default_factory=list)
    quota_setback: Setback | None = None
    version_setbacks: dict[tuple[ServiceName, Version], Setback] = field(default_factory=dict)
    unmet: Counter[PoolName] = field(default_factory=Counter)
    """Instances that found no warm server, by pool."""
    replacing: Counter[PoolName] = field(default_factory=Counter)
    """Those of them that come in the place of others."""
    quarantined: Mapping[ServerId, Instant] = field(default_factory=dict)
    """Failures that are kept, with the end of their time."""
    trials: Mapping[PoolName, Trial] = field(default_factory=dict)
    """How the new recipes of pools stand."""
    turning: Set[ServiceName] = frozenset()
    """Services whose rollouts this plan moves: who is too many by what is written now may be needed by what will be."""
    asked: int = 0
    """Servers that this plan asks the cloud for."""
    claimed: Counter[PoolName] = field(default_factory=Counter)
    """Warm servers that this plan claims, by pool."""
    leaving: Counter[ServiceName] = field(default_factory=Counter)
    """Serving instances that this plan drains, by service."""
    requeue_at: Instant | None = None
    deletions_left: int = field(init=False)
    budget: Budget = field(init=False)
    launches: Launches = field(init=False)
    reins: Reins = field(init=False)

    def __post_init__(self) -> None:
        under_way = self.tally.deletions.keys() | self.tally.deleting.keys()
        self.deletions_left = self.desired.limits.max_deleting - len(under_way)
        self.launches = Launches(
            now=self.world.now,
            tally=self.tally,
            azs=self.desired.cloud.azs,
            dead_zones=self.weather.dead_zones,
        )
        self.reins = Reins(self.world.orders)
        self.budget = Budget(
            now=self.world.now,
            before=self.world.ledger.tokens,
            # Of what the plan is made from, not of the Draft: that would be kept for the collector, World and all.
            is_leaving=partial(_is_leaving, self.world),
            purse=partial(_purse, self.desired, self.tally),
            granted=self.world.orders.approved("destroy-budget"),
        )

    def add(self, action: Action) -> bool:
        """Plan an action, unless the server's lane is taken: by one in flight, or by an earlier one of this plan."""
        if not self.is_free(action.server):
            return False
        self.actions.append(action)
        self.planned.add(action.server)
        return True

    def take_away(self, departure: Departure) -> bool:
        """Plan to take a server away, if that may be now; else (False) a later plan will."""
        standing, action = departure
        server, plight = action.server, departure.plight
        if not self.is_free(server):
            return False
        if self.reins.forbid(plight.scope, server) or self.weather.forbids(plight):
            return False
        is_free_of_charge = isinstance(action, Delete) and not _is_there(standing.facts)
        if not is_free_of_charge and not self.budget.affords(server, plight.scope, plight.cause):
            return False
        if isinstance(action, Drain):
            service = self._served(standing)
            if service is not None:
                if self._serving(service) <= service.floor:
                    return False
                self.leaving[service.name] += 1
        elif self.deletions_left <= 0:
            return False
        if not is_free_of_charge:
            self.budget.take(server, plight.scope, plight.cause)
        else:
            assert isinstance(action, Delete)
            action = replace(action, is_unlisted=True)
        return self.delete(action) if isinstance(action, Delete) else self.add(action)

    def keep_back(self, plight: Plight, amount: int) -> bool:
        """Tell, and count, whether so many servers must stay, all for one reason.

        What `take_away` would answer for each of them; only servers of which nothing more is known (`singular`) are
        alike in that. A storm or an empty budget keeps thousands for hours, and no plan may cost a look at each.
        """
        return (
            self.reins.forbid(plight.scope, amount=amount)
            or self.weather.forbids(plight, amount)
            or self.budget.forbids(plight.cause, amount)
        )

    def singular(self) -> Set[ServerId]:
        """Name the servers of which each is answered for by itself, whatever is said of others in its plight.

        Something is being done with them, an operator has named them, they have a token already, or need none.
        """
        return {*self.world.in_flight, *self.reins.named(), *self._pledged(), *self.tally.absent}

    def delete(self, action: Delete) -> bool:
        """Plan a deletion that needs no token (any more), if one more may go on at the same time."""
        if self.deletions_left <= 0 or not self.add(action):
            return False
        self.deletions_left -= 1
        return True

    def is_free(self, server: ServerId) -> bool:
        """Tell whether nothing is being done with a server."""
        return server not in self.world.in_flight and server not in self.planned

    def hold(self, scope: str, rule: str, words: str, setback: Setback | None = None) -> None:
        """Note what is withheld; with a setback, until when."""
        until = setback.not_before if setback is not None else None
        self.note(Hold(scope=scope, rule=rule, words=words, until=until))

    def note(self, hold: Hold) -> None:
        """Note what is withheld, and look again when it ends by time alone."""
        self.holds.append(hold)
        self.look_again(hold.until)

    def time_left(self, until: Instant) -> str:
        """Say how long it is until then."""
        return format_duration(Duration(until - self.world.now))

    def look_again(self, at: Instant | None) -> None:
        """Note that time alone may change the answer at `at`."""
        if at is not None and (self.requeue_at is None or at < self.requeue_at):
            self.requeue_at = at

    def warm(self, pool: PoolName) -> int:
        """Count the warm servers that a pool has left."""
        known = self.tally.pools.get(pool)
        return len(known.warm) - self.claimed[pool] if known is not None else 0

    def _served(self, standing: Standing) -> Service | None:
        """Give the desired service that a server serves now."""
        record, verdict = standing.facts.record, standing.verdict
        if record is None or record.service is None or verdict is None or verdict.phase is not Phase.SERVING:
            return None
        return self.desired.services.get(record.service)

    def _serving(self, service: Service) -> int:
        """Count the instances of a service that serve and that this plan leaves alone."""
        versions = self.tally.instances.get(service.name, {})
        serving = sum(len(instances.serving) for instances in versions.values())
        return serving - self.leaving[service.name]

    def _pledged(self) -> Iterator[ServerId]:
        """Name the servers that have a token, are there and not on their way out: nothing came of it yet."""
        world = self.world
        assert world.registry is not None
        records = world.registry.value.records
        return (server for server in world.ledger.tokens if server in records and not _is_leaving(world, server))


def plight_of(standing: Standing, cause: Cause) -> Plight:
    """Give what a server that is to be taken away may have in common with others."""
    record, verdict = standing.facts.record, standing.verdict
    assert record is not None
    assert verdict is not None
    return Plight(scope_of(record), record.az, verdict.rule, cause)


def _is_leaving(world: World, server: ServerId) -> bool:
    """Tell whether a server is on its way out, and not confirmed to be gone."""
    assert world.registry is not None
    record = world.registry.value.records.get(server)
    is_decided = record is not None and (record.delete_at is not None or record.drain_at is not None)
    return is_decided or server in world.in_flight


def _purse(desired: DesiredState, tally: Tally, scope: str) -> Purse:
    """Give the budget of a scope; what is not desired any more has the environment's terms."""
    kind, _, name = scope.partition("/")
    common = desired.guard
    if scope == ENVIRONMENT:
        return Purse(limit=common.destroy_budget, servers=tally.total)
    if kind == "pool":
        pool = tally.pools.get(PoolName(name))
        return Purse(limit=common.destroy_budget, servers=sum(pool.zones.values()) if pool is not None else 0)
    service = desired.services.get(ServiceName(name))
    guard = service.guard.within(common) if service is not None else common
    versions = tally.instances.get(ServiceName(name), {})
    return Purse(limit=guard.destroy_budget, servers=sum(instances.size() for instances in versions.values()))


def _is_there(facts: Facts) -> bool:
    """Tell whether any source knows a server: what does not exist any more costs nobody anything.

    A list that leaves out an instance that is registered (O4) makes its drain no cheaper.
    """
    return facts.cloud is not None or facts.registration is not None or facts.pool_entry is not None

"""The Draft: a plan in the making, and what may be put into it.

Every action passes here, so that what holds for all of them is asked in one place: its server's lane is free, and what
takes a server away has a token, room among the deletions that go on, and leaves its service its floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hfs_appliance.mcp.budget import ENVIRONMENT, Budget, Purse
from hfs_appliance.mcp.facts import Facts
from hfs_appliance.mcp.launches import Launches
from hfs_appliance.mcp.needs import Needs
from hfs_appliance.mcp.reins import Reins
from hfs_appliance.mcp.storm import Weather
from hfs_appliance.mcp.tally import Standing, Tally
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, Instant, format_duration
from hfs_appliance.model.ledger import Setback, Token
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Action, Delete, Drain, Hold, Phase
from hfs_appliance.model.world import World


class Departure(NamedTuple):
    """A server that is to be taken away, and how."""

    standing: Standing
    action: Delete | Drain

    @property
    def scope(self) -> str:
        """The scope whose budget pays for it beside the environment's."""
        record = self.standing.facts.record
        assert record is not None
        return self.scope_of(record)

    @staticmethod
    def scope_of(record: ServerRecord) -> str:
        """Give the scope to which the server of a record belongs."""
        return f"service/{record.service}" if record.service is not None else f"pool/{record.pool}"


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
            is_leaving=self._is_leaving,
            purse=self._purse,
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
        server = action.server
        if not self.is_free(server):
            return False
        if isinstance(action, Delete) and self.deletions_left <= 0:
            return False
        service = self._served(standing) if isinstance(action, Drain) else None
        if service is not None and self._serving(service) <= service.floor:
            return False
        if self.reins.forbid(server, departure.scope):
            return False
        if self.weather.storms and self.weather.forbids(standing, departure.scope):
            return False
        if isinstance(action, Delete) and not _is_there(standing.facts):
            action = replace(action, is_unlisted=True)
        elif not self.budget.take(server, departure.scope, action.reason.cause):
            return False
        if service is not None:
            self.leaving[service.name] += 1
        return self.delete(action) if isinstance(action, Delete) else self.add(action)

    def delete(self, action: Delete) -> bool:
        """Plan a deletion that needs no token (any more), if one more may go on at the same time."""
        if self.deletions_left <= 0 or not self.add(action):
            return False
        self.deletions_left -= 1
        return True

    @property
    def is_bankrupt(self) -> bool:
        """Tell whether only what has a token already, or needs none, can be taken away: no need to name all the others.

        While a storm holds up anything, each is asked about: it may not be the budget that keeps it.
        """
        return self.budget.is_spent and not self.weather.storms

    def pledged(self) -> Mapping[ServerId, Token]:
        """Give the tokens of servers that are there and not on their way out: taken, and nothing came of it yet."""
        assert self.world.registry is not None
        records = self.world.registry.value.records
        tokens = self.world.ledger.tokens.items()
        return {server: token for server, token in tokens if server in records and not self._is_leaving(server)}

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

    def _is_leaving(self, server: ServerId) -> bool:
        assert self.world.registry is not None
        record = self.world.registry.value.records.get(server)
        is_decided = record is not None and (record.delete_at is not None or record.drain_at is not None)
        return is_decided or server in self.world.in_flight

    def _purse(self, scope: str) -> Purse:
        """Give the budget of a scope; what is not desired any more has the environment's terms."""
        kind, _, name = scope.partition("/")
        common = self.desired.guard
        if scope == ENVIRONMENT:
            return Purse(limit=common.destroy_budget, servers=self.tally.total)
        if kind == "pool":
            pool = self.tally.pools.get(PoolName(name))
            return Purse(limit=common.destroy_budget, servers=sum(pool.zones.values()) if pool is not None else 0)
        service = self.desired.services.get(ServiceName(name))
        guard = service.guard.within(common) if service is not None else common
        versions = self.tally.instances.get(ServiceName(name), {})
        return Purse(limit=guard.destroy_budget, servers=sum(instances.size() for instances in versions.values()))


def _is_there(facts: Facts) -> bool:
    """Tell whether any source knows a server: what does not exist any more costs nobody anything.

    A list that leaves out an instance that is registered (O4) makes its drain no cheaper.
    """
    return facts.cloud is not None or facts.registration is not None or facts.pool_entry is not None

"""`decide(world) -> Plan`: the product. A function of one immutable value; everything else observes or acts.

A Decider gives the same Plans for World after World and only looks at what has changed: what it keeps (Standings, Needs
and the like) follows from the last World alone. Planning itself starts from nothing each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hfs_appliance.mcp.budget import in_turns
from hfs_appliance.mcp.build import RENEWAL, ask_again, build
from hfs_appliance.mcp.converge import claim, keep_books
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.facts import circumstances
from hfs_appliance.mcp.identity import identity
from hfs_appliance.mcp.needs import Needs
from hfs_appliance.mcp.proving import holds as proving_holds
from hfs_appliance.mcp.proving import proved, trials
from hfs_appliance.mcp.quarantine import RULE as QUARANTINE
from hfs_appliance.mcp.quarantine import tell as tell_quarantine
from hfs_appliance.mcp.remedy import corpses, count_failures
from hfs_appliance.mcp.retire import close, finish, leavers
from hfs_appliance.mcp.rollout.overview import Outlook, Overview, Trust
from hfs_appliance.mcp.sizing import Sizer
from hfs_appliance.mcp.standings import Standings
from hfs_appliance.mcp.stocks import remembered
from hfs_appliance.mcp.storm import Barometer
from hfs_appliance.mcp.tally import PoolTally, Standing
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.maps import Map
from hfs_appliance.model.plan import Hold, Plan, PoolCount
from hfs_appliance.model.probes import Target
from hfs_appliance.model.world import World

_HARMLESS: Final = frozenset({QUARANTINE, RENEWAL})
"""Rules of holds that keep nobody from calling the environment converged."""


def decide(world: World) -> Plan:
    """Give what to do, what is believed and what is withheld.

    Deterministic: equal Worlds give equal Plans, whatever the order of their mappings. Cost: one pass over the servers,
    see docs/benchmarks.md.
    """
    decider = Decider()
    plan = decider.decide(world)
    decider.forget()
    return plan


class Decider:
    """Decides on Worlds that follow each other; each Plan is that of `decide`, at the cost of what has changed."""

    def __init__(self) -> None:
        self._sizer = Sizer()
        self._standings = Standings()
        self._overview = Overview()
        self._needs = Needs()
        self._barometer = Barometer()
        self._targets: Map[ServerId, Target] = Map()

    def decide(self, world: World) -> Plan:
        """Give the Plan for the next World."""
        if world.desired is None:
            return Plan(holds=(_hold("blind", "the desired state has not been read yet"),))
        if world.registry is None:
            return Plan(holds=(_hold("blind", "the registry has not been read yet"),))
        wanted = replace(world.desired, services={}, pools={}) if world.is_closing else world.desired
        demands = self._sizer.look(world, wanted)
        desired = self._sizer.desired
        c = circumstances(world, desired)
        stirred = self._standings.look(world, c)
        tally = self._standings.tally
        is_registry_fresh = world.registry.is_fresh(world.now, Duration(desired.registry.session_timeout * 2 // 3))
        found = identity(world, tally, is_cloud_known=c.is_cloud_known)
        may_act = is_registry_fresh and c.is_cloud_known and found.is_certain
        believed = c.are_removals_believed or world.is_closing
        trust = Trust.NOTHING if not (is_registry_fresh and found.is_certain) else Trust(1 + believed)
        outlook = self._overview.look(world, desired, tally, stirred, trust=trust)
        desired = replace(desired, services=outlook.services)
        self._aim(desired)
        self._needs.look(desired.services, tally, stirred)
        draft = Draft(
            world=world,
            desired=desired,
            tally=tally,
            weather=self._barometer.look(tally, desired, stirred, world.ledger.storms, world.orders, world.now),
            needs=self._needs,
            # Closing needs no belief in what is gone: everything goes.
            may_destroy=may_act and believed,
            may_create=may_act,
            trials=trials(desired, world.ledger.trials),
            turning=frozenset(move.service for move in outlook.moves),
        )
        untils = (demand.until for demand in demands.values())
        for until in (self._standings.next_until(), self._sizer.pools_until, *untils):
            draft.look_again(until)
        _tell_rollouts(draft, outlook)
        _take_away(draft)
        if not is_registry_fresh:
            draft.note(_hold("registry-stale", "the registry does not answer: nothing is changed until it does"))
        elif found.doubt is not None:
            draft.note(found.doubt)
        elif not found.is_new:
            _plan(draft, is_cloud_known=c.is_cloud_known)
        if not c.are_removals_believed:
            draft.look_again(c.removals_believed_at)
        pools = _pools(draft)
        return Plan(
            actions=tuple(draft.actions),
            verdicts=self._standings.verdicts,
            phases={phase: count for phase, count in tally.phases.items() if count},
            holds=tuple(draft.holds),
            counts=self._needs.counts,
            pools=pools,
            launch_setbacks=draft.launches.setbacks,
            quota_setback=draft.quota_setback,
            version_setbacks=draft.version_setbacks,
            tokens=draft.budget.tokens(),
            storms=draft.weather.storms,
            moves=tuple(outlook.moves),
            waiting=outlook.waiting,
            is_converged=self._overview.is_settled and _is_converged(draft, pools),
            rushes=remembered(draft, wanted, demands),
            trials=draft.trials,
            demands=demands,
            to_anchor=is_registry_fresh and found.is_new,
            to_probe=self._targets,
            to_measure=outlook.to_measure | demands.keys(),
            requeue_at=draft.requeue_at,
        )

    def forget(self) -> None:
        """Let go of the last World's servers, at once; it is of no use afterwards."""
        self._standings.forget()

    def _aim(self, desired: DesiredState) -> None:
        """Say whom to probe: of a dark zone thousands are in question, and few of them otherwise than before."""
        questioned, looked_at = self._standings.tally.questioned, self._standings.looked_at
        if looked_at is None or desired.services is not self._needs.services:
            looked_at = questioned.keys() | self._targets.keys()
        targets: dict[ServerId, Target | None] = {}
        for server in looked_at:
            standing, before = questioned.get(server), self._targets.get(server)
            target = _target(standing, desired) if standing is not None else None
            targets[server] = before if target == before else target
        self._targets = self._targets.updated(targets)


def _tell_rollouts(draft: Draft, outlook: Outlook) -> None:
    """Note which rollouts do not go on by themselves, and when time alone lets one go on."""
    for name, waiting in sorted(outlook.waiting.items()):
        if waiting.is_held:
            draft.hold(f"service/{name}", "rollout-waits", waiting.words)
        draft.look_again(waiting.until)


def _take_away(draft: Draft) -> None:
    """Take away what is lost and what nobody wants, in turns: neither starves the other when tokens are few."""
    if draft.may_destroy and not draft.world.is_closing and (draft.tally.lost or draft.needs.has_excess):
        singular = draft.singular()
        for departure in in_turns(leavers(draft, singular), corpses(draft, singular)):
            draft.take_away(departure)
    count_failures(draft)


def _plan(draft: Draft, *, is_cloud_known: bool) -> None:
    if not is_cloud_known:
        words = "the cloud's list of servers is missing, old or incomplete: nothing is created or destroyed"
        draft.holds.append(_hold("cloud-stale", words))
    keep_books(draft)
    assert draft.world.registry is not None
    records = draft.world.registry.value.records
    draft.trials = proved(draft.desired, draft.trials, draft.actions, records)
    ask_again(draft)
    if draft.world.is_closing:
        close(draft)
        return
    claim(draft)
    build(draft)
    finish(draft)
    refused = proving_holds(draft.desired, draft.trials, records)
    for hold in (*refused, *draft.budget.holds(), *draft.weather.holds(), *draft.reins.holds()):
        draft.note(hold)
    tell_quarantine(draft)
    draft.look_again(draft.world.orders.next_end())
    draft.look_again(draft.weather.ends_at)


def _hold(rule: str, words: str) -> Hold:
    return Hold(scope="environment", rule=rule, words=words)


def _pools(draft: Draft) -> dict[PoolName, PoolCount]:
    desired, tally = draft.desired.pools, draft.tally.pools
    used = {name for name, pool in tally.items() if any(pool.zones.values())}
    pools: dict[PoolName, PoolCount] = {}
    for name in sorted(desired.keys() | used):
        have = tally.get(name) or PoolTally()
        size = desired[name].size if name in desired else 0
        pools[name] = PoolCount(size=size, warm=draft.warm(name), building=len(have.building))
    return pools


def _target(standing: Standing, desired: DesiredState) -> Target | None:
    """Say where to ask an instance whose fate hangs on a witness."""
    record, cloud = standing.facts.record, standing.facts.cloud
    service = desired.services.get(record.service) if record is not None and record.service else None
    if service is None or cloud is None:
        return None
    return Target(address=cloud.address, port=service.port, path=service.health.path)


def _is_converged(draft: Draft, pools: Mapping[PoolName, PoolCount]) -> bool:
    if (
        draft.actions
        or draft.world.in_flight
        or draft.needs.restless
        or any(h.rule not in _HARMLESS for h in draft.holds)
    ):
        return False
    tally = draft.tally
    if any(trial.candidate is not None for trial in draft.trials.values()):
        return False
    if tally.deleting or tally.gone or tally.ambiguous or tally.drained or tally.doubtful:
        return False
    is_rid = len(tally.lost) <= len(draft.quarantined)
    return is_rid and all(pool.warm == pool.size and not pool.building for pool in pools.values())

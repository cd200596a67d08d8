"""`decide(world) -> Plan`: the product. A function of one immutable value; everything else observes or acts."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.converge import Draft, build, bury, claim, close, keep_books, retire
from hfs_appliance.mcp.facts import circumstances
from hfs_appliance.mcp.tally import PoolTally, Tally, take
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import PoolName, ServiceName, Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.plan import Hold, Plan, PoolCount, VersionCount
from hfs_appliance.model.world import World


def decide(world: World) -> Plan:
    """Give what to do, what is believed and what is withheld.

    Deterministic: equal Worlds give equal Plans, whatever the order of their mappings. Cost: one pass over the servers,
    see docs/benchmarks.md.
    """
    if world.desired is None:
        return Plan(holds=(_hold("blind", "the desired state has not been read yet"),))
    if world.registry is None:
        return Plan(holds=(_hold("blind", "the registry has not been read yet"),))
    desired = replace(world.desired, services={}, pools={}) if world.is_closing else world.desired
    c = circumstances(world, desired)
    tally = take(world, c)
    is_registry_fresh = world.registry.is_fresh(world.now, Duration(desired.registry.session_timeout * 2 // 3))
    draft = Draft(
        world=world,
        desired=desired,
        tally=tally,
        # Closing needs no belief in what is gone: everything goes.
        may_destroy=is_registry_fresh and c.is_cloud_known and (c.are_removals_believed or world.is_closing),
        may_create=is_registry_fresh and c.is_cloud_known,
    )
    bury(draft)
    if not is_registry_fresh:
        draft.holds.append(_hold("registry-stale", "the registry does not answer: nothing is changed until it does"))
    else:
        _plan(draft, is_cloud_known=c.is_cloud_known)
    if not c.are_removals_believed:
        tally.look_again(c.removals_believed_at)
    counts = _counts(desired, tally)
    pools = _pools(desired, tally)
    return Plan(
        actions=tuple(draft.actions),
        verdicts=tally.verdicts,
        holds=tuple(draft.holds),
        counts=counts,
        pools=pools,
        pool_setbacks=draft.pool_setbacks,
        version_setbacks=draft.version_setbacks,
        is_converged=_is_converged(draft, counts, pools),
        requeue_at=tally.requeue_at,
    )


def _plan(draft: Draft, *, is_cloud_known: bool) -> None:
    if not is_cloud_known:
        words = "the cloud's list of servers is missing, old or incomplete: nothing is created or destroyed"
        draft.holds.append(_hold("cloud-stale", words))
    keep_books(draft)
    if draft.world.is_closing:
        close(draft)
        return
    claim(draft)
    build(draft)
    retire(draft)


def _hold(rule: str, words: str) -> Hold:
    return Hold(scope="environment", rule=rule, words=words)


def _counts(desired: DesiredState, tally: Tally) -> dict[ServiceName, dict[Version, VersionCount]]:
    counts: dict[ServiceName, dict[Version, VersionCount]] = {}
    for name in sorted(desired.services):
        versions = desired.services[name].versions
        counts[name] = {version: tally.of(name, version).count(versions[version]) for version in sorted(versions)}
    for (name, version), instances in sorted(tally.instances.items()):
        counts.setdefault(name, {}).setdefault(version, instances.count(0))
    return counts


def _pools(desired: DesiredState, tally: Tally) -> dict[PoolName, PoolCount]:
    pools: dict[PoolName, PoolCount] = {}
    for name in sorted(desired.pools.keys() | tally.pools.keys()):
        have = tally.pools.get(name) or PoolTally()
        known = desired.pools.get(name)
        pools[name] = PoolCount(
            size=known.size if known is not None else 0, warm=len(have.warm), building=have.building
        )
    return pools


def _is_converged(
    draft: Draft,
    counts: dict[ServiceName, dict[Version, VersionCount]],
    pools: dict[PoolName, PoolCount],
) -> bool:
    if draft.actions or draft.holds or draft.world.in_flight:
        return False
    tally = draft.tally
    if tally.lost or tally.deleting or tally.gone or tally.ambiguous or tally.drained or tally.doubtful:
        return False
    are_counts_met = all(
        n.serving == n.desired and not (n.starting or n.suspect or n.draining)
        for versions in counts.values()
        for n in versions.values()
    )
    return are_counts_met and all(pool.warm == pool.size and not pool.building for pool in pools.values())

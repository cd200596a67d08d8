"""Wares: the warm servers of a pool as the factory grades them, taken from the tally."""

from __future__ import annotations

from hfs_appliance.factory.freshness import Terms, Ware
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.proving import accepted
from hfs_appliance.mcp.tally import Standing
from hfs_appliance.model.desired import Pool
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.plan import Cause


def terms(draft: Draft, pool: Pool) -> Terms:
    """Give what a pool demands of its servers."""
    recipes = accepted(pool, draft.trials.get(pool.name))
    return Terms(now=draft.world.now, fresh=pool.fresh, recycle=pool.recycle, recipes=recipes)


def wares(draft: Draft, pool: PoolName) -> list[Ware]:
    """Give the warm servers that nothing is done with, in no order."""
    known = draft.tally.pools.get(pool)
    standings = known.warm.items() if known is not None else ()
    return [_ware(server, standing, draft) for server, standing in standings if draft.is_free(server)]


def _ware(server: ServerId, standing: Standing, draft: Draft) -> Ware:
    record, entry = standing.facts.record, standing.facts.pool_entry
    assert record is not None, "who has no record counts as nobody's, not as warm"
    # Of an adopted one nobody knows how it was made, and its instants are those of the adoption.
    recipe = record.recipe if record.cause != Cause.ADOPTION else None
    unfit = entry.unfit if entry is not None else ""
    return Ware(server, record.az, record.built_at or draft.world.now, recipe, unfit)

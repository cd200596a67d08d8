"""Proving: the trials of new recipes, from the ledger into a plan in the making and back (`factory/trials.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hfs_appliance.factory.freshness import digest
from hfs_appliance.factory.trials import begun, is_refused, judged
from hfs_appliance.model.desired import DesiredState, Pool
from hfs_appliance.model.ids import PoolName, ServerId
from hfs_appliance.model.ledger import Trial
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Action, Cause, Condemn, ConfirmBuilt, Hold
from hfs_appliance.model.recipe import PLAIN, Recipe


def trials(desired: DesiredState, before: Mapping[PoolName, Trial]) -> dict[PoolName, Trial]:
    """Give the trials of all pools but those that never said how their servers are built."""
    return {
        name: begun(before.get(name), pool.recipe)
        for name, pool in desired.pools.items()
        if pool.image_canary > 0 or pool.recipe != PLAIN or name in before
    }


def in_force(pool: Pool, trial: Trial | None) -> Recipe:
    """Give the recipe that a pool is built by."""
    return trial.recipe if trial is not None else pool.recipe


def accepted(pool: Pool, trial: Trial | None) -> frozenset[str]:
    """Give the digests of the recipes whose servers may stay: what is in force, and what is on trial."""
    recipes = [in_force(pool, trial)]
    if trial is not None and trial.candidate is not None and not is_refused(trial):
        recipes.append(trial.candidate)
    return frozenset(map(digest, recipes))


def is_on_trial(record: ServerRecord | None, known: Mapping[PoolName, Trial]) -> bool:
    """Tell whether a server was made by a recipe on trial: what becomes of it speaks for or against nothing else."""
    trial = known.get(record.pool) if record is not None else None
    if record is None or trial is None or trial.candidate is None:
        return False
    return record.recipe == digest(trial.candidate)


def recipe_of(record: ServerRecord, pool: Pool | None, trial: Trial | None) -> Recipe | None:
    """Find the recipe that a record names; None: it is not known any more."""
    recipes = [trial.recipe, trial.candidate, trial.former] if trial is not None else []
    recipes += [pool.recipe] if pool is not None else []
    return next((recipe for recipe in recipes if recipe is not None and digest(recipe) == record.recipe), None)


def proved(
    desired: DesiredState,
    known: Mapping[PoolName, Trial],
    actions: Iterable[Action],
    records: Mapping[ServerId, ServerRecord],
) -> dict[PoolName, Trial]:
    """Give the trials as they stand once a plan is carried out."""
    passed: dict[PoolName, list[ServerId]] = {}
    failed: dict[PoolName, list[ServerId]] = {}
    for action in actions:
        record = records.get(action.server) if isinstance(action, ConfirmBuilt | Condemn) else None
        if record is not None and is_on_trial(record, known) and action.reason.cause is not Cause.OVER_QUOTA:
            found = passed if isinstance(action, ConfirmBuilt) else failed if record.built_at is None else {}
            found.setdefault(record.pool, []).append(action.server)
    return {
        name: judged(trial, desired.pools[name].image_canary, passed.get(name, ()), failed.get(name, ()))
        for name, trial in known.items()
    }


def holds(
    desired: DesiredState, known: Mapping[PoolName, Trial], records: Mapping[ServerId, ServerRecord]
) -> Iterator[Hold]:
    """Tell of the recipes that failed."""
    for name, trial in sorted(known.items()):
        if is_refused(trial):
            evidence = next((records[one].evidence for one in trial.failed if one in records), "")
            words = (
                f"its new recipe is not taken: {len(trial.failed)} servers built by it failed"
                f"{f' ({evidence})' if evidence else ''} and {len(trial.passed)} of "
                f"{desired.pools[name].image_canary} came up; the pool goes on with the one before until it is changed"
            )
            yield Hold(scope=f"pool/{name}", rule="recipe-refused", words=words)

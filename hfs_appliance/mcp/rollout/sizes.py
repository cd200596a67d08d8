"""Sizes: how many instances of each version there are to be in each phase. A rollout owns the split, not the total."""

from __future__ import annotations

from collections.abc import Mapping

from hfs_appliance.model.ids import Version
from hfs_appliance.model.rollout import Rollout, RolloutPhase, Strategy
from hfs_appliance.model.traffic import WHOLE


def sizes(rollout: Rollout, present: Mapping[Version, int]) -> dict[Version, int]:
    """Give the instances wanted of each version now; a version that is not named is to have none.

    `present` are those that there are: while a rollout is aborted, what comes up no more is not tried again.
    """
    target, before = dict(rollout.target), old_sizes(rollout)
    if rollout.phase in (RolloutPhase.DONE, RolloutPhase.CONTRACT):
        return dict(sorted((before if rollout.is_reverting else target).items()))
    new_level, old_level = _levels(rollout)
    found: dict[Version, int] = {}
    for version in sorted(target.keys() | before.keys()):
        if version in target and version in before:
            found[version] = max(target[version], before[version])
        elif version in before:
            found[version] = part(before[version], old_level)
        elif rollout.phase is RolloutPhase.ABORT:
            found[version] = min(target[version], present.get(version, 0))
        else:
            found[version] = part(target[version], new_level)
    return {version: count for version, count in found.items() if count}


def old_sizes(rollout: Rollout) -> dict[Version, int]:
    """Give the instances that the old versions need to take all requests: they follow the total."""
    now = sum(rollout.target.values())
    if not rollout.total or now == rollout.total:
        return dict(rollout.before)
    return {version: -(-count * now // rollout.total) for version, count in rollout.before.items()}


def level(rollout: Rollout, step: int) -> int:
    """Give how much of the new version a rolling rollout has by the end of a step, per mille."""
    if step < 0:
        return 0
    return rollout.steps[step].weight if step < len(rollout.steps) else WHOLE


def part(count: int, per_mille: int) -> int:
    """Give a part of a count, rounded up."""
    return -(-count * per_mille // WHOLE)


def _levels(rollout: Rollout) -> tuple[int, int]:
    """Give how much of the new and of the old versions there is to be, per mille."""
    if rollout.phase is RolloutPhase.PREFLIGHT:
        return 0, WHOLE
    if rollout.strategy is Strategy.ROLLING and rollout.phase is not RolloutPhase.ABORT:
        # As many of the old leave as new ones have taken over in the step before.
        return level(rollout, rollout.step), WHOLE - level(rollout, rollout.step - 1)
    return WHOLE, WHOLE

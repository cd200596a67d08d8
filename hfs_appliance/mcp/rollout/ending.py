"""The ways out: giving up (requests first, then instances), and contracting what is not wanted any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hfs_appliance.mcp.rollout.beginning import begun
from hfs_appliance.mcp.rollout.division import entry, weight_of_new
from hfs_appliance.mcp.rollout.moves import Answer, deadline, entered, is_other, names, waits, written
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.mcp.rollout.sizes import old_sizes
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import after
from hfs_appliance.model.rollout import Rollout, RolloutPhase
from hfs_appliance.model.traffic import WHOLE

ENOUGH: Final = 750
"""Per mille of the old version's instances that can take all requests while the rest comes back."""


def given_up(sight: Sight, rollout: Rollout, words: str) -> Answer:
    """Give the requests back, and take the wish back in the same move, unless an operator already wants another one."""
    aborted = entered(rollout, RolloutPhase.ABORT, sight.now, words)
    versions = None
    if sight.wanted.keys() == rollout.target.keys():
        versions = {**dict.fromkeys(sight.wanted, 0), **_at_least(old_sizes(rollout), sight.service.floor)}
    return written(sight, aborted, kept=_kept(sight, aborted), versions=versions)


def aborting(sight: Sight, rollout: Rollout) -> Answer:
    """Answer in ABORT: requests go back to the old version as soon as it can take them, and by the deadline anyway."""
    kept = _kept(sight, rollout)
    if is_other(entry(sight.service, rollout, sight.present(), kept), sight.traffic):
        return written(sight, rollout, kept=kept)
    late_at = after(rollout.since, sight.service.rollout.revert_deadline)
    if kept:
        sizes = old_sizes(rollout)
        words = f"{sight.serving(sizes)} of {sum(sizes.values())} instances of {names(rollout.before)} serve again"
        return waits(words, late_at)
    if not sight.is_acknowledged:
        return waits(lag(sight), is_held=sight.now >= late_at)
    if sight.wanted.keys() != rollout.before.keys():
        return begun(sight, rollout.before)
    words = rollout.words
    contracting = entered(rollout, RolloutPhase.CONTRACT, sight.now, words)
    total = sum(rollout.target.values())
    return written(sight, replace(contracting, before=sight.wanted, total=total, is_reverting=True))


def contracting(sight: Sight, rollout: Rollout) -> Answer:
    """Answer in CONTRACT: done when nothing is left but what is wanted."""
    goal = rollout.before if rollout.is_reverting else rollout.target
    rest = {v: fleet.present + fleet.leaving for v, fleet in sight.fleet.items() if v not in goal}
    left = sum(rest.values())
    if left:
        return waits(f"{left} instances of {names({v: n for v, n in rest.items() if n})} leave")
    former = {} if rollout.is_reverting else {v: n for v, n in rollout.before.items() if v not in goal}
    done = entered(rollout, RolloutPhase.DONE, sight.now, rollout.words)
    return written(
        sight,
        replace(done, target=dict(goal), before=former, before_shares=(), steps=(), total=0, is_reverting=False),
    )


def lag(sight: Sight) -> str:
    """Say which proxies are waited for."""
    epoch = sight.traffic.epoch if sight.traffic is not None else 0
    if sight.lagging is None:
        return f"no proxy has told yet that it serves traffic epoch {epoch}"
    return f"traffic epoch {epoch} is not served yet by {', '.join(sight.lagging[:3])}"


def is_late(sight: Sight, rollout: Rollout) -> bool:
    """Tell whether a phase that must get further has not."""
    return sight.now >= deadline(sight, rollout.progress_at, sight.service.rollout.progress_deadline)


def _at_least(counts: Mapping[Version, int], floor: int) -> Mapping[Version, int]:
    """Raise counts to the floor of a service, which may be a newer wish than they are."""
    short = floor - sum(counts.values())
    largest = max(sorted(counts), key=lambda version: counts[version])
    return {**counts, largest: counts[largest] + max(0, short)}


def _kept(sight: Sight, rollout: Rollout) -> int:
    """Give the weight that the new version keeps: what it has, while the old one is not there to take it."""
    sizes = old_sizes(rollout)
    is_there = sight.serving(sizes) * WHOLE >= sum(sizes.values()) * ENOUGH
    is_late = rollout.phase is RolloutPhase.ABORT and sight.now >= after(
        rollout.since, sight.service.rollout.revert_deadline
    )
    return 0 if is_there or is_late else weight_of_new(sight.traffic, rollout)

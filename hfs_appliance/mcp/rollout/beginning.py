"""The machine at rest: what stands promoted is written down, and a rollout begins when another set is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from hfs_appliance.mcp.rollout.division import asked, by_size, entry, rescaled
from hfs_appliance.mcp.rollout.moves import Answer, is_other, names, written
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.rollout import Rollout, RolloutPhase, RolloutSettings, Step, Strategy
from hfs_appliance.model.shares import PerMille
from hfs_appliance.model.traffic import WHOLE, Share


def settled(sight: Sight) -> Answer:
    """Answer for a service of which no rollout runs, or of which nothing is wanted any more."""
    wanted, rollout = sight.wanted, sight.rollout
    if not wanted:
        is_over = rollout is None or (rollout.phase is RolloutPhase.DONE and not rollout.target)
        return Answer() if is_over and sight.traffic is None else _promoted(sight, wanted)
    if rollout is None:
        if not is_as_wanted(sight):
            return begun(sight, unwritten(sight))
        # One version alone needs nothing written: which one has the requests is told by what is there.
        return Answer() if len(wanted) == 1 and sight.traffic is None else _promoted(sight, wanted)
    if rollout.target.keys() != wanted.keys():
        return begun(sight, rollout.target)
    if rollout.target != wanted or rollout.order is not None:
        return written(sight, replace(rollout, target=wanted, order=None))
    if is_other(entry(sight.service, rollout, sight.present()), sight.traffic):
        return written(sight, rollout)
    return Answer()


def is_as_wanted(sight: Sight) -> bool:
    """Tell whether what is there, where nothing is written, is the beginning of what is wanted."""
    present = sight.present()
    return not present or present.keys() == sight.wanted.keys()


def unwritten(sight: Sight) -> dict[Version, int]:
    """Give the versions that have the requests where nothing is written: those that are there, in full."""
    return {version: sight.service.former.get(version, count) for version, count in sight.present().items()}


def begun(sight: Sight, former: Mapping[Version, int]) -> Answer:
    """Begin a rollout from the versions that have the requests; where nobody is there, there is nothing to protect."""
    wanted, known = sight.wanted, sight.rollout
    before = {version: count for version, count in sorted(former.items()) if sight.of(version).present and count}
    if not before:
        return _promoted(sight, wanted)
    settings = sight.service.rollout
    # Where no new version is to have a weight there is nothing to go over step by step.
    is_weighed = any(share.weight for share in asked(sight.service, wanted) if share.version not in before)
    strategy = settings.strategy if is_weighed else Strategy.BLUE_GREEN
    rollout = Rollout(
        service=sight.service.name,
        number=(known.number if known is not None else 0) + 1,
        phase=RolloutPhase.PREFLIGHT,
        strategy=strategy,
        steps=_steps(settings, strategy, sum(wanted.values())),
        before=before,
        before_shares=_shares(sight, before),
        target=wanted,
        total=sum(wanted.values()),
        since=sight.now,
        began_at=sight.now,
        progress_at=sight.now,
        epoch=known.epoch if known is not None else 0,
        words=f"{names(before)} → {names(wanted)}, {strategy}",
    )
    return written(sight, rollout)


def _promoted(sight: Sight, wanted: Mapping[Version, int]) -> Answer:
    """Write down what stands promoted without a rollout: there was nobody to protect."""
    known = sight.rollout
    rollout = Rollout(
        service=sight.service.name,
        number=known.number if known is not None else 0,
        phase=RolloutPhase.DONE,
        target=wanted,
        since=sight.now,
        began_at=sight.now,
        progress_at=sight.now,
        epoch=known.epoch if known is not None else 0,
        words="without a rollout: no other version was there",
    )
    return written(sight, rollout)


def _shares(sight: Sight, before: Mapping[Version, int]) -> tuple[Share, ...]:
    """Give how the requests are divided now among the versions that have them."""
    known = sight.traffic.shares if sight.traffic is not None else ()
    shares = tuple(share for share in known if share.version in before)
    return rescaled(shares) if any(share.weight for share in shares) else by_size(before)


def _steps(settings: RolloutSettings, strategy: Strategy, total: int) -> tuple[Step, ...]:
    match strategy:
        case Strategy.CANARY:
            return settings.steps
        case Strategy.ROLLING:
            batch = max(settings.batch, -(-WHOLE // total))
            return tuple(Step(weight=PerMille(weight), bake=Duration(0)) for weight in range(batch, WHOLE, batch))
        case Strategy.BLUE_GREEN | Strategy.AB:
            return ()
        case _:
            assert_never(strategy)

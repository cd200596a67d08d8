"""Division: how the requests are divided among versions in each phase, as shares of a traffic entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hfs_appliance.mcp.rollout.sizes import level, sizes
from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import Version
from hfs_appliance.model.rollout import Rollout, RolloutPhase, Strategy, Wish
from hfs_appliance.model.traffic import EACH_REQUEST, WHOLE, Match, Share, Traffic


def steady(service: Service, wanted: Mapping[Version, int]) -> tuple[Share, ...]:
    """Give the shares that an operator has asked for; none: requests go evenly to all instances."""
    is_asked = any(wish.weight is not None or wish.matches for wish in service.wishes.values())
    return asked(service, wanted) if is_asked and len(wanted) > 1 else ()


def asked(service: Service, wanted: Mapping[Version, int]) -> tuple[Share, ...]:
    """Give the shares of the desired versions: by their weights, or by their numbers of instances."""
    wishes = {version: service.wishes.get(version, Wish()) for version in wanted}
    weights = {version: wish.weight for version, wish in wishes.items()}
    is_by_weight = None not in weights.values() and any(weights.values())
    parts = {version: (weights[version] or 0) if is_by_weight else count for version, count in wanted.items()}
    if not is_by_weight:
        parts = {version: 0 if weights[version] == 0 else count for version, count in parts.items()}
    if not any(parts.values()):
        parts = dict(wanted)
    return _shares(wanted, _whole(parts), {version: wish.matches for version, wish in wishes.items()})


def by_size(counts: Mapping[Version, int]) -> tuple[Share, ...]:
    """Give shares by numbers of instances: as requests are divided when nobody says how."""
    return _shares(counts, _whole(counts), {})


def rescaled(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Make the weights of some shares whole again."""
    weights = _whole({share.version: share.weight for share in shares})
    return tuple(replace(share, weight=weights[share.version]) for share in shares)


def entry(service: Service, rollout: Rollout, present: Mapping[Version, int], kept: int = 0) -> Traffic | None:
    """Give the traffic entry that belongs to a rollout's state, with its epoch; None: there is to be none.

    `kept` is the weight that the new versions keep while a rollout is aborted, for want of old instances.
    """
    shares = _entry_shares(service, rollout, present, kept)
    if not shares:
        return None
    key = service.rollout.key if len(shares) > 1 else EACH_REQUEST
    return Traffic(service=service.name, epoch=rollout.epoch, shares=shares, key=key)


def weight_of_new(traffic: Traffic | None, rollout: Rollout) -> int:
    """Give the weight that versions have which had none when the rollout began."""
    shares = traffic.shares if traffic is not None else ()
    return sum(share.weight for share in shares if share.version not in rollout.before)


def target_weight(rollout: Rollout, kept: int = 0) -> int:
    """Give the weight of the target, per mille, in a rollout that runs."""
    match rollout.phase:
        case RolloutPhase.EXPAND if rollout.strategy is Strategy.ROLLING:
            return level(rollout, rollout.step - 1)
        case RolloutPhase.CANARY:
            return rollout.steps[rollout.step].weight
        case RolloutPhase.CUTOVER | RolloutPhase.SOAK:
            return WHOLE
        case RolloutPhase.CONTRACT if not rollout.is_reverting:
            return WHOLE
        case RolloutPhase.ABORT:
            return kept
        case _:
            return 0


def _entry_shares(service: Service, rollout: Rollout, present: Mapping[Version, int], kept: int) -> tuple[Share, ...]:
    if rollout.phase is RolloutPhase.DONE:
        return steady(service, rollout.target)
    weight = target_weight(rollout, kept)
    return _blend(asked(service, rollout.target), rollout.before_shares, weight, sizes(rollout, present))


def _blend(
    target: Iterable[Share], before: Iterable[Share], weight: int, counts: Mapping[Version, int]
) -> tuple[Share, ...]:
    """Give the target so much of the requests and the rest to what was before.

    The newest come first, and their part begins where it has always begun: a growing weight takes no client back.
    """
    new, old = {share.version: share for share in target}, {share.version: share for share in before}
    order = [*(v for v in new if v not in old), *(v for v in new if v in old), *(v for v in old if v not in new)]
    parts = {
        version: (new[version].weight * weight if version in new else 0)
        + (old[version].weight * (WHOLE - weight) if version in old else 0)
        for version in order
    }
    # Without any weight, only what had requests before is named: who is not named gets nothing, not even in need.
    named = {version: part for version, part in parts.items() if weight or version in old}
    # Whoever is to try a new version by a match may do so as soon as it has a part at all.
    matches = {v: (new[v].matches if weight and v in new else old[v].matches if v in old else ()) for v in named}
    weights = _whole(named)
    return tuple(
        Share(version=version, weight=weights[version], instances=counts.get(version, 0), matches=matches[version])
        for version in named
    )


def _whole(parts: Mapping[Version, int]) -> dict[Version, int]:
    """Scale weights to WHOLE together, what is lost in rounding given to the largest."""
    total = sum(parts.values())
    assert total > 0, parts
    weights = {version: part * WHOLE // total for version, part in parts.items()}
    largest = max(sorted(weights), key=lambda version: weights[version])
    weights[largest] += WHOLE - sum(weights.values())
    return weights


def _shares(
    counts: Mapping[Version, int], weights: Mapping[Version, int], matches: Mapping[Version, tuple[Match, ...]]
) -> tuple[Share, ...]:
    return tuple(
        Share(version=version, weight=weights[version], instances=counts[version], matches=matches.get(version, ()))
        for version in sorted(counts)
    )

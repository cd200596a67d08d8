"""Orders: what an operator asks of the rollout that runs. Each is consumed by the move that obeys it."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.rollout.ending import given_up
from hfs_appliance.mcp.rollout.moves import Answer, entered, stepped, written
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.mcp.rollout.sizes import sizes
from hfs_appliance.model.instants import Duration, Instant, after, between
from hfs_appliance.model.rollout import Order, Rollout, RolloutPhase

ASKED = "an operator asked for it"


def obeyed(sight: Sight, rollout: Rollout) -> Answer | None:
    """Answer to an order; one that means nothing in this phase is only taken away."""
    match rollout.order:
        case None:
            return None
        case Order.ABORT if not rollout.is_reverting:
            return given_up(sight, rollout, ASKED)
        case Order.PAUSE if rollout.phase is not RolloutPhase.CONTRACT and rollout.paused_at is None:
            return written(sight, replace(rollout, order=None, paused_at=sight.now))
        case Order.RESUME if rollout.paused_at is not None:
            return written(sight, _resumed(rollout, sight.now))
        case Order.PROMOTE | Order.PROMOTE_FULL:
            return written(sight, _promoted(sight, rollout))
        case _:
            return written(sight, replace(rollout, order=None))


def _resumed(rollout: Rollout, now: Instant) -> Rollout:
    """Go on as if the pause had taken no time."""
    assert rollout.paused_at is not None
    paused_at = rollout.paused_at

    def moved(instant: Instant) -> Instant:
        return after(instant, Duration(max(0, between(max(instant, paused_at), now))))

    served_at = moved(rollout.served_at) if rollout.served_at is not None else None
    return replace(rollout, order=None, paused_at=None, progress_at=moved(rollout.progress_at), served_at=served_at)


def _promoted(sight: Sight, rollout: Rollout) -> Rollout:
    if rollout.phase is RolloutPhase.SOAK:
        return entered(rollout, RolloutPhase.CONTRACT, sight.now, ASKED, step=rollout.step)
    counts = sizes(rollout, {})
    is_whole = all(sight.of(version).serving >= counts.get(version, 0) for version in rollout.target)
    # Requests never go where there are too few instances, whoever asks.
    if rollout.phase is not RolloutPhase.CANARY or not is_whole:
        return replace(rollout, order=None)
    return stepped(rollout, sight.now, ASKED, is_last=rollout.order is Order.PROMOTE_FULL)

"""The rollout machine: one service as it is -> the next move, or what is waited for.

    done ─► preflight ─► expand ─► canary … ─► cutover ─► soak ─► contract ─► done
                └───────────┴─────────┴──────────┴─────────┴─────────┴─► abort ─► contract ─► done

A rolling rollout goes from canary back to expand for its next batch. The rules to keep:
- A move is written whole or not at all, and the machine goes on from what is written: it may die anywhere.
- Who has the requests is changed by a traffic epoch first; instances leave after every proxy has acknowledged it.
- What an operator wants now decides: another wish replaces the rollout that runs, the former wish takes it back.
- A rollout that cannot go on gives its requests back by itself; one that has been promoted does so only when nothing
  else is left: single failures are remediation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hfs_appliance.mcp.rollout.beginning import begun, settled
from hfs_appliance.mcp.rollout.division import entry, target_weight
from hfs_appliance.mcp.rollout.ending import ENOUGH, aborting, contracting, given_up, is_late, lag
from hfs_appliance.mcp.rollout.gate import Judgement, Verdict, judge
from hfs_appliance.mcp.rollout.moves import Answer, deadline, entered, is_other, names, stepped, waits, written
from hfs_appliance.mcp.rollout.orders import obeyed
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.mcp.rollout.sizes import old_sizes, sizes
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Duration, after, format_duration
from hfs_appliance.model.rollout import Rollout, RolloutPhase, Strategy
from hfs_appliance.model.traffic import WHOLE

STARTS_FAILED: Final = 3
"""So many instances of a version in a row that did not come up, and none that did: it is given up at once."""

_WITH_REQUESTS: Final = (RolloutPhase.CANARY, RolloutPhase.CUTOVER, RolloutPhase.SOAK)


def advance(sight: Sight) -> Answer:
    """Give the next move of one service, or what its rollout waits for."""
    rollout = sight.rollout
    if rollout is None or rollout.phase is RolloutPhase.DONE or not sight.wanted:
        return settled(sight)
    if rollout.phase is RolloutPhase.ABORT:
        return aborting(sight, rollout)
    return (
        _changed_mind(sight, rollout)
        or obeyed(sight, rollout)
        or _failed(sight, rollout)
        or _corrected(sight, rollout)
        or _went_on(sight, rollout)
    )


def _changed_mind(sight: Sight, rollout: Rollout) -> Answer | None:
    """Answer when something else is wanted than what is rolled out."""
    wanted = sight.wanted
    goal = rollout.before if rollout.is_reverting else rollout.target
    if wanted.keys() == goal.keys():
        if wanted == goal:
            return None
        is_back = rollout.is_reverting
        return written(sight, replace(rollout, before=wanted) if is_back else replace(rollout, target=wanted))
    if rollout.phase in (RolloutPhase.SOAK, RolloutPhase.CONTRACT) and wanted.keys() != rollout.before.keys():
        return begun(sight, goal)
    if wanted.keys() == rollout.before.keys():
        return given_up(sight, rollout, f"{names(wanted)} is wanted again")
    if not target_weight(rollout):
        return begun(sight, rollout.before)
    return given_up(sight, rollout, f"{names(wanted)} is wanted by now")


def _failed(sight: Sight, rollout: Rollout) -> Answer | None:
    """Answer when the new version shows that it is no good, paused or not."""
    new = _new(rollout)
    if rollout.phase is RolloutPhase.EXPAND:
        for version in new:
            failures = sight.failures.get(version)
            if failures is not None and failures.failures >= STARTS_FAILED and not sight.of(version).serving:
                words = f"{failures.failures} instances of {version} in a row did not come up: {failures.words}"
                return given_up(sight, rollout, words)
    elif rollout.phase in _WITH_REQUESTS:
        # Single failures are remediation; this is all of them, with the old version whole beside them.
        is_up = not new or sight.is_up(new)
        if not is_up and _is_old_there(sight, rollout):
            return given_up(sight, rollout, f"no instance of {names(new)} is registered any more")
    verdict = _verdict(sight, rollout) if rollout.phase is RolloutPhase.CANARY else None
    if verdict is not None and verdict.judgement is Judgement.FAILED:
        return given_up(sight, rollout, verdict.words)
    return None


def _corrected(sight: Sight, rollout: Rollout) -> Answer | None:
    """Answer when what is written is not so any more: counts have changed, the entry was lost, all serve it now."""
    if is_other(entry(sight.service, rollout, sight.present()), sight.traffic):
        return written(sight, rollout)
    if rollout.phase is RolloutPhase.CANARY and rollout.served_at is None and sight.is_acknowledged:
        return written(sight, replace(rollout, served_at=sight.now))
    return None


def _went_on(sight: Sight, rollout: Rollout) -> Answer:
    if rollout.paused_at is not None:
        return waits("paused by an operator", is_held=True)
    match rollout.phase:
        case RolloutPhase.PREFLIGHT:
            return _preflight(sight, rollout)
        case RolloutPhase.EXPAND:
            return _expand(sight, rollout)
        case RolloutPhase.CANARY:
            return _canary(sight, rollout)
        case RolloutPhase.CUTOVER:
            return _cutover(sight, rollout)
        case RolloutPhase.SOAK:
            return _soak(sight, rollout)
        case _:
            return contracting(sight, rollout)


def _preflight(sight: Sight, rollout: Rollout) -> Answer:
    if not sight.is_acknowledged:
        return _unheard(sight, rollout)
    expanding = entered(rollout, RolloutPhase.EXPAND, sight.now, f"every proxy keeps to {names(rollout.before)}")
    wanted = sizes(expanding, {})
    short = sum(max(0, count - sight.of(version).present) for version, count in wanted.items())
    if short > sight.room:
        words = f"{short} more instances need servers, and there is room for {max(0, sight.room)}"
        return waits(words, is_held=True)
    return written(sight, expanding)


def _expand(sight: Sight, rollout: Rollout) -> Answer:
    counts = sizes(rollout, {})
    wanted = {version: counts[version] for version in rollout.target if version in counts}
    serving, total = sight.serving(wanted), sum(wanted.values())
    if serving == total:
        words = f"{total} instances of {names(wanted)} serve"
        return written(sight, _expanded(sight, rollout, words))
    span = sight.service.rollout.progress_deadline
    if serving > rollout.progress and sight.now >= after(rollout.progress_at, Duration(span // 4)):
        # Not with each instance: a rollout of thousands would write thousands of times.
        return written(sight, replace(rollout, progress=serving, progress_at=sight.now))
    if serving <= rollout.progress and is_late(sight, rollout):
        words = f"{serving} of {total} instances of {names(wanted)} serve, no more for {format_duration(span)}"
        return given_up(sight, rollout, words)
    return waits(f"{serving} of {total} instances of {names(wanted)} serve", deadline(sight, rollout.progress_at, span))


def _expanded(sight: Sight, rollout: Rollout, words: str) -> Rollout:
    """Give the state after an expansion; without anybody of the old version there is nothing to go over from."""
    last = len(rollout.steps)
    if rollout.step == last:
        return entered(rollout, RolloutPhase.CUTOVER, sight.now, words, step=last)
    if sight.is_up(rollout.before):
        return entered(rollout, RolloutPhase.CANARY, sight.now, words, step=rollout.step)
    if rollout.strategy is Strategy.ROLLING:  # what has come up is a batch only
        at_once = replace(rollout, strategy=Strategy.BLUE_GREEN, steps=())
        return entered(at_once, RolloutPhase.EXPAND, sight.now, words)
    return entered(rollout, RolloutPhase.CUTOVER, sight.now, words, step=last)


def _canary(sight: Sight, rollout: Rollout) -> Answer:
    step = rollout.steps[rollout.step]
    if rollout.served_at is None:
        return _unheard(sight, rollout)
    baked_at = after(rollout.served_at, step.bake)
    late_at = after(max(baked_at, sight.known_since), sight.service.rollout.progress_deadline)
    verdict = _verdict(sight, rollout)
    words = verdict.words if verdict is not None else f"{step.weight // 10} % of the requests have gone over"
    if sight.now < baked_at:
        return waits(f"bakes; {words}", baked_at)
    counts = sizes(rollout, {})
    wanted = {version: counts[version] for version in rollout.target if version in counts}
    serving, total = sight.serving(wanted), sum(wanted.values())
    if serving < total or (verdict is not None and verdict.judgement is Judgement.UNCLEAR):
        words = words if serving == total else f"{serving} of {total} instances of {names(wanted)} serve"
        if sight.now >= late_at:
            return given_up(sight, rollout, words)
        return waits(words, late_at)
    if verdict is not None and verdict.judgement is Judgement.TOO_FEW:
        return waits(words, is_held=True)
    return written(sight, stepped(rollout, sight.now, words))


def _cutover(sight: Sight, rollout: Rollout) -> Answer:
    if not sight.is_acknowledged:
        return _unheard(sight, rollout)
    words = f"every proxy serves {names(rollout.target)}"
    soaking = entered(rollout, RolloutPhase.SOAK, sight.now, words, step=rollout.step)
    return written(sight, replace(soaking, served_at=sight.now))


def _soak(sight: Sight, rollout: Rollout) -> Answer:
    old = {v: sight.of(v).present for v in rollout.before if v not in rollout.target and sight.of(v).present}
    span = Duration(0) if rollout.strategy is Strategy.ROLLING else sight.service.rollout.retain_old
    ends_at = after(rollout.progress_at, span)
    if not old or sight.now >= ends_at:
        words = f"{names(rollout.target)} is promoted"
        return written(sight, entered(rollout, RolloutPhase.CONTRACT, sight.now, words, step=rollout.step))
    return waits(f"promoted; {sum(old.values())} instances of {names(old)} are kept warm", ends_at)


def _unheard(sight: Sight, rollout: Rollout) -> Answer:
    """Answer while a proxy does not serve the present epoch."""
    if is_late(sight, rollout):
        return given_up(sight, rollout, lag(sight))
    return waits(lag(sight), deadline(sight, rollout.progress_at, sight.service.rollout.progress_deadline))


def _verdict(sight: Sight, rollout: Rollout) -> Verdict | None:
    """Judge a step of a canary; None for rollouts that are not judged by their figures."""
    if rollout.strategy is not Strategy.CANARY:
        return None
    served_at, load = rollout.served_at, sight.load
    if load is not None and (served_at is None or load.begin < served_at):
        load = None  # of requests that were divided otherwise
    return judge(sight.service.rollout.gate, load, rollout.before, _new(rollout))


def _new(rollout: Rollout) -> dict[Version, int]:
    return {version: count for version, count in rollout.target.items() if version not in rollout.before}


def _is_old_there(sight: Sight, rollout: Rollout) -> bool:
    old = old_sizes(rollout)
    return bool(old) and sight.serving(old) * WHOLE >= sum(old.values()) * ENOUGH

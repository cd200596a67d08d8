"""Moves: a state with the traffic entry that belongs to it. Every move of the machine is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfs_appliance.mcp.rollout.division import entry
from hfs_appliance.mcp.rollout.sight import Sight
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Duration, Instant, after
from hfs_appliance.model.rollout import Move, Rollout, RolloutPhase, Strategy, Waiting
from hfs_appliance.model.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the machine says: a move, or what it waits for; neither when there is nothing to do."""

    move: Move | None = None
    waiting: Waiting | None = None


def written(sight: Sight, rollout: Rollout, *, kept: int = 0, versions: Mapping[Version, int] | None = None) -> Answer:
    """Give the move to a state. Its traffic entry is a new epoch when it is another one than there is."""
    wanted = entry(sight.service, rollout, sight.present(), kept)
    known = sight.traffic
    if not is_other(wanted, known):
        rollout = replace(rollout, epoch=known.epoch if known is not None else rollout.epoch)
        return Answer(move=Move(service=rollout.service, rollout=rollout, traffic=known, versions=versions))
    epoch = max(rollout.epoch, known.epoch if known is not None else 0) + 1
    is_served = rollout.served_at if _is_same_division(wanted, known) else None
    rollout = replace(rollout, epoch=epoch, served_at=is_served)
    traffic = replace(wanted, epoch=epoch) if wanted is not None else None
    return Answer(move=Move(service=rollout.service, rollout=rollout, traffic=traffic, versions=versions))


def is_other(wanted: Traffic | None, known: Traffic | None) -> bool:
    """Tell whether an entry says something else than the one that there is, whatever its epoch."""
    if wanted is None or known is None:
        return wanted is not known
    return (wanted.shares, wanted.key) != (known.shares, known.key)


def _is_same_division(wanted: Traffic | None, known: Traffic | None) -> bool:
    """Tell whether only numbers of instances differ: a step that bakes is not begun anew for them."""
    if wanted is None or known is None:
        return False
    blank = [tuple(replace(share, instances=0) for share in traffic.shares) for traffic in (wanted, known)]
    return blank[0] == blank[1] and wanted.key == known.key


def entered(rollout: Rollout, phase: RolloutPhase, now: Instant, words: str, *, step: int = 0) -> Rollout:
    """Give the state at the beginning of a phase, or of a step of it."""
    return replace(
        rollout,
        phase=phase,
        step=step,
        since=now,
        progress=0,
        progress_at=now,
        order=None,
        paused_at=None,
        words=words,
    )


def stepped(rollout: Rollout, now: Instant, words: str, *, is_last: bool = False) -> Rollout:
    """Give the state after the present step of a canary; `is_last`: whatever steps there would be."""
    step = rollout.step + 1
    if rollout.strategy is Strategy.ROLLING:
        return entered(rollout, RolloutPhase.EXPAND, now, words, step=step)
    if step < len(rollout.steps) and not is_last:
        return entered(rollout, RolloutPhase.CANARY, now, words, step=step)
    return entered(rollout, RolloutPhase.CUTOVER, now, words, step=len(rollout.steps))


def waits(words: str, until: Instant | None = None, *, is_held: bool = False) -> Answer:
    """Answer with what is waited for."""
    return Answer(waiting=Waiting(words=words, until=until, is_held=is_held))


def deadline(sight: Sight, start: Instant, span: Duration) -> Instant:
    """Give the instant by which something that began at `start` must have got further."""
    return after(max(start, sight.known_since), span)


def names(counts: Mapping[Version, int]) -> str:
    """Name versions in a sentence."""
    return " and ".join(sorted(counts)) or "nothing"

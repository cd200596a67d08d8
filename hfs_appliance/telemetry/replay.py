"""Replay: recorded Worlds decided upon again, by this version and, if asked, under another configuration. Pure.

The recorded Worlds follow from what was done at the time: another configuration is asked what it would have decided at
each instant, not where its decisions would have led (that is what `hfs plan` tells).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.instants import SECOND, Instant, format_instant
from hfs_appliance.model.maps import differing
from hfs_appliance.model.observed import Observation
from hfs_appliance.model.plan import Action, Cause, Hold, Plan, Reason, Verdict
from hfs_appliance.model.world import World
from hfs_appliance.telemetry.decisions import Decided

_LONG_AGO: Final = Instant(1_000_000_000 * SECOND)
"""A number that is no smaller is an instant of this century."""
_ANY: Final = Reason(cause=Cause.BOOKKEEPING, words="")
_UNSAID: Final = frozenset({"now", "load", "observed_at", "revision"})
"""Parts of a World that are others each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What another configuration would have decided in the same World, compared with what was decided."""

    more: tuple[Action, ...]
    less: tuple[Action, ...]
    held: tuple[Hold, ...]
    """Held by it alone."""
    free: tuple[Hold, ...]
    """Held then, and not by it."""

    @property
    def is_alike(self) -> bool:
        """Tell whether it would have decided the same."""
        return not (self.more or self.less or self.held or self.free)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One decision, and what is to be said of it."""

    at: Instant
    saw: tuple[str, ...]
    """What was seen since the decision before."""
    verdicts: tuple[Verdict, ...]
    """Of whom it believes something else than the decision before."""
    actions: tuple[Action, ...]
    begun: tuple[Hold, ...]
    ended: tuple[Hold, ...]
    is_converged: bool
    is_same: bool
    """This version decides the same."""
    other: Other | None

    def is_news(self, before: Replayed | None) -> bool:
        """Tell whether anything was decided that was not decided before."""
        if self.actions or self.verdicts or self.begun or self.ended or not self.is_same:
            return True
        was = before.other if before is not None else None
        is_other_alike = self.other == was or (was is None and (self.other is None or self.other.is_alike))
        return not is_other_alike or (before is not None and self.is_converged != before.is_converged)


def replay(decisions: Iterable[Decided], since: Instant, wanted: DesiredState | None) -> Iterator[Replayed]:
    """Decide again upon what was recorded from `since` on; `wanted` is the other configuration."""
    decider, other = Decider(), Decider()
    former: Decided | None = None
    for decided in decisions:
        if decided.world.now >= since:
            yield _replayed(decided, former, decider, other, wanted)
        former = decided


def _replayed(
    decided: Decided, former: Decided | None, decider: Decider, other: Decider, wanted: DesiredState | None
) -> Replayed:
    world, plan = decided.world, decided.plan
    before = former.plan if former is not None else Plan()
    changed = differing(before.verdicts, plan.verdicts)
    verdicts = (plan.verdicts[server] for server in sorted(changed) if server in plan.verdicts)
    return Replayed(
        at=world.now,
        saw=tuple(_seen("", former.world, world)) if former is not None else (),
        verdicts=tuple(verdict for verdict in verdicts if _is_other(before.verdicts.get(verdict.server), verdict)),
        actions=plan.actions,
        begun=_missing(plan.holds, before.holds),
        ended=_missing(before.holds, plan.holds),
        is_converged=plan.is_converged,
        is_same=decider.decide(world) == plan,
        other=_compared(plan, _decided_by(other, world, wanted)) if wanted is not None else None,
    )


def _is_other(before: Verdict | None, verdict: Verdict) -> bool:
    return before is None or (before.phase, before.rule) != (verdict.phase, verdict.rule)


def _decided_by(decider: Decider, world: World, wanted: DesiredState) -> Plan:
    generation = world.desired.generation if world.desired is not None else 0
    return decider.decide(replace(world, desired=replace(wanted, generation=generation)))


def _compared(plan: Plan, other: Plan) -> Other:
    had, has = {_deed(action) for action in plan.actions}, {_deed(action) for action in other.actions}
    return Other(
        more=tuple(action for action in other.actions if _deed(action) not in had),
        less=tuple(action for action in plan.actions if _deed(action) not in has),
        held=_missing(other.holds, plan.holds),
        free=_missing(plan.holds, other.holds),
    )


def _deed(action: Action) -> Action:
    """Give what is done, whatever the reason."""
    return replace(action, reason=_ANY)


def _missing(holds: Iterable[Hold], others: Iterable[Hold]) -> tuple[Hold, ...]:
    known = {(hold.scope, hold.rule) for hold in others}
    return tuple(hold for hold in holds if (hold.scope, hold.rule) not in known)


def _seen(path: str, old: Any, new: Any) -> Iterator[str]:
    """Tell what differs, a line each: `cloud.servers.small-0003.status: active → stopped`."""
    if new is old or new == old:
        return
    if isinstance(old, Observation) and isinstance(new, Observation):
        yield from _seen(path, old.value, new.value)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(differing(old, new)):
            yield from _entry(f"{path}.{key}", old.get(key), new.get(key))
    elif is_dataclass(new) and type(old) is type(new):
        for each in fields(new):
            if each.name not in _UNSAID:
                inner = f"{path}.{each.name}" if path else each.name
                yield from _seen(inner, getattr(old, each.name), getattr(new, each.name))
    else:
        yield f"{path}: {_short(old)} → {_short(new)}"


def _entry(path: str, old: Any, new: Any) -> Iterator[str]:
    if old is None:
        yield f"{path} has come"
    elif new is None:
        yield f"{path} has gone"
    else:
        yield from _seen(path, old, new)


def _short(value: Any) -> str:
    """Say a value in a word; what is no word is not worth a line."""
    if value is None or value == "":
        return "-"
    if isinstance(value, int) and value >= _LONG_AGO:
        return format_instant(Instant(value))
    return str(value) if isinstance(value, str | int) else "other"

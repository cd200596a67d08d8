"""Planned: the report of `hfs plan`, from a World and what is known of how long things take here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hfs_appliance.config import differences, restart_needed
from hfs_appliance.mcp.fingerprint import fingerprint
from hfs_appliance.mcp.forecast import forecast
from hfs_appliance.mcp.paces import measured
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import Recorded
from hfs_appliance.model.forecast import Forecast, Met, Paces, Step
from hfs_appliance.model.instants import SECOND, Duration
from hfs_appliance.model.reports import BudgetUse, PlannedStep, PlanReport, TrippedGuard
from hfs_appliance.model.world import World


def planned(
    world: World,
    current: DesiredState | None,
    events: Sequence[Recorded],
    earlier: Callable[[], Sequence[Recorded]],
    is_enough: Callable[[], bool],
) -> PlanReport:
    """Tell where a World with a wanted desired state leads, as far as it is worked out before `is_enough`.

    `events` are the newest ones, `earlier` may have older ones.
    """
    wanted = world.desired
    assert wanted is not None
    found = forecast(world, _paces(world, events, earlier), is_enough=is_enough)
    generation = current.generation if current is not None else 0
    changes = differences(current, wanted)
    return PlanReport(
        generation=generation,
        changes=changes,
        steps=tuple(map(_step, found.steps)),
        holds=tuple(met.hold for met in found.met if not met.after),
        hash=fingerprint(generation, changes, found.counts, wanted),
        outcome=found.outcome.value,
        duration_s=_seconds(found.lasts, is_timed=not found.unmeasured),
        unmeasured=tuple(f"{stage.value} of {scope}" for stage, scope in found.unmeasured),
        servers_now=found.servers_now,
        servers_peak=found.servers_peak,
        servers_max=wanted.limits.max_servers,
        creating_peak=found.creating_peak,
        creating_max=wanted.limits.max_creating,
        budget=tuple(_budget(found)),
        guards=tuple(map(_guard, found.met)),
        restart_needed=restart_needed(current, wanted) if current is not None else (),
    )


def _paces(world: World, events: Sequence[Recorded], earlier: Callable[[], Sequence[Recorded]]) -> Paces:
    first = events[0].seq if events else None
    before = [recorded for recorded in earlier() if first is None or recorded.seq < first]
    records = world.registry.value.records.values() if world.registry is not None else ()
    return measured(records, [*before, *events])


def _step(step: Step) -> PlannedStep:
    return PlannedStep(
        verb=step.verb,
        subject=f"{step.server} in {step.az}" if step.az else step.server,
        service=step.service,
        version=step.version,
        cause=step.cause.value,
        words=step.words,
        after_s=_seconds(step.after, is_timed=step.is_timed),
        is_under_way=step.is_under_way,
    )


def _guard(met: Met) -> TrippedGuard:
    return TrippedGuard(
        scope=met.hold.scope,
        rule=met.hold.rule,
        words=met.hold.words,
        after_s=_seconds(met.after, is_timed=met.is_timed),
        lasts_s=_seconds(met.lasts, is_timed=met.is_timed),
        is_lasting=met.is_lasting,
    )


def _budget(found: Forecast) -> Iterator[BudgetUse]:
    for each in found.spending:
        yield BudgetUse(
            scope=each.scope,
            spent=each.spent,
            most=each.most,
            allowed=each.allowed,
            window_s=each.window // SECOND,
        )


def _seconds(span: Duration, *, is_timed: bool) -> int | None:
    """Give whole seconds, upwards; None when what lies before it was never measured."""
    return -(-span // SECOND) if is_timed or not span else None

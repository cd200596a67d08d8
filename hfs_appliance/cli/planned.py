"""What `hfs plan` prints: what changes, what is done and when, how far it goes, which guards trip."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from hfs_appliance.cli import render
from hfs_appliance.model.instants import SECOND, Duration, format_duration
from hfs_appliance.model.plan import Cause
from hfs_appliance.model.reports import PlannedStep, PlanReport, TrippedGuard

_VERBS: Final = {"create": "green", "claim": "green", "adopt": "green", "drain": "magenta", "delete": "red"}
_OUTCOMES: Final = {
    "held": "then nothing more happens by itself: see what is held",
    "cut": "and so on: it is longer than hfs plan works out",
}


def show(report: PlanReport) -> RenderableType:
    """Show a plan."""
    parts: list[RenderableType] = []
    if report.changes:
        changes = render.table("changes", "before", "", "after")
        for change in report.changes:
            changes.add_row(change.path, Text(change.before or "-", "red"), "→", Text(change.after or "-", "green"))
        parts += [changes, Text()]
    shown = [step for step in report.steps if step.cause != Cause.BOOKKEEPING]
    if shown:
        steps = render.table("after", "steps", "server", "for", "why")
        for step in shown:
            steps.add_row(
                _when(step), Text(step.verb, _VERBS.get(step.verb, "")), step.subject, _role(step), _why(step)
            )
        parts += [steps, Text()]
    for key in report.restart_needed:
        parts.append(Text(f"{key} takes effect when `hfs run` is started again", "yellow"))
    parts += [_tripped(guard) for guard in report.guards]
    if not parts:
        parts.append(Text("nothing to change, nothing to do", "green"))
    elif shown:
        parts += _summary(report, shown)
    if report.changes:
        parts.append(Text(f"hash {report.hash}", "dim"))
    return Group(*parts)


def _summary(report: PlanReport, shown: list[PlannedStep]) -> list[RenderableType]:
    verbs = Counter(step.verb for step in shown)
    takes = "unknown" if report.duration_s is None else format_duration(Duration(report.duration_s * SECOND))
    peak = f"{report.servers_now} servers now, {report.servers_peak} of {report.servers_max} at the peak"
    creating = f"{report.creating_peak} of {report.creating_max} in creation at a time"
    lines = [f"{', '.join(f'{count} {verb}' for verb, count in verbs.items())}; takes {takes}", f"{peak}, {creating}"]
    if report.unmeasured:
        more = f" and {len(report.unmeasured) - 3} more" if len(report.unmeasured) > 3 else ""
        lines[0] += f" (never measured here: {', '.join(report.unmeasured[:3])}{more})"
    for each in report.budget:
        if each.scope == "environment" or each.most >= each.allowed:
            window = format_duration(Duration(each.window_s * SECOND))
            lines.append(f"budget of {each.scope}: {each.spent} leave, {each.most} of {each.allowed} within {window}")
    if report.outcome in _OUTCOMES:
        lines.append(_OUTCOMES[report.outcome])
    return [Text(line) for line in lines]


def _when(step: PlannedStep) -> Text:
    if step.is_under_way:
        return Text("under way", "dim")
    if step.after_s is None:
        return Text("?", "dim")
    return Text(f"{format_duration(Duration(step.after_s * SECOND))}" if step.after_s else "now", "dim")


def _role(step: PlannedStep) -> str:
    return f"{step.service} {step.version or ''}".strip() if step.service else ""


def _why(step: PlannedStep) -> str:
    return f"{step.words} ({step.cause})"


def _tripped(guard: TrippedGuard) -> Text:
    """Say what is held now as everywhere, and what will be held as what it is."""
    words = f"{guard.scope}: {guard.words} ({guard.rule})"
    if guard.after_s == 0:
        return Text(f"held: {words}", "bold red" if guard.scope == render.ENDPOINT else "yellow")
    when = f"after {format_duration(Duration(guard.after_s * SECOND))}" if guard.after_s is not None else "later"
    if guard.is_lasting:
        when += ", and not ended by time alone"
    elif guard.lasts_s:
        when += f", for {format_duration(Duration(guard.lasts_s * SECOND))}"
    return Text(f"will be held {when}: {words}", "yellow")

"""Sentences about a run, for the page and for the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hfs_appliance.model.instants import format_duration, seconds
from hfs_appliance.model.plan import Cause
from sim.outcome import Elasticity, Outcome
from sim.report.series import Grid
from sim.scenario import Scenario

_ACTIONS: Final[Mapping[str, str]] = {
    "create": "servers created",
    "claim": "servers given a service",
    "adopt": "servers adopted",
    "condemn": "servers given up",
    "drain": "instances drained",
    "delete": "servers deleted",
}
_CAUSES: Final[Mapping[str, str]] = {
    Cause.FILL_POOL: "to fill the pool",
    Cause.MEET_DEMAND: "to have as many as desired",
    Cause.REMEDIATION: "because they were lost",
    Cause.SCALE_IN: "because fewer are desired",
    Cause.RETIRE_VERSION: "because their version ends",
    Cause.RETIRE_SERVICE: "because their service ends",
    Cause.POOL_SURPLUS: "because the pool had too many",
    Cause.RECYCLE: "because it had waited too long",
    Cause.BUILD_FAILED: "because their build failed",
    Cause.OVER_QUOTA: "because the quota was used up",
    Cause.NEVER_READY: "because they never served",
    Cause.ADOPTION: "because their record was missing",
    Cause.CLOSING: "because the environment ends",
}


def done(action: str, cause: str) -> str:
    """Say what was done and why, of many."""
    return f"{_ACTIONS.get(action, action)} {_CAUSES.get(cause, f'for {cause}')}"


def verdict(outcome: Outcome) -> str:
    """Say in a few words how it went."""
    broken = max(outcome.violations_total, len(outcome.violations))
    if not broken:
        return "Every promise was kept"
    return f"{broken:,} promise was broken" if broken == 1 else f"{broken:,} promises were broken"


def lead(outcome: Outcome, scenario: Scenario, data: Grid) -> str:
    """Say in a few sentences what happened."""
    virtual = format_duration(seconds(outcome.virtual_seconds))
    begin = f"{_sentence(scenario.words)} In {virtual} of virtual time"
    started, destroyed = sum(outcome.created.values()), sum(outcome.destroyed.values())
    work = f"hfs started {_servers(started)} and destroyed {_servers(destroyed)}."
    if outcome.requests.asked:
        work += f" Of {outcome.requests.asked:,} requests {percent(outcome.requests.lost_ppm)} were lost."
    worst = _worst(data)
    return f"{begin}, {work} {worst}".rstrip()


def _worst(data: Grid) -> str:
    """Tell of the moment that lacked most, of those since the fleet first stood."""
    moments = list(zip(data.level("serving_least"), data.level("desired"), strict=True))
    stood = next((place for place, (least, desired) in enumerate(moments) if least >= desired), len(moments))
    if not moments[stood:]:
        return ""
    least, desired = min(moments[stood:], key=lambda moment: moment[0] - moment[1])
    if least >= desired:
        return "At each moment as many instances served as were desired."
    return f"At the worst moment {least:,} instances served, where {desired:,} were desired."


def repaired(outcome: Outcome) -> str:
    """Say how long a service lacked instances at most, beside what is allowed."""
    found, bound = outcome.gaps_s, outcome.gap_bound_s
    allowed = f"{format_duration(seconds(bound))} allowed" if bound is not None else "the scenario sets no bound"
    if not found.count:
        return f"no service lacked instances at any moment; {allowed}"
    longest = format_duration(seconds(found.max))
    return f"no service lacked instances for longer than {longest} ({found.count:,} times); {allowed}"


def percent(ppm: int) -> str:
    """Write a share per million so that all but everything never reads as everything."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d}".rstrip("0").rstrip(".") + " %"


def elasticity(found: Elasticity) -> Iterator[tuple[str, str]]:
    """Name and write the measures of how supply followed demand."""
    yield "under-provisioned: instances too few, of the demand", percent(found.under_accuracy_ppm)
    yield "over-provisioned: instances too many, of the demand", percent(found.over_accuracy_ppm)
    yield "share of time with too few", percent(found.under_time_ppm)
    yield "share of time with too many", percent(found.over_time_ppm)
    yield "share of time in which supply moved against demand", percent(found.instability_ppm)
    yield "changes of direction an hour beyond those of the demand", f"{found.jitter_milli_per_hour / 1000:.3f}"


def _servers(number: int) -> str:
    return f"{number:,} server" if number == 1 else f"{number:,} servers"


def _sentence(words: str) -> str:
    """Make a sentence of a scenario's line."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."

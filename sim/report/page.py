"""The page of one run: everything that an Outcome and the story of the run tell, for people, in one file.

It needs nothing from anywhere: no script, no font, no picture; its policy forbids the browser to load any.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from hfs_appliance import __version__
from hfs_appliance.config import load_text
from hfs_appliance.model.instants import MILLISECOND, SECOND, Duration, format_duration, seconds
from sim.checkers import CHECKERS
from sim.checkers.base import KEPT_OF_ONE
from sim.faults import MENU
from sim.incarnation import FILE
from sim.outcome import Availability, Outcome, Requests, Spread
from sim.play import source
from sim.report import barcharts, timecharts
from sim.report.peers import PEERS
from sim.report.scales import clock
from sim.report.series import Grid, grid, within
from sim.report.words import done, elasticity, lead, percent, repaired, verdict
from sim.scenario import Scenario
from sim.story import SIGNS, Chapter, Deed, Line, Story, Tone, since_beginning

_ROWS: Final = 24
"""Of the tables that stand for a drawing."""
_SERVICES: Final = 12
_LATENCIES: Final = (
    ("being seen by hfs", "seen"),
    ("the start of the action that answers it", "planned"),
    ("the end of that action", "done"),
    ("everything being as desired again", "converged"),
)
_TEMPLATES: Final = resources.files("sim.report") / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is told of a run."""

    outcome: Outcome
    scenario: Scenario
    story: Story
    replay: str
    """The command line that plays it again."""


def render(run: Run) -> str:
    """Write the page."""
    return _template().render(_context(run))


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((_TEMPLATES / "report.html.j2").read_text("utf-8"))


def _context(run: Run) -> dict[str, Any]:
    outcome, data = run.outcome, grid(run.outcome.timeline)
    style = (_TEMPLATES / "style.css").read_text("utf-8")
    return {
        "outcome": outcome,
        "replay": run.replay,
        "version": __version__,
        "style": Markup(style),  # noqa: S704  # ours, as it stands in the repository
        "style_hash": f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}",
        "verdict": verdict(outcome),
        "lead": lead(outcome, run.scenario, data),
        "peers": PEERS,
        "write_s": _write_s,
        "write_ms": _write_ms,
        **_glance(run),
        **_capacity(outcome, data),
        **_machines(data),
        **_speed(run),
        **_work(outcome),
        **_budget(run.scenario, data),
        **_services(outcome),
        **_story(run.story),
        "charts": _charts(outcome, data),
        "checked": list(_checked(outcome)),
        "again_words": f"{outcome.events:,} lines of journal, digest {outcome.digest}.",
    }


def _charts(outcome: Outcome, data: Grid) -> Mapping[str, Markup]:
    timeline = outcome.timeline
    return {
        "capacity": timecharts.capacity(data, timeline.faults, has_demand=_has_demand(data)),
        "machines": timecharts.machines(data),
        "calls": timecharts.calls(data),
        "repair": barcharts.histogram("repair", "Time to repair", timeline.repair_s, _write_s, counted="repairs"),
        "reconcile": barcharts.histogram(
            "reconcile", "Reconcile latency", timeline.reconcile_ms, _write_ms, counted="changes"
        ),
        "causes": barcharts.by_cause("causes", "Servers by cause", outcome.created, outcome.destroyed),
    }


def _glance(run: Run) -> Mapping[str, Any]:
    outcome = run.outcome
    struck = run.story.struck
    deeds = sorted(run.story.deeds.items(), key=lambda pair: -pair[1].times)
    speed = int(outcome.virtual_seconds / outcome.cpu_seconds) if outcome.cpu_seconds else 0
    worst = min((one.served_ppm for one in outcome.availability.values()), default=None)
    slowest = max(outcome.repair_s.values(), key=lambda found: found.max, default=Spread())
    return {
        "broke": [_deed(name, deed) for name, deed in sorted(struck.items())],
        "did": [_deed(done(action, cause), deed) for (action, cause), deed in deeds],
        "held": [_deed(rule, deed) for rule, deed in sorted(run.story.holds.items())],
        "tiles": [
            _tile("Servers", f"{outcome.servers:,}", f"in {run.scenario.layout.zones} zones"),
            _tile("Virtual time", format_duration(seconds(outcome.virtual_seconds)), f"{speed:,} × real time"),
            _tile("Faults", f"{run.story.faults:,}", f"of {_count(len(struck), 'kind')}"),
            _tile("Worst service", percent(worst) if worst is not None else "-", "of the time with an answer"),
            _tile("Slowest repair", _write_s(slowest.max) if slowest.count else "-", f"bound {_bound(run.scenario)}"),
            _tile("Reconcile p99", _write_ms(outcome.reconcile_ms.p99), f"of {outcome.reconcile_ms.count:,} changes"),
        ],
    }


def _tile(name: str, figure: str, words: str) -> Mapping[str, str]:
    return {"name": name, "figure": figure, "words": words}


def _deed(name: str, deed: Deed) -> Mapping[str, str]:
    return {"name": name, "times": f"{deed.times:,}", "words": deed.words}


def _has_demand(data: Grid) -> bool:
    """Tell whether the traffic ever needed something else than what was desired."""
    return "demand" in data.levels and list(data.level("demand")) != list(data.level("desired"))


def _capacity(outcome: Outcome, data: Grid) -> Mapping[str, Any]:
    names = ("desired", "demand", "serving", "serving_least")
    columns = [data.level(name) for name in names]
    rows = [
        {"clock": clock(at * data.step_s), **dict(zip(("desired", "demand", "serving", "least"), values, strict=True))}
        for at, values in _sampled(list(zip(*columns, strict=True)))
    ]
    return {
        "has_demand": _has_demand(data),
        "was_asked": any(MENU[mark.kind].is_by_people for mark in outcome.timeline.faults),
        "capacity_rows": rows,
    }


def _machines(data: Grid) -> Mapping[str, Any]:
    there = [(name, words) for name, words in timecharts.CONDITIONS if any(data.level(f"machines/{name}"))]
    columns = [data.level(f"machines/{name}") for name, _ in there]
    rows = [
        {"clock": clock(at * data.step_s), "counts": counts}
        for at, counts in _sampled(list(zip(*columns, strict=True)))
    ]
    return {"conditions": there, "machine_rows": rows}


def _sampled(rows: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    step = max(1, -(-len(rows) // _ROWS))
    return ((at, rows[at]) for at in range(0, len(rows), step))


def _speed(run: Run) -> Mapping[str, Any]:
    outcome, timeline = run.outcome, run.outcome.timeline
    kinds = [
        {
            "kind": kind,
            "detect": (detect := outcome.detect_s.get(kind, Spread())),
            "repair": (repair := outcome.repair_s.get(kind, Spread())),
            "times": f"{max(detect.count, repair.count):,}",
        }
        for kind in sorted({*outcome.repair_s, *outcome.detect_s})
    ]
    return {
        "kinds": kinds,
        "bound": _bound(run.scenario),
        "repaired_words": repaired(outcome),
        "latencies": [(words, outcome.reconcile_parts_ms.get(name, Spread())) for words, name in _LATENCIES],
        "repairs": list(barcharts.buckets(timeline.repair_s, _write_s)),
        "reconciled": list(barcharts.buckets(timeline.reconcile_ms, _write_ms)),
    }


def _bound(scenario: Scenario) -> str:
    return format_duration(scenario.bounds.repair) if scenario.bounds.repair is not None else "-"


def _work(outcome: Outcome) -> Mapping[str, Any]:
    calls = outcome.api_calls
    share = percent(calls.rejected * 1_000_000 // calls.total) if calls.total else "0 %"
    causes = sorted({*outcome.created, *outcome.destroyed})
    wasted = format_duration(seconds(outcome.wasted_server_seconds))
    return {
        "cause_rows": [
            {"cause": cause, "started": outcome.created.get(cause, 0), "destroyed": outcome.destroyed.get(cause, 0)}
            for cause in causes
        ],
        "wasted": f"Machines that neither served nor waited in the pool took {wasted} of server time.",
        "calls_words": f"{calls.total:,} calls, of which {calls.rejected:,} ({share}) failed.",
        "call_rows": [
            {"call": call, "made": f"{made:,}", "failed": f"{calls.rejected_kinds.get(call, 0):,}"}
            for call, made in sorted(calls.kinds.items())
        ],
    }


def _budget(scenario: Scenario, data: Grid) -> Mapping[str, Any]:
    """Tell how much of the destruction budget was used: of the environment's, the widest of all."""
    limit = load_text(source(scenario), FILE).guard.destroy_budget
    machines = data.together("machines/")
    spent = within(data, "destroyed/", limit.window // SECOND)
    return {
        "budget_chart": timecharts.budget(data, spent, [limit.tokens(count) for count in machines]),
        "budget_words": f"Servers that were taken away within {format_duration(limit.window)}, whatever the cause: "
        f"{max(spent, default=0):,} at most. Allowed is a share of the servers that there are, at least {limit.min:,} "
        f"and at most {limit.max:,}; what is spent comes back when its window has passed and the cloud has confirmed.",
    }


def _services(outcome: Outcome) -> Mapping[str, Any]:
    def fared(pair: tuple[str, Availability]) -> tuple[int, int, str]:
        name, found = pair
        return found.served_ppm, found.capacity_ppm, name

    worst = sorted(outcome.availability.items(), key=fared)[:_SERVICES]
    whole = sum(found.capacity_ppm == 1_000_000 for found in outcome.availability.values())
    words = f"{whole:,} of {_count(len(outcome.availability), 'service')} had all their capacity all the time."
    return {
        "services_words": words if outcome.availability else "Not measured.",
        "service_rows": [
            {"service": name, "served": percent(found.served_ppm), "capacity": percent(found.capacity_ppm)}
            for name, found in worst
        ],
        **_requests(outcome.requests),
        "elasticity_rows": list(elasticity(outcome.elasticity)),
    }


def _requests(found: Requests) -> Mapping[str, Any]:
    lost = f"{found.lost:,} ({percent(found.lost_ppm)})"
    return {
        "requests_words": f"{found.asked:,} requests in all, of which {lost} got no answer in time, or an error. The "
        "services that lost the greatest share:",
        "request_rows": [
            {
                "service": name,
                "asked": f"{one.asked:,}",
                "lost": f"{one.lost:,}",
                "share": percent(one.lost_ppm),
                "p95": _write_ms(one.latency_p95_ms),
            }
            for name, one in found.services.items()
        ],
    }


def _story(story: Story) -> Mapping[str, Any]:
    told = sum(fault.times for chapter in story.chapters for fault in chapter.faults)
    rest = f" {story.faults - told:,} further faults of the same kinds are left out." if story.faults > told else ""
    return {
        "story_words": f"What came after each fault: at first what hfs saw, then what it did.{rest}",
        "chapters": [_chapter(chapter) for chapter in story.chapters],
    }


def _chapter(chapter: Chapter) -> Mapping[str, Any]:
    return {
        "is_asked": all(fault.tone is Tone.ASKED for fault in chapter.faults),
        "faults": [_line(fault) for fault in chapter.faults],
        "lines": [_line(line) for line in chapter.lines],
        "more": chapter.more,
    }


def _line(line: Line) -> Mapping[str, Any]:
    return {
        "clock": since_beginning(line.at),
        "tone": line.tone.value,
        "sign": SIGNS[line.tone],
        "times": line.times,
        "words": line.words,
    }


def _checked(outcome: Outcome) -> Iterator[Mapping[str, Any]]:
    accused = Counter(violation.checker for violation in outcome.violations)
    for checker in CHECKERS:
        yield _verdict_of(checker.name, checker.promise, " ".join(checker.ids), accused.pop(checker.name, 0))
    for name, times in sorted(accused.items()):
        yield _verdict_of(name, "what the scenario demands", "", times)


def _verdict_of(name: str, promise: str, ids: str, times: int) -> Mapping[str, Any]:
    more = " or more" if times >= KEPT_OF_ONE else ""
    return {"name": name, "promise": promise, "ids": ids, "broken": f"no, {times}×{more}" if times else ""}


def _write_s(value: int) -> str:
    return format_duration(seconds(value))


def _write_ms(value: int) -> str:
    return format_duration(Duration(value * MILLISECOND)) if value else "0ms"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

"""An outcome with everything in it, and the story that goes with it: a bad hour of 90 servers, written by hand."""

from __future__ import annotations

from itertools import count

from hfs_appliance.model.events import ActionStarted, ConvergedChanged, Event, HoldChanged, PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import HOUR, Duration, Instant, seconds
from sim.clock import EPOCH
from sim.outcome import (
    ApiCalls,
    Availability,
    Elasticity,
    Histogram,
    Mark,
    Outcome,
    Requests,
    ServiceRequests,
    Spread,
    Timeline,
)
from sim.report.page import Run
from sim.scenario import Bounds, Layout, Scenario
from sim.story import Story
from sim.truth import FaultBegun, FaultEnded

MINUTES = 71
SCENARIO = Scenario(
    name="bad-hour",
    words="a zone goes dark while the cloud's API is slow & <refuses>; the others carry its load",
    lasts=HOUR,
    layout=Layout(servers=90, pool=9),
    bounds=Bounds(repair=Duration(10 * 60 * 10**9)),
)
MARKS = (
    Mark(number=0, kind="zone-dark", words="az1 with 33 servers is without power", begun_s=305, ended_s=2105),
    Mark(number=1, kind="api-slow", words="the cloud's API takes 10 times as long", begun_s=600, ended_s=1500),
    *(
        Mark(number=number, kind="server-dies", words=f"small-{number:04d} dies", begun_s=begun, is_instant=True)
        for number, begun in enumerate((900, 901, 1500, 2800), start=2)
    ),
)


def timeline() -> Timeline:
    """One point for each 10 s: a third of the fleet is lost after five minutes, and back within seven."""
    points = MINUTES * 6
    lost = [max(0, 30 - 30 * max(0, at - 32) // 40) if at >= 31 else 0 for at in range(points)]
    building = [min(30, 2 * (at - 31)) if 31 <= at < 40 else 12 if 40 <= at < 72 else 0 for at in range(points)]
    serving = [90 - gone for gone in lost]
    return Timeline(
        step_s=10,
        levels={
            "desired": (90,) * points,
            "demand": tuple(80 + (at // 60) % 5 for at in range(points)),
            "serving": tuple(serving),
            "serving_least": tuple(max(0, there - (2 if at % 90 == 0 else 0)) for at, there in enumerate(serving)),
            "warm": tuple(9 if at < 31 or at > 100 else 0 for at in range(points)),
            "machines/serving": tuple(serving),
            "machines/warm": tuple(9 if at < 31 or at > 100 else 0 for at in range(points)),
            "machines/building": tuple(building),
            "machines/dark": tuple(33 if 31 <= at < 60 else 0 for at in range(points)),
        },
        counts={
            "destroyed/build-failed": tuple(1 if at in (90, 91, 95) else 0 for at in range(points)),
            "destroyed/remediation": tuple(1 if 60 <= at < 66 else 0 for at in range(points)),
            "api_calls": tuple(3 + (20 if 31 <= at < 45 else 0) for at in range(points)),
            "api_rejected": tuple(1 if 60 <= at < 150 and at % 3 == 0 else 0 for at in range(points)),
        },
        faults=MARKS,
        reconcile_ms=Histogram(
            up_to=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000),
            counts=(0, 0, 3, 22, 41, 18, 9, 4, 11, 6, 2, 1, 0, 0),
        ),
        repair_s=Histogram(up_to=(1, 2, 5, 10, 20, 50, 100, 200, 500), counts=(0, 1, 3, 4, 2, 0, 11, 14, 2, 0)),
    )


def outcome() -> Outcome:
    """Give the outcome; without violations."""
    return Outcome(
        scenario=SCENARIO.name,
        seed=7,
        servers=90,
        virtual_seconds=MINUTES * 60,
        cpu_seconds=2.5,
        events=1_234,
        digest="0123456789abcdef0123456789abcdef",
        violations=(),
        reconcile_ms=Spread(count=117, p50=18, p99=1_840, max=3_100),
        reconcile_parts_ms={
            "seen": Spread(count=37, p50=6_100, p99=11_000, max=11_000),
            "planned": Spread(count=37, p50=4, p99=31, max=40),
            "done": Spread(count=117, p50=18, p99=1_840, max=3_100),
            "converged": Spread(count=5, p50=94_000, p99=431_000, max=431_000),
        },
        repair_s={
            "server-dies": Spread(count=4, p50=4, p99=13, max=13),
            "zone-dark": Spread(count=33, p50=96, p99=410, max=410),
        },
        detect_s={
            "server-dies": Spread(count=4, p50=3, p99=7, max=7),
            "zone-dark": Spread(count=33, p50=6, p99=8, max=8),
        },
        gaps_s=Spread(count=31, p50=88, p99=410, max=410),
        gap_bound_s=600,
        availability={
            **{f"service-{number:04d}": Availability(capacity_ppm=980_000 + number * 2_500) for number in range(9)},
            "service-0008": Availability(served_ppm=999_990, capacity_ppm=1_000_000),
        },
        created={"fill-pool": 14, "meet-demand": 23},
        destroyed={"remediation": 34, "build-failed": 3},
        strikes={"server-dies": {"serving": 4}},
        wasted_server_seconds=5_400,
        api_calls=ApiCalls(
            total=1_800,
            rejected=31,
            kinds={"create": 40, "delete": 37, "list": 1_723},
            rejected_kinds={"create": 9, "list": 22},
        ),
        requests=Requests(
            asked=1_234_567,
            lost=321,
            lost_ppm=260,
            latency_p95_ms=34,
            services={"service-0003": ServiceRequests(asked=137_000, lost=300, lost_ppm=2_189, latency_p95_ms=61)},
        ),
        elasticity=Elasticity(under_accuracy_ppm=11_000, over_accuracy_ppm=102_000, under_time_ppm=90_000),
        timeline=timeline(),
    )


def story() -> Story:
    """Tell what happened."""
    told, numbers = Story(), count(1)

    def see(mark: Mark) -> None:
        told.see(_at(mark.begun_s), FaultBegun(number=mark.number, kind=mark.kind, words=mark.words))
        if mark.is_instant:
            told.see(_at(mark.begun_s), FaultEnded(number=mark.number, kind=mark.kind))

    def hear(at_s: int, *events: Event) -> None:
        for event in events:
            told.hear(Recorded(seq=next(numbers), at=_at(at_s), actor="reconcile", event=event))

    see(MARKS[0])
    for number in range(30):
        hear(311, _phase(number, "suspect", "lost its registration; may come back"))
    hear(316, *(_action("claim", number, "meet-demand", "service-0001 1.0.0 has 9 of 10") for number in range(6)))
    hear(316, *(_action("create", number, "fill-pool", "pool small keeps 9 warm") for number in range(30)))
    hear(317, *(_phase(number, "serving", "") for number in range(6)))
    see(MARKS[1])
    hear(
        612, HoldChanged(scope="environment", rule="cloud-stale", words="the cloud's list is old: nothing is destroyed")
    )
    hear(640, HoldChanged(scope="environment", rule="cloud-stale", words=""))
    for mark in MARKS[2:]:
        see(mark)
        hear(mark.begun_s + 3, _phase(mark.number, "suspect", "the cloud says that it does not run <yet>"))
        hear(mark.begun_s + 6, _action("delete", mark.number, "remediation", "the cloud says that it does not run"))
        hear(mark.begun_s + 12, ConvergedChanged(is_converged=1, words="after 9s"))
    told.see(_at(2105), FaultEnded(number=0, kind="zone-dark"))
    return told


def run() -> Run:
    """Give all that is told of it."""
    return Run(outcome=outcome(), scenario=SCENARIO, story=story(), replay="hfs simulate bad-hour --seed 7")


def _at(at_s: int) -> Instant:
    return Instant(EPOCH + seconds(at_s))


def _server(number: int) -> ServerId:
    return ServerId(f"small-{number:04d}")


def _phase(number: int, phase: str, words: str) -> PhaseChanged:
    return PhaseChanged(server=_server(number), phase=phase, before="serving", rule="r", words=words)


def _action(action: str, number: int, cause: str, words: str) -> ActionStarted:
    return ActionStarted(action=action, server=_server(number), cause=cause, words=words)

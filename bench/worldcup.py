"""The World Cup day: a service follows 24 hours of real requests, with servers that take 300 s to build and a pool.

One service on the requests of 30 June 1998 (`traces/`), in the simulator, all checkers on. An instance answers 100
requests a second and is quick up to 80 of them; that is what is needed. Elasticity as of the SPEC research group
(Herbst, Kounev, Reussner 2013): how far supply lies under and over what is needed, in its amount and in time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from hfs_appliance.model.instants import HOUR, Duration, seconds
from sim.outcome import Outcome
from sim.play import play
from sim.scenario import Bounds, Follows, Layout, Scenario, Shape, Traffic

TRACE: Final = Path(__file__).parent / "traces" / "worldcup98-06-30.txt"
SEED: Final = 1
BUILD: Final = seconds(300)
MOST: Final = 100
POOLS: Final = (0, 4, 8)
FORECAST: Final = (1, 20)
"""A pool that follows what is claimed from it: from and to."""


def run() -> dict[str, object]:
    """Play the day without a pool, and with one of each size."""
    requests = read(TRACE)
    cases = {f"pool of {pool}" if pool else "no pool": day(requests, pool) for pool in POOLS}
    least, largest = day(requests, 0), day(requests, POOLS[-1])
    cases[f"pool of {POOLS[-1]}, by cpu"] = replace(largest, layout=replace(largest.layout, follows=Follows.CPU))
    follows = replace(least.layout, pool=FORECAST[0], pool_max=FORECAST[1])
    cases[f"pool of {FORECAST[0]} to {FORECAST[1]}, by forecast"] = replace(least, layout=follows)
    return {name: figures(play(story, SEED)) for name, story in cases.items()}


def read(path: Path) -> tuple[int, ...]:
    """Read a trace: requests per minute, after lines that say where it comes from."""
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return tuple(int(count) for line in lines for count in line.split())


def day(requests: tuple[int, ...], pool: int) -> Scenario:
    """Give the story of one day."""
    traffic = Traffic(shape=Shape.TRACE, trace=requests)
    least = -(-requests[0] * 1000 // (60 * traffic.capacity * traffic.busy))
    return Scenario(
        name="worldcup",
        words="a day of real requests is followed by the size of one service",
        lasts=Duration(24 * HOUR),
        layout=Layout(servers=least, per_service=least, pool=pool, grows_to=MOST, build=BUILD),
        traffic=traffic,
        bounds=Bounds(settle=Duration(6 * HOUR)),
    )


def figures(outcome: Outcome) -> dict[str, object]:
    """Give what an operator would compare."""
    found, asked = outcome.elasticity, outcome.requests
    return {
        "too few, share of need (%)": _percent(found.under_accuracy_ppm),
        "too many, share of need (%)": _percent(found.over_accuracy_ppm),
        "time with too few (%)": _percent(found.under_time_ppm),
        "time with too many (%)": _percent(found.over_time_ppm),
        "instability (%)": _percent(found.instability_ppm),
        "jitter (turns/h)": round(found.jitter_milli_per_hour / 1000, 2),
        "requests lost (ppm)": asked.lost_ppm,
        "p95 (ms)": asked.latency_p95_ms,
        "violations": outcome.violations_total,
    }


def _percent(ppm: int) -> float:
    return round(ppm / 10_000, 1)

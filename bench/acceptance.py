"""The days that take other control planes down, at 1,000 servers: what each of them costs, all checkers on.

`healthy, as no good` is the figure that must be 0: servers that served or waited warm when it was decided to delete
them as dead, failed or never ready. What else is destroyed was asked for, is dead, or has a replacement that serves.
`lacked` is how long, at a stretch, services had fewer instances than they should have; nothing where nobody died.

The loss of a zone is played with the pool of its file (a tenth), and with one whose servers in the other zones can
stand in for all that is lost: then nothing waits for a build. So it is where the zone is silent, as in the file, and
where the cloud calls its servers dead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from hfs_appliance.model.instants import HOUR, SECOND, Duration, Instant
from sim.checkers.destruction import ACCUSING
from sim.entries import RecordWritten
from sim.outcome import Outcome, Spread
from sim.play import play
from sim.scenario import Scenario
from sim.scenarios import load, scaled
from sim.truth import HEALTHY, Condition, ConditionChanged, DeletionBegun, Fact, FaultBegun, Truth

SERVERS: Final = 1_000
SEEDS: Final = (1, 2)
LIES: Final = (
    "registry-wiped",
    "registry-rolled-back",
    "registrations-gone",
    "partial-list",
    "wrong-credentials",
    "desired-count-zero-by-mistake",
    "overload-looks-like-death",
    "registry-outage-10-minutes",
    "leader-loss-every-30s",
    "two-leaders",
)
LARGE_POOL: Final = 600
SURPLUS_GONE_WITHIN: Final = Duration(6 * HOUR)
"""What comes back beside its replacements leaves within the destruction budget: at this size, twenty in ten minutes."""


def run() -> dict[str, object]:
    """Play each day with each seed."""
    return {f"{name}, seed {seed}": measure(story, seed) for name, story in stories().items() for seed in SEEDS}


def stories() -> Mapping[str, Scenario]:
    """Give the days by name."""
    found = {name: scaled(load(name), servers=SERVERS) for name in (*LIES, "zone-loss")}
    told = _told(found["zone-loss"])
    large = f"pool of {LARGE_POOL}"
    variants = {f"zone-loss, {large}": _pooled(found["zone-loss"]), "zone-dies": told}
    return {**found, **variants, f"zone-dies, {large}": _pooled(told)}


def _told(story: Scenario) -> Scenario:
    return replace(story, faults=tuple(replace(fault, kind="zone-dies") for fault in story.faults))


def _pooled(story: Scenario) -> Scenario:
    bounds = replace(story.bounds, settle=SURPLUS_GONE_WITHIN)
    return replace(story, layout=replace(story.layout, pool=LARGE_POOL), bounds=bounds)


def measure(story: Scenario, seed: int) -> Mapping[str, object]:
    """Play one day."""
    ends = Ends()
    outcome = play(story, seed, watch=lambda playing: ends.listen(playing.sim.truth))
    return {
        "violations": outcome.violations_total,
        "healthy, as no good": ends.condemned,
        "destroyed": dict(outcome.destroyed) or 0,
        "lacked p50, max (s)": _pair(outcome.gaps_s),
        "may lack (s)": outcome.gap_bound_s or "",
        "repaired": _repaired(outcome),
        "pool serves p50, max (s)": _pair(Spread.of(ends.rescues, unit=SECOND)),
        "CPU s": round(outcome.cpu_seconds),
    }


def _pair(spread: Spread) -> str:
    return f"{spread.p50}, {spread.max}" if spread.count else ""


def _repaired(outcome: Outcome) -> str:
    found = (f"{kind} {spread.count}: {spread.p50}, {spread.max}" for kind, spread in outcome.repair_s.items())
    return "; ".join(found)


class Ends:
    """Follows how servers end, and how soon those that wait warm help out."""

    def __init__(self) -> None:
        self.condemned = 0
        self.rescues: list[int] = []
        """From the beginning of the last fault that hurt anybody until servers serve that were warm then."""
        self._conditions: dict[str, Condition] = {}
        self._reasons: dict[str, tuple[str, bool]] = {}
        """Of those that must leave: why, and whether they were healthy when that was decided."""
        self._waiting: dict[str, Instant] = {}
        self._takes: Mapping[type[Fact], Callable[[Instant, Fact], None]] = {
            ConditionChanged: self._changed,
            RecordWritten: self._decided,
            DeletionBegun: self._deleted,
            FaultBegun: self._struck,
        }

    def listen(self, truth: Truth) -> None:
        """Follow a run."""
        truth.listen(lambda now, fact: self._takes[type(fact)](now, fact), tuple(self._takes))

    def _changed(self, now: Instant, fact: Fact) -> None:
        assert isinstance(fact, ConditionChanged)
        self._conditions[fact.server] = fact.after
        if fact.after is Condition.SERVING and (since := self._waiting.pop(fact.server, None)) is not None:
            self.rescues.append(now - since)

    def _decided(self, _: Instant, fact: Fact) -> None:
        assert isinstance(fact, RecordWritten)
        if fact.leave_cause and fact.server not in self._reasons:
            is_healthy = self._conditions.get(fact.server) in HEALTHY
            self._reasons[fact.server] = (fact.leave_cause, is_healthy)

    def _deleted(self, _: Instant, fact: Fact) -> None:
        assert isinstance(fact, DeletionBegun)
        cause, was_healthy = self._reasons.pop(fact.server, ("", False))
        self.condemned += cause in ACCUSING and was_healthy

    def _struck(self, now: Instant, fact: Fact) -> None:
        assert isinstance(fact, FaultBegun)
        if fact.victims:
            warm = (server for server, condition in self._conditions.items() if condition is Condition.WARM)
            self._waiting = dict.fromkeys(warm, now)


if __name__ == "__main__":
    for name in sys.argv[1:] or stories():
        for seed in SEEDS:
            print(f"{name}, seed {seed}: {dict(measure(stories()[name], seed))}", flush=True)

"""What a run is measured by: folds over events and truth that become the fields of an Outcome."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from sim.census import Census
from sim.folds import Fold
from sim.truth import DeletionBegun, Fact


class Findings(TypedDict):
    """The measured fields of an Outcome."""

    destroyed: dict[str, int]


class Metrics(Fold):
    """Folds one run."""

    hears = (ActionStarted,)
    sees = (DeletionBegun,)

    def __init__(self, census: Census) -> None:
        self._census = census
        self._causes: dict[ServerId, str] = {}
        self._destroyed: Counter[str] = Counter()

    def hear(self, recorded: Recorded) -> None:
        """Take an event of the product."""
        event = recorded.event
        if isinstance(event, ActionStarted) and event.action == "delete":
            self._causes[event.server] = event.cause

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact of the world."""
        del now
        if isinstance(fact, DeletionBegun):
            self._destroyed[self._causes.get(fact.server, "unknown")] += 1

    def finish(self, now: Instant) -> None:
        """Close what is open."""

    def findings(self) -> Findings:
        """Give what was measured."""
        return Findings(destroyed=dict(sorted(self._destroyed.items())))

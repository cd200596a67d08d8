"""Checkers of destruction: what is healthy stays, unless somebody asked for fewer."""

from __future__ import annotations

from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Cause
from sim.checkers.base import Checker, Docket
from sim.scenario import Scenario
from sim.truth import HEALTHY, DeletionBegun, Fact

_ACCUSING = frozenset({Cause.REMEDIATION, Cause.BUILD_FAILED, Cause.NEVER_READY})
"""Causes that say that a server is no good."""


class HealthyDestroyed(Checker):
    """S1, S10: no server is deleted as dead, failed or never ready while it serves or waits warm."""

    name = "healthy-destroyed"
    promise = "S1 S10: nothing healthy is deleted as if it were not"

    def __init__(self, docket: Docket, scenario: Scenario) -> None:
        super().__init__(docket, scenario)
        self._causes: dict[ServerId, str] = {}
        self._allowed = scenario.bounds.healthy_destroyed

    def hear(self, recorded: Recorded) -> None:
        """Remember why servers are deleted."""
        event = recorded.event
        if isinstance(event, ActionStarted) and event.action == "delete":
            self._causes[event.server] = event.cause

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare the reason with the truth."""
        del now
        if isinstance(fact, DeletionBegun) and fact.condition in HEALTHY:
            cause = self._causes.get(fact.server, "no cause that was told")
            if cause in _ACCUSING or fact.server not in self._causes:
                self._allowed -= 1
                if self._allowed < 0:
                    self.accuse(f"{fact.server} was {fact.condition} and is deleted for {cause}")

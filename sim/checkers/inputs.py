"""The checker of bad input: what cannot be read changes nothing, and is said aloud (S11)."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import ActionStarted, DesiredRefused, Recorded
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.plan import Cause
from sim.checkers.base import Case, Checker
from sim.entries import DesiredStored
from sim.truth import ApiCalled, Fact


class BadInput(Checker):
    """The last desired state that could be read stays in force."""

    name = "bad-input"
    ids = ("S11",)
    promise = "no service and no version is retired that the last readable desired state asks for; a bad one is told"
    hears = (ActionStarted, DesiredRefused)
    sees = (DesiredStored, ApiCalled)

    TOLD_WITHIN: Final = seconds(60)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._bad_since: Instant | None = None

    def hear(self, recorded: Recorded) -> None:
        """Judge what is retired."""
        event = recorded.event
        if isinstance(event, DesiredRefused):
            self._bad_since = None
        elif isinstance(event, ActionStarted) and event.cause in (Cause.RETIRE_SERVICE, Cause.RETIRE_VERSION):
            record = self._census.records.get(event.server)
            if record is None or record.service is None or record.version is None:
                return
            states = [desired.services.get(record.service) for desired in self._census.lately(recorded.at)]
            wants = [state is not None and state.versions.get(record.version, 0) > 0 for state in states]
            is_on_its_way = event.action == "delete" and record.is_draining  # it has left when nobody wanted it
            if wants and all(wants) and not is_on_its_way:
                self.accuse(f"{event.action} of {event.server}: {record.service} {record.version} is desired")

    def see(self, now: Instant, fact: Fact) -> None:
        """Wait for the word on what cannot be read."""
        if isinstance(fact, DesiredStored):
            self._bad_since = now if fact.desired is None else None
        elif self._bad_since is not None:
            sighted = self._weather.sighted_since
            if sighted is not None and max(sighted, self._bad_since) + self.TOLD_WITHIN < now:
                self._bad_since = None
                self.accuse("the stored desired state cannot be read, and nobody says so")

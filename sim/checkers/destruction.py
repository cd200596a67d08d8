"""Checkers of destruction: what is healthy stays, unless somebody asked for fewer; and never much at once."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import Nonce, ServerId
from hfs_appliance.model.instants import MINUTE, Duration, Instant
from hfs_appliance.model.plan import Cause
from sim.census import Recent
from sim.checkers.base import Case, Checker
from sim.entries import Announced, Registered
from sim.truth import Condition, DeletionBegun, Fact, MachineGone

ACCUSING: Final = frozenset({Cause.REMEDIATION.value, Cause.BUILD_FAILED.value, Cause.NEVER_READY.value})
"""Causes that say that a server is no good."""


class HealthyDestroyed(Checker):
    """No server is deleted as dead, failed or never ready while it serves or waits warm."""

    name = "healthy-destroyed"
    ids = ("S1", "S10", "S12")
    promise = "nothing that serves or waits warm is deleted as dead, failed, never ready, or without a cause"
    hears = (ActionStarted,)
    sees = (DeletionBegun, MachineGone, Announced, Registered)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._causes: dict[ServerId, str] = {}
        self._shown: dict[ServerId, Nonce] = {}
        """Servers that have been in the registry, warm or with a role; of others nobody can know that they are well."""
        self._allowed = case.scenario.bounds.healthy_destroyed

    def hear(self, recorded: Recorded) -> None:
        """Remember why servers are deleted."""
        event = recorded.event
        if isinstance(event, ActionStarted) and event.action == "delete":
            self._causes[event.server] = event.cause

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare the reason with the truth."""
        del now
        match fact:
            case Announced():
                self._shown[fact.server] = fact.nonce
            case Registered():
                self._shown[fact.instance] = fact.nonce
            case MachineGone():
                self._causes.pop(fact.server, None)
                self._shown.pop(fact.server, None)
            case DeletionBegun(condition=Condition.WARM | Condition.SERVING) if fact.server in self._shown:
                self._judge(fact)
            case _:
                pass

    def _judge(self, fact: DeletionBegun) -> None:
        cause = self._causes.get(fact.server)
        if cause is not None and cause not in ACCUSING:
            return
        self._allowed -= 1
        if self._allowed < 0:
            words = f"for {cause}" if cause is not None else "and no cause was told"
            self.accuse(f"{fact.server} was {fact.condition} and is deleted {words}")


class BlastRadius(Checker):
    """However many seem dead, few of those that live are deleted for it within a window."""

    name = "blast-radius"
    ids = ("S10",)
    promise = "of servers that live, at most a tenth (and ten) are deleted as no good within ten minutes"
    hears = (ActionStarted,)
    sees = (DeletionBegun, MachineGone)

    WINDOW: Final = Duration(10 * MINUTE)
    SPARED: Final = 10

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._accused: dict[ServerId, None] = {}
        self._begun = Recent(self.WINDOW)

    def hear(self, recorded: Recorded) -> None:
        """Remember which servers are deleted as no good."""
        event = recorded.event
        if isinstance(event, ActionStarted) and event.action == "delete" and event.cause in ACCUSING:
            self._accused[event.server] = None

    def see(self, now: Instant, fact: Fact) -> None:
        """Count."""
        if isinstance(fact, MachineGone):
            self._accused.pop(fact.server, None)
        elif isinstance(fact, DeletionBegun) and fact.server in self._accused and fact.condition is not Condition.DARK:
            self._begun.add(now)
            count, limit = self._begun.count(now), max(self.SPARED, len(self._census.machines) // 10)
            if count == limit + 1:
                self.accuse(f"{count} servers that were not dark are deleted as no good within ten minutes")

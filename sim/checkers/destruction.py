"""Checkers of destruction: what is healthy stays, unless somebody asked for fewer; and never much at once."""

from __future__ import annotations

from collections import deque
from typing import Final

from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import Nonce, ServerId
from hfs_appliance.model.instants import MINUTE, Duration, Instant, format_duration, seconds
from hfs_appliance.model.plan import Cause
from sim.census import Recent
from sim.checkers.base import Case, Checker
from sim.entries import Announced, Author, RecordWritten, Registered, RoleGiven
from sim.truth import HEALTHY, Condition, DeletionBegun, Fact, MachineGone, RegistryReplaced

ACCUSING: Final = frozenset({Cause.REMEDIATION.value, Cause.BUILD_FAILED.value, Cause.NEVER_READY.value})
"""Causes that say that a server is no good."""


class HealthyDestroyed(Checker):
    """No server is deleted as dead, failed or never ready while it serves or waits warm."""

    name = "healthy-destroyed"
    ids = ("S1", "S10", "S12")
    promise = "nothing that serves or waits warm is deleted as dead, failed, never ready, or without a cause"
    hears = (ActionStarted,)
    sees = (DeletionBegun, MachineGone, Announced, Registered, RecordWritten)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._doomed: dict[ServerId, bool] = {}
        """Servers whose deletion was decided: whether they were healthy then. A decision stands when the cloud ignores
        the deletion and the server comes back to life meanwhile."""
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
            case RecordWritten(is_deleting=True):
                machine = self._census.machines.get(fact.server)
                self._doomed.setdefault(fact.server, machine is not None and machine.condition in HEALTHY)
            case MachineGone():
                self._causes.pop(fact.server, None)
                self._shown.pop(fact.server, None)
                self._doomed.pop(fact.server, None)
            case DeletionBegun(condition=Condition.WARM | Condition.SERVING) if fact.server in self._shown:
                self._judge(fact)
            case _:
                pass

    def _judge(self, fact: DeletionBegun) -> None:
        cause = self._causes.get(fact.server)
        was_healthy = self._doomed.get(fact.server, True)
        if cause is not None and (cause not in ACCUSING or not was_healthy):
            return
        self._allowed -= 1
        if self._allowed < 0:
            words = f"for {cause}" if cause is not None else "and no cause was told"
            self.accuse(f"{fact.server} was {fact.condition} and is deleted {words}")


class LeavesInOrder(Checker):
    """What serves is drained first: its open requests end, and nobody is sent to it any more."""

    name = "leaves-in-order"
    ids = ("S1",)
    promise = "no server is deleted while it serves unless it was told to leave before, or is called no good"
    hears = (ActionStarted,)
    sees = (DeletionBegun,)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._cause = ""
        self._is_closing = False

    def hear(self, recorded: Recorded) -> None:
        """Hear that everything is to end."""
        event = recorded.event
        self._is_closing = isinstance(event, ActionStarted) and event.cause == Cause.CLOSING

    def see(self, now: Instant, fact: Fact) -> None:
        """Look whether it was drained."""
        del now
        assert isinstance(fact, DeletionBegun)
        role, record = self._census.roles.get(fact.server), self._census.records.get(fact.server)
        is_told = (role is not None and role.is_draining) or (record is not None and record.is_draining)
        if fact.condition is not Condition.SERVING or record is None or is_told or self._is_closing:
            return
        if record.leave_cause not in ACCUSING:
            self.accuse(f"{fact.server} is deleted for {record.leave_cause} while it serves, and was not drained")


class DestroyBudget(Checker):
    """However good the reasons, only so many servers are taken away within a window."""

    name = "destroy-budget"
    ids = ("S10",)
    promise = "drains and deletions together stay within the destruction budget of the configuration"
    sees = (RoleGiven, DeletionBegun, MachineGone, RegistryReplaced)

    CARRIED_OUT_WITHIN: Final = seconds(60)
    """Tokens are spent when a plan is made: what it takes away may go a little later, the next one a little sooner."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._taken: dict[ServerId, None] = {}
        self._times: deque[Instant] = deque()

    def see(self, now: Instant, fact: Fact) -> None:
        """Count each server once, when it is told to leave or deleted, whichever comes first."""
        match fact:
            case RegistryReplaced():
                self._times.clear()  # what it remembered is forgotten
            case MachineGone():
                self._taken.pop(fact.server, None)
            case RoleGiven(is_draining=True, author=Author.PLANE) | DeletionBegun():
                if fact.server not in self._taken and fact.server in self._census.machines:
                    self._taken[fact.server] = None
                    self._judge(now)
            case _:
                pass

    def _judge(self, now: Instant) -> None:
        budgets = [desired.guard.destroy_budget for desired in self._census.lately(now)]
        if not budgets:
            return
        span = min(budget.window for budget in budgets) - self.CARRIED_OUT_WITHIN
        self._times.append(now)
        while self._times[0] < now - span:
            self._times.popleft()
        most = max(budget.tokens(len(self._census.machines)) for budget in budgets)
        if len(self._times) == most + 2:  # one may be of the window before
            self.accuse(
                f"{len(self._times)} servers are taken away within {format_duration(Duration(span))}, {most} may be"
            )


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

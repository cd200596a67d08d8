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
from sim.entries import Announced, Author, LedgerWritten, RecordWritten, Registered, RoleGiven, RoleTaken
from sim.truth import (
    HEALTHY,
    Condition,
    DeletionBegun,
    Fact,
    FaultBegun,
    FaultEnded,
    MachineGone,
    MachineHidden,
    RegistryReplaced,
)

ACCUSING: Final = frozenset(
    cause.value for cause in (Cause.REMEDIATION, Cause.BUILD_FAILED, Cause.OVER_QUOTA, Cause.NEVER_READY)
)
"""Causes that say that a server is no good."""


class HealthyDestroyed(Checker):
    """No server is deleted as dead, failed or never ready while it serves or waits warm."""

    name = "healthy-destroyed"
    ids = ("S1", "S10", "S12")
    promise = "nothing that serves or waits warm is deleted as dead, failed, never ready, or without a cause"
    hears = (ActionStarted,)
    sees = (
        *(DeletionBegun, MachineGone, Announced, Registered, RecordWritten, RoleGiven, RoleTaken),
        *(FaultBegun, FaultEnded),
    )

    HEARD_WITHIN: Final = seconds(0.1)
    """What a watch, a look at the world and a write of a record take."""
    HEARD_LATE: Final = seconds(5)
    """The same, where what the registry tells comes late: over a slow link, one after the other."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._deafness = 0
        """Faults that let the control plane's own probes reach nobody."""
        self._given_at: dict[ServerId, Instant] = {}
        """Since when servers have a role."""
        self._doomed: dict[ServerId, bool] = {}
        """Servers whose deletion was decided: whether they were healthy then. A decision stands when the cloud ignores
        the deletion and the server comes back to life meanwhile."""
        self._causes: dict[ServerId, str] = {}
        self._told_at: dict[ServerId, Instant] = {}
        """When servers registered last."""
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
        match fact:
            case FaultBegun(kind="probes-lost"):
                self._deafness += 1
            case FaultEnded(kind="probes-lost"):
                self._deafness -= 1
            case RoleGiven():
                self._given_at.setdefault(fact.server, now)
            case RoleTaken():
                self._given_at.pop(fact.server, None)
            case Announced():
                self._shown[fact.server] = fact.nonce
            case Registered():
                self._shown[fact.instance] = fact.nonce
                self._told_at[fact.instance] = now
            case RecordWritten(is_deleting=True):
                self._doomed.setdefault(fact.server, self._is_healthy(now, fact.server))
            case MachineGone():
                self._given_at.pop(fact.server, None)
                self._causes.pop(fact.server, None)
                self._shown.pop(fact.server, None)
                self._told_at.pop(fact.server, None)
                self._doomed.pop(fact.server, None)
            case DeletionBegun(condition=Condition.WARM | Condition.SERVING) if fact.server in self._shown:
                self._judge(fact)
            case _:
                pass

    def _is_healthy(self, now: Instant, server: ServerId) -> bool:
        """Tell whether a server serves, or waits warm.

        One that has had a role for longer than it may take does not wait: it is cut off, or its agent sleeps. It is in
        no pool, serves nobody and answers nobody, and nothing that can be seen tells it from a build that is broken.
        Nor does anything tell an instance from a dead one that neither the registry hears nor any probe reaches; and
        what was given up and has come back in this very instant is heard of only when its deletion is written.
        """
        machine, given_at = self._census.machines.get(server), self._given_at.get(server)
        if machine is None or machine.condition not in HEALTHY or server not in self._shown:
            return False
        if self._deafness and machine.condition is Condition.SERVING and server not in self._census.registered:
            return False
        is_late = self._weather.was_registry_dull(now, self.HEARD_LATE)
        heard_within = self.HEARD_LATE if is_late else self.HEARD_WITHIN
        if machine.condition is Condition.SERVING and now - self._told_at.get(server, Instant(0)) < heard_within:
            return False
        if machine.condition is not Condition.WARM or given_at is None:
            return True
        role = self._census.roles.get(server)
        services = [desired.services.get(role.service) for desired in self._census.lately(now)] if role else []
        terms = [service.health.ready_within for service in services if service is not None]
        return not terms or now < given_at + min(terms)

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
    promise = "no server is deleted while it serves, unless its time to drain is over, or it is called no good"
    hears = (ActionStarted,)
    sees = (DeletionBegun, RoleGiven, MachineGone)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._is_closing = False
        self._told_at: dict[ServerId, Instant] = {}

    def hear(self, recorded: Recorded) -> None:
        """Hear that everything is to end."""
        event = recorded.event
        self._is_closing = isinstance(event, ActionStarted) and event.cause == Cause.CLOSING

    def see(self, now: Instant, fact: Fact) -> None:
        """Look whether it was drained, and for how long."""
        match fact:
            case RoleGiven(is_draining=True):
                self._told_at.setdefault(fact.server, now)
            case MachineGone():
                self._told_at.pop(fact.server, None)
            case DeletionBegun(condition=Condition.SERVING) if not self._is_closing:
                self._judge(now, fact.server)
            case _:
                pass

    def _judge(self, now: Instant, server: ServerId) -> None:
        record, told_at = self._census.records.get(server), self._told_at.get(server)
        if record is None or record.leave_cause in ACCUSING:
            return
        if told_at is None and not record.is_draining:
            self.accuse(f"{server} is deleted for {record.leave_cause} while it serves, and was not drained")
        elif told_at is not None and record.service is not None:
            services = [desired.services.get(record.service) for desired in self._census.lately(now)]
            least = min((service.drain for service in services if service is not None), default=Duration(0))
            if now < told_at + least:
                spent, given = format_duration(Duration(now - told_at)), format_duration(least)
                self.accuse(f"{server} is deleted while it serves, {spent} after it was told to leave within {given}")


class DestroyBudget(Checker):
    """However good the reasons, only so many servers are taken away within a window."""

    name = "destroy-budget"
    ids = ("S10",)
    promise = "drains and deletions of a window, and those that the cloud has yet to carry out, stay within the budget"
    sees = (RoleGiven, DeletionBegun, MachineGone, MachineHidden, RegistryReplaced, FaultBegun, FaultEnded)

    CARRIED_OUT_WITHIN: Final = seconds(60)
    """Tokens are spent when a plan is made: what it takes away may go a little later, the next one a little sooner."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._leaving: dict[ServerId, None] = {}
        self._taken: deque[tuple[Instant, ServerId]] = deque()
        """Those that were taken away within the window, or are on their way out still."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Count each server once, when it is told to leave or deleted, whichever comes first.

        One that a late creation makes again (O3) is the same server: its token counts anew, from its last end.
        """
        match fact:
            case RegistryReplaced():
                self._taken.clear()  # what it remembered is forgotten
            case FaultBegun(kind="clock-jumps") | FaultEnded(kind="clock-jumps"):
                self._taken.clear()  # C1: by the clock that it is started with, all of it is long ago
            case MachineGone() | MachineHidden():
                self._leaving.pop(fact.server, None)
            case RoleGiven(is_draining=True, author=Author.PLANE) | DeletionBegun():
                if fact.server not in self._leaving and fact.server in self._census.machines:
                    self._leaving[fact.server] = None
                    self._taken = deque(taken for taken in self._taken if taken[1] != fact.server)
                    self._taken.append((now, fact.server))
                    self._judge(now)
            case _:
                pass

    def _judge(self, now: Instant) -> None:
        budgets = [desired.guard.destroy_budget for desired in self._census.lately(now)]
        if not budgets:
            return
        since = now - min(budget.window for budget in budgets) + self.CARRIED_OUT_WITHIN
        self._taken = deque((at, server) for at, server in self._taken if at >= since or server in self._leaving)
        most = max(budget.tokens(len(self._census.machines)) for budget in budgets)
        if len(self._taken) == most + 2:  # one may be of the window before
            unconfirmed = sum(1 for _, server in self._taken if server in self._leaving)
            words = f"{len(self._taken)} servers are taken away within one window, {most} may be"
            self.accuse(f"{words}; {unconfirmed} of them are not gone yet")


class PaidFirst(Checker):
    """What takes a server away is in the ledger before the server is touched."""

    name = "paid-first"
    ids = ("S10", "S18")
    promise = "no server that was ever in the registry is drained or deleted before the ledger holds a token for it"
    hears = (ActionStarted,)
    sees = (LedgerWritten, RoleGiven, DeletionBegun, RegistryReplaced, Announced, Registered, MachineGone)

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._tokens: frozenset[ServerId] = frozenset()
        self._owing: dict[ServerId, None] = {}
        """Those that cost a token: what no list has ever shown costs nobody anything, nor what a registry that was set
        back has forgotten to have paid for."""
        self._is_closing = False

    def hear(self, recorded: Recorded) -> None:
        """Hear that everything is to end."""
        event = recorded.event
        self._is_closing = isinstance(event, ActionStarted) and event.cause == Cause.CLOSING

    def see(self, now: Instant, fact: Fact) -> None:
        """Look for the token."""
        del now
        match fact:
            case LedgerWritten():
                self._tokens = fact.tokens
            case RegistryReplaced():
                self._owing.clear()
            case Announced():
                self._owing[fact.server] = None
            case Registered():
                self._owing[fact.instance] = None
            case MachineGone():
                self._owing.pop(fact.server, None)
            case RoleGiven(is_draining=True, author=Author.PLANE) | DeletionBegun():
                if fact.server in self._owing and fact.server not in self._tokens and not self._is_closing:
                    what = "deleted" if isinstance(fact, DeletionBegun) else "told to leave"
                    self.accuse(f"{fact.server} is {what}, and the ledger holds no token for it")
            case _:
                pass


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

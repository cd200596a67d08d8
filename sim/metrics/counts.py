"""How many: servers made and destroyed by cause, calls to the cloud by kind, and server time that nobody used."""

from __future__ import annotations

from collections import Counter

from hfs_appliance.model.events import ActionStarted, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import SECOND, Instant
from sim.census import Census
from sim.clock import EPOCH
from sim.entries import DesiredStored
from sim.folds import Fold
from sim.metrics.levels import Integral
from sim.outcome import ApiCalls
from sim.truth import (
    ApiCalled,
    Condition,
    ConditionChanged,
    DeletionBegun,
    Fact,
    MachineGone,
    MachineHidden,
    MachineMade,
)

UNKNOWN = "unknown"


class Causes(Fold):
    """Servers made and destroyed, by the cause that the control plane told."""

    hears = (ActionStarted,)
    sees = (MachineMade, ApiCalled, DeletionBegun, MachineGone)

    def __init__(self) -> None:
        self._creations: dict[ServerId, str] = {}
        self._deletions: dict[ServerId, str] = {}
        self._made: ServerId | None = None
        self.created: Counter[str] = Counter()
        self.destroyed: Counter[str] = Counter()
        self.last: tuple[str, str] | None = None
        """What the fact seen last was counted as; None: as nothing."""

    def hear(self, recorded: Recorded) -> None:
        """Remember why; a repeated creation has the cause of the first one."""
        event = recorded.event
        assert isinstance(event, ActionStarted)
        if event.action == "create":
            self._creations.setdefault(event.server, event.cause)
        elif event.action == "delete":
            self._deletions[event.server] = event.cause

    def see(self, now: Instant, fact: Fact) -> None:
        """Count."""
        del now
        self.last = None
        match fact:
            case MachineMade():
                self._made = fact.server
            case ApiCalled(call="create") if fact.server == self._made:
                assert fact.server is not None
                self._count("created", self.created, self._creations.get(fact.server, UNKNOWN))
                self._made = None
            case DeletionBegun():
                self._count("destroyed", self.destroyed, self._deletions.get(fact.server, UNKNOWN))
            case MachineGone():
                self._creations.pop(fact.server, None)
                self._deletions.pop(fact.server, None)
            case _:
                pass

    def _count(self, what: str, counts: Counter[str], cause: str) -> None:
        counts[cause] += 1
        self.last = (what, cause)


class Calls(Fold):
    """Calls to the cloud."""

    sees = (ApiCalled,)

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def see(self, now: Instant, fact: Fact) -> None:
        """Count. What is missing was answered, not rejected."""
        del now
        assert isinstance(fact, ApiCalled)
        self._calls[fact.call] += 1
        if is_rejected(fact):
            self._rejected[fact.call] += 1

    def found(self) -> ApiCalls:
        """Give the counts."""
        return ApiCalls(
            total=self._calls.total(),
            rejected=self._rejected.total(),
            kinds=dict(sorted(self._calls.items())),
            rejected_kinds=dict(sorted(self._rejected.items())),
        )


def is_rejected(call: ApiCalled) -> bool:
    """Tell whether a call was not done, or not answered."""
    return call.refusal not in ("", "Missing")


class Waste(Fold):
    """Server time of machines that neither serve nor belong to the warm pool that is wanted."""

    sees = (MachineMade, MachineGone, MachineHidden, ConditionChanged, DesiredStored)

    def __init__(self, census: Census) -> None:
        self._census = census
        self._idle = Integral(EPOCH)

    def see(self, now: Instant, fact: Fact) -> None:
        """Count what there is now."""
        del fact
        census = self._census
        pools = census.desired.pools if census.desired is not None else {}
        useful = sum(min(census.warm[name], pool.size) for name, pool in pools.items())
        useful += census.conditions[Condition.SERVING]
        self._idle.set(now, len(census.machines) - useful)

    def seconds(self, now: Instant) -> int:
        """Give the sum."""
        return self._idle.until(now) // SECOND

"""What the live view knows of a run: a fold over the world's truth and the product's events, each at a constant cost.

It says how things are now (machines, beliefs, holds), and how many instances served at each time until now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hfs_appliance.model.events import HoldChanged, PhaseChanged, Recorded
from hfs_appliance.model.ids import AvailabilityZone, ServerId, ServiceName
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.plan import Phase
from sim.clock import EPOCH
from sim.play import NOTICED_WITHIN
from sim.scenario import Scenario
from sim.story import Story
from sim.truth import (
    Condition,
    ConditionChanged,
    ControlPlaneKilled,
    ControlPlaneStarted,
    DemandChanged,
    Fact,
    FaultBegun,
    FaultEnded,
    FaultsOver,
    MachineGone,
    MachineMade,
    Settled,
    StoryBegun,
)

BINS: Final = 400
"""Of the whole run as it was foreseen; more when it takes longer."""
MARKS: Final = 2_000


class Stage(StrEnum):
    """How far a run is."""

    COMING_UP = "coming up"
    FAULTS = "faults"
    SETTLING = "settling"
    STAYING = "staying"


@dataclass(slots=True)
class Mark:
    """A fault on the time line, in bins."""

    begun: int
    is_asked: bool
    ended: int | None = None
    """None: it goes on."""


class Level:
    """How something went over time: the least value within each bin of equal length."""

    def __init__(self, step: int) -> None:
        self._step: Final = step
        self._least: list[int] = []
        self.now = 0

    def change(self, at: Instant, by: int) -> None:
        """Move by so much."""
        self._reach(at)
        self.now += by
        self._least[-1] = min(self._least[-1], self.now) if at > EPOCH else self.now  # a fleet that stands never rose

    def until(self, now: Instant) -> Sequence[int]:
        """Give all bins up to now."""
        self._reach(now)
        return self._least

    def _reach(self, at: Instant) -> None:
        missing = (at - EPOCH) // self._step + 1 - len(self._least)
        if missing > 0:
            self._least += [self.now] * missing


class Board:
    """Folds one run."""

    FACTS: Final[tuple[type[Fact], ...]] = (
        MachineMade,
        ConditionChanged,
        MachineGone,
        ControlPlaneKilled,
        ControlPlaneStarted,
        DemandChanged,
        FaultBegun,
        FaultEnded,
        StoryBegun,
        FaultsOver,
        Settled,
    )
    """What it wants to see."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario: Final = scenario
        self.story: Final = Story()
        self.conditions: Final[dict[AvailabilityZone, Counter[Condition]]] = {}
        """What is, by zone; a machine that was never on counts as being built."""
        self.phases: Final[dict[AvailabilityZone, Counter[str]]] = {}
        """What the control plane believes, by zone."""
        self.holds: Final[dict[tuple[str, str], str]] = {}
        """Words by scope and rule."""
        self.begun: Instant | None = None
        """When the fleet stood for the first time: faults count from here."""
        self.stage = Stage.COMING_UP
        self.is_dead = False
        """Every control plane was killed, and none runs again yet."""
        self._alive = 0
        self.marks: Final[list[Mark]] = []
        self.step: Final = max(1, (scenario.lasts + _afterwards(scenario)) // BINS)
        self._serving: Final = Level(self.step)
        self._needed: dict[ServiceName, int] = {}
        self._open_marks: dict[int, Mark] = {}
        self._zones: dict[ServerId, AvailabilityZone] = {}
        self._is: dict[ServerId, Condition] = {}
        self._believed: dict[ServerId, str] = {}

    @property
    def serving(self) -> int:
        """Count the instances that answer."""
        return self._serving.now

    @property
    def needed(self) -> int | None:
        """Count the instances that the traffic needs, where there is any."""
        return sum(self._needed.values()) if self._needed else None

    def served_until(self, now: Instant) -> Sequence[int]:
        """Give the least number of instances that answered, for each bin."""
        return self._serving.until(now)

    def expected(self, now: Instant) -> Duration:
        """Estimate how long the whole run takes."""
        begun = (self.begun if self.begun is not None else now) - EPOCH
        return Duration(max(begun + self.scenario.lasts + _afterwards(self.scenario), now - EPOCH))

    def hear(self, recorded: Recorded) -> None:
        """Take an event of the product."""
        self.story.hear(recorded)
        match recorded.event:
            case PhaseChanged(server=server, phase=phase):
                self._believe(server, phase)
            case HoldChanged(scope=scope, rule=rule, words=words) if words:
                self.holds[scope, rule] = words
            case HoldChanged(scope=scope, rule=rule):
                self.holds.pop((scope, rule), None)
            case _:
                pass

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact of the world."""
        self.story.see(now, fact)
        match fact:
            case MachineMade(server=server, az=zone):
                self._zones[server] = zone
                self._become(server, Condition.BUILDING, now)
            case ConditionChanged(server=server, after=after):
                self._become(server, after, now)
            case MachineGone(server=server):
                self._become(server, None, now)
            case DemandChanged(service=service, instances=instances):
                self._needed[service] = instances
            case FaultBegun(number=number):
                self._mark(number, now)
            case FaultEnded(number=number):
                if (ended := self._open_marks.pop(number, None)) is not None:
                    ended.ended = (now - EPOCH) // self.step
            case _:
                self._advance(now, fact)

    def _advance(self, now: Instant, fact: Fact) -> None:
        """Take a fact of how the story goes."""
        match fact:
            case ControlPlaneStarted():
                self._alive += 1
                self.is_dead = False
            case ControlPlaneKilled():
                self._alive -= 1
                if self._alive == 0:  # else another one goes on, or takes over
                    self.is_dead = True
                    self._disbelieve()
            case StoryBegun():
                self.stage, self.begun = Stage.FAULTS, now
            case FaultsOver():
                self.stage = Stage.SETTLING
            case Settled():
                self.stage = Stage.STAYING
            case _:
                pass

    def _mark(self, number: int, now: Instant) -> None:
        if len(self.marks) < MARKS:
            mark = Mark((now - EPOCH) // self.step, self.story.under_way[number].is_asked)
            self.marks.append(mark)
            self._open_marks[number] = mark

    def _become(self, server: ServerId, after: Condition | None, now: Instant) -> None:
        counts = self.conditions.setdefault(self._zones[server], Counter())
        before = self._is.pop(server, None)
        if before is not None:
            counts[before] -= 1
        if after is not None:
            self._is[server] = after
            counts[after] += 1
        elif server not in self._believed:
            del self._zones[server]
        change = (after is Condition.SERVING) - (before is Condition.SERVING)
        if change:
            self._serving.change(now, change)

    def _disbelieve(self) -> None:
        """The dead believe nothing; the next control plane says anew what it sees."""
        self.holds.clear()
        self.phases.clear()
        for server in self._believed:
            if server not in self._is:
                del self._zones[server]
        self._believed.clear()

    def _believe(self, server: ServerId, phase: str) -> None:
        zone = self._zones.get(server)
        if zone is None:  # planned, or gone and forgotten
            return
        counts = self.phases.setdefault(zone, Counter())
        if (before := self._believed.pop(server, None)) is not None:
            counts[before] -= 1
        if phase != Phase.GONE.value:
            self._believed[server] = phase
            counts[phase] += 1
        elif server not in self._is:
            del self._zones[server]


def _afterwards(scenario: Scenario) -> Duration:
    """Give the least that a run takes once its faults are over."""
    return Duration(NOTICED_WITHIN + scenario.bounds.stays)

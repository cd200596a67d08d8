"""The forecast: `decide` asked again and again over a Course, until nothing is left to do.

It is what the product would do by itself, autonomous actions included; what it cannot know (a load that changes, a
server that dies, an image that does not boot) it takes to stay as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.mcp.course import Course
from hfs_appliance.mcp.decide import Decider
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.forecast import Forecast, Met, Outcome, Paces, Spending, Step, Timed
from hfs_appliance.model.guard import DestroyBudget
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import DAY, Duration, Instant, after
from hfs_appliance.model.plan import OBSERVING, Action, Claim, Create, Hold, Phase, Plan, VersionCount
from hfs_appliance.model.world import World

STEPS: Final = 20_000
ROUNDS: Final = 20_000
IDLE_ROUNDS: Final = 100
"""So many looks in a row at which only time has passed: what waits then waits for something else than time."""
HORIZON: Final = DAY


def forecast(
    world: World, paces: Paces, *, steps: int = STEPS, is_enough: Callable[[], bool] = lambda: False
) -> Forecast:
    """Tell where a World leads. Costs one decision for each instant at which something happens, until `is_enough`.

    While hfs observes only (blind, stale, in doubt of its registry) nothing at all is foretold.
    """
    first = Decider().decide(world)
    notes = _Notes(began=world.now, before=frozenset(world.ledger.tokens))
    if world.registry is None or world.cloud is None or any(hold.rule in OBSERVING for hold in first.holds):
        notes.look(first, world.now, is_timed=True)
        return notes.result(world, frozenset(), Outcome.HELD)
    course, decider = Course(world, paces), Decider()
    for _, action in sorted(world.in_flight.items()):
        notes.note(action, course, is_under_way=True)
    outcome = _run(course, decider, notes, steps, is_enough)
    return notes.result(world, frozenset(course.unmeasured), outcome)


def _run(course: Course, decider: Decider, notes: _Notes, steps: int, is_enough: Callable[[], bool]) -> Outcome:
    idle = 0
    for _ in range(ROUNDS):
        plan = decider.decide(course.world())
        notes.look(plan, course.now, is_timed=not course.is_guessing)
        if len(notes.steps) + len(plan.actions) > steps or is_enough():
            return Outcome.CUT
        course.carry_out(plan)
        for action in plan.actions:
            notes.note(action, course)
        if plan.actions or plan.moves or plan.to_anchor:
            idle = 0
            continue
        arrival = course.next_arrival()
        if arrival is None and plan.is_converged:
            return Outcome.QUIET
        idle = idle + 1 if arrival is None else 0
        to = _sooner(arrival, plan.requeue_at, course.now)
        if to is None or idle > IDLE_ROUNDS or to > after(notes.began, HORIZON):
            return Outcome.HELD
        course.advance(to)
        if arrival is not None and to >= arrival:
            notes.ended_at = to
    return Outcome.CUT


def _sooner(arrival: Instant | None, requeue: Instant | None, now: Instant) -> Instant | None:
    """Give the next instant at which the answer may be another one."""
    if requeue is not None:
        requeue = max(requeue, Instant(now + 1))
    return min((at for at in (arrival, requeue) if at is not None), default=None)


@dataclass(slots=True)
class _Meeting:
    hold: Hold
    began: Instant
    seen: Instant
    is_timed: bool


@dataclass(slots=True)
class _Notes:
    """What is told of the course."""

    began: Instant
    before: frozenset[ServerId]
    """Whose tokens had been taken already."""
    steps: list[Step] = field(default_factory=list)
    ended_at: Instant = Instant(0)
    _met: dict[tuple[str, str], _Meeting] = field(default_factory=dict)
    _now: Instant = Instant(0)
    _tokens: dict[ServerId, str] = field(default_factory=dict)
    """Scope of every token that was held on the way."""
    _most: Counter[str] = field(default_factory=Counter)
    _servers: int | None = None
    _counts: Mapping[ServiceName, Mapping[Version, VersionCount]] = field(default_factory=dict)
    _peak: int = 0
    _creating: int = 0
    _sizes: Counter[str] = field(default_factory=Counter)

    def look(self, plan: Plan, now: Instant, *, is_timed: bool) -> None:
        """Take in what a plan says of the whole."""
        self._now = now
        self.ended_at = max(self.ended_at, self.began)
        for hold in plan.holds:
            meeting = self._met.setdefault((hold.scope, hold.rule), _Meeting(hold, now, now, is_timed))
            meeting.seen = now
        servers = sum(plan.phases.values()) - plan.phases.get(Phase.GONE, 0)
        if self._servers is None:
            self._servers, self._counts = servers, plan.counts
        self._peak = max(self._peak, servers)
        self._creating = max(self._creating, plan.phases.get(Phase.CREATING, 0) + plan.phases.get(Phase.BOOTING, 0))
        self._look_at_tokens(plan, servers)

    def note(self, action: Action, course: Course, *, is_under_way: bool = False) -> None:
        """Take an action in that has just been carried out."""
        record = course.record(action.server)
        role = action if isinstance(action, Claim) else record
        self.ended_at = max(self.ended_at, course.now)
        self.steps.append(
            Step(
                after=Duration(course.now - self.began),
                verb=action.verb,
                server=action.server,
                pool=record.pool if record is not None else "",
                service=role.service if role is not None else None,
                version=role.version if role is not None else None,
                az=action.az if isinstance(action, Create) else "",
                cause=action.reason.cause,
                words=action.reason.words,
                is_timed=not course.is_guessing,
                is_under_way=is_under_way,
            )
        )

    def result(self, world: World, unmeasured: frozenset[Timed], outcome: Outcome) -> Forecast:
        """Give the forecast."""
        return Forecast(
            steps=tuple(self.steps),
            met=tuple(self._meetings()),
            spending=tuple(self._spending(world.desired)) if world.desired is not None else (),
            outcome=outcome,
            lasts=Duration(max(0, self.ended_at - self.began)),
            unmeasured=tuple(sorted(unmeasured)),
            servers_now=self._servers or 0,
            servers_peak=self._peak,
            creating_peak=self._creating,
            counts=self._counts,
        )

    def _look_at_tokens(self, plan: Plan, servers: int) -> None:
        held: Counter[str] = Counter()
        for server, token in plan.tokens.items():
            self._tokens[server] = token.scope
            held[ENVIRONMENT] += 1
            held[token.scope] += 1
        for scope, count in held.items():
            self._most[scope] = max(self._most[scope], count)
            # A share of the servers that there are: while versions stand beside each other, it is one of both.
            size = servers if scope == ENVIRONMENT else _size(plan, scope)
            self._sizes[scope] = max(self._sizes[scope], size)

    def _meetings(self) -> Iterator[Met]:
        for meeting in self._met.values():
            yield Met(
                hold=meeting.hold,
                after=Duration(meeting.began - self.began),
                lasts=Duration(meeting.seen - meeting.began),
                is_timed=meeting.is_timed,
                is_lasting=meeting.seen == self._now,
            )

    def _spending(self, desired: DesiredState) -> Iterator[Spending]:
        """Tell what was spent, by scope; the environment's comes first."""
        spent = Counter(scope for server, scope in self._tokens.items() if server not in self.before)
        for scope in (ENVIRONMENT, *sorted(spent)) if spent else ():
            budget = _budget(desired, scope)
            yield Spending(
                scope=scope,
                spent=spent.total() if scope == ENVIRONMENT else spent[scope],
                most=self._most[scope],
                allowed=budget.tokens(self._sizes[scope]),
                window=budget.window,
            )


def _size(plan: Plan, scope: str) -> int:
    """Count the servers of a service, or the spare ones of a pool."""
    kind, _, name = scope.partition("/")
    if kind == "pool":
        pool = plan.pools.get(PoolName(name))
        return pool.warm + pool.building if pool is not None else 0
    counts = plan.counts.get(ServiceName(name), {}).values()
    return sum(each.serving + each.starting + each.suspect + each.draining for each in counts)


def _budget(desired: DesiredState, scope: str) -> DestroyBudget:
    kind, _, name = scope.partition("/")
    service = desired.services.get(ServiceName(name)) if kind == "service" else None
    return (service.guard.within(desired.guard) if service is not None else desired.guard).destroy_budget

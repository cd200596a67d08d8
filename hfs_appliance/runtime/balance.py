"""The balancer publisher: keeps the load balancer in step with the proxies that live. One writer: the leader.

Who should be behind it is decided by `proxy/balance.py`. Here it is looked at, told of, and asked for the full set, in
one call for all that has changed meanwhile. The next turn is the retry: what it refuses, loses or does not get done is
seen when it is looked at, and asked for again after a pause that grows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.model.balancer import BalancerMember, BalancerState, BalancerView, Place
from hfs_appliance.model.balancer_events import BalancerChanged, BalancerRefused
from hfs_appliance.model.desired import BalancerSettings
from hfs_appliance.model.events import HoldChanged
from hfs_appliance.model.instants import Duration, Instant, after, between, format_duration, seconds, to_seconds
from hfs_appliance.model.leadership import Term
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.plan import Hold
from hfs_appliance.model.probes import Target
from hfs_appliance.model.reports import BalancerReport, ProxyReport
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Exhausted, Fenced, Missing, PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.probe import Prober
from hfs_appliance.proxy.balance import SCOPE, Balance, Memory, Sight, balance, told_of
from hfs_appliance.proxy.table import HEALTH_PATH
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.leadership import Leadership
from hfs_appliance.runtime.observe_probes import ProbeObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver

CALL_WITHIN: Final = seconds(20)
LOOK_EVERY: Final = seconds(10)
LOOK_SOON: Final = seconds(1)
"""After something was asked for, and while it is being done; the longer that lasts, the less often."""
APART: Final = seconds(5)
"""From one change to the next: the first one goes out at once, and what comes in the meantime goes out together."""
FIRST_PAUSE: Final = seconds(1)
LONGEST_PAUSE: Final = seconds(60)
STUCK_AFTER: Final = seconds(60)
"""A change takes seconds; one that takes this long is worth an operator's attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the publisher looks at."""

    settings: BalancerSettings
    registry: RegistryObserver
    leadership: Leadership
    restraint: Callable[[], Hold | None]
    """An operator's order that nothing of the environment be taken away."""
    is_closing: Callable[[], bool]
    is_closed: Callable[[], bool]
    """Whether the environment is being ended, and whether all of its servers are gone."""


class BalancerPublisher:
    """Keeps the members as they should be; `view` is what the load balancer said last, `answer` what follows."""

    def __init__(
        self,
        balancer: LoadBalancer,
        prober: Prober,
        around: Around,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Dirty,
        published: Dirty,
    ) -> None:
        self._balancer = balancer
        self._around = around
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._published = published
        self._probes: ProbeObserver[str] = ProbeObserver(prober, clock=clock, dirty=dirty)
        self._holds: tuple[Hold, ...] = ()
        self._refused = ""
        self._in_force: tuple[BalancerMember, ...] | None = None
        self._spares = 0
        """How many others were told of last."""
        self.removed = trio.Event()
        """Set once the environment is being ended and the load balancer is gone."""
        self.view: BalancerView | None = None
        self.answer: Balance | None = None
        self._begin()

    def _begin(self) -> None:
        """Know nothing: what is believed is believed within one term."""
        self._memory = Memory()
        self._setback: Setback | None = None
        self._look_at = self._sent_at = Instant(0)
        self._pending_since: Instant | None = None
        self._asked: tuple[BalancerMember, ...] | None = None
        """What was accepted and has not been seen in force yet."""
        self._is_seen = False
        """Whether it was looked at since something was asked of it."""
        self.view = self.answer = None

    @property
    def is_in_step(self) -> bool:
        """Tell whether the load balancer has the members that it should have; it is the affair of whoever leads."""
        if self._around.leadership.acting is None:
            return True
        view, answer = self.view, self.answer
        if view is None or answer is None or not self._is_seen:
            return False
        return view.state is BalancerState.ACTIVE and view.members == answer.members and not view.spares

    def report(self) -> BalancerReport | None:
        """Tell how the load balancer stands; None before it was looked at in the present term."""
        view, answer = self.view, self.answer
        if view is None or answer is None:
            return None
        weights = dict(view.members)
        proxies = (
            ProxyReport(place=str(each.place), weight=weights.get(each.place), rule=each.rule, words=each.words)
            for each in answer.standings
        )
        return BalancerReport(name=view.name, address=view.address, state=view.state.value, proxies=tuple(proxies))

    def holds(self) -> tuple[Hold, ...]:
        """Tell what the load balancer does not do though it should, and why."""
        return self._holds

    async def run(self) -> None:
        """Publish while this appliance leads, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._probes.run)
            while True:
                term = self._around.leadership.acting
                self._begin()
                if term is None:
                    self._tell_holds(())
                    self._probes.want({})
                    await self._around.leadership.wait_change()
                    continue
                while self._around.leadership.acting is term:
                    pause = await self._turn(term)
                    with trio.move_on_after(to_seconds(pause)):
                        await self._dirty.wait()

    async def _turn(self, term: Term) -> Duration:
        """Look if it is time to, decide, and ask for what follows; give the time until the next turn."""
        was_in_step = self.is_in_step
        if self._clock.now() >= self._look_at:
            await self._look()
        registry, view = self._around.registry.observation(), self.view
        if view is not None and registry is not None and self._around.leadership.acting is term:
            sight = Sight(
                now=self._clock.now(),
                balancer=view,
                proxies=told_of(registry.value),
                is_whole=self._around.registry.are_removals_believed(),
                drain=self._around.settings.drain,
                probes=self._probes.probes,
                held_by=self._around.restraint(),
            )
            self.answer = answer = balance(sight, self._memory)
            self._memory = answer.memory
            self._probes.want({str(place): _target(place) for place in answer.to_probe})
            self._tell_holds((*answer.holds, *self._stuck(view)))
            if self._is_seen and self._clock.now() >= self._next_try():
                await self._act(view, answer)
        if self.is_in_step != was_in_step:
            self._published.mark()
        return self._pause()

    def _pause(self) -> Duration:
        moments = [self._look_at]
        if self.answer is not None and self.answer.requeue_at is not None:
            moments.append(self.answer.requeue_at)
        if not self.is_in_step and self._is_seen and self._next_try() > self._clock.now():
            moments.append(self._next_try())
        return Duration(max(0, min(moments) - self._clock.now()))

    def _next_try(self) -> Instant:
        not_before = self._setback.not_before if self._setback is not None else Instant(0)
        return max(after(self._sent_at, APART), not_before) if self._sent_at else not_before

    # Looking

    async def _look(self) -> None:
        try:
            with trio.fail_after(to_seconds(CALL_WITHIN)):
                view = await self._balancer.look()
        except (PortError, trio.TooSlowError) as error:
            self._fail(error)
            self._look_at = max(self._next_try(), after(self._clock.now(), LOOK_SOON))
            return
        now = self._clock.now()
        self.view, self._is_seen = view, True
        if view.state is BalancerState.PENDING:
            since = self._pending_since = now if self._pending_since is None else self._pending_since
            wait = min(LOOK_EVERY, max(LOOK_SOON, between(since, now) // 2))
            self._look_at = after(now, Duration(wait))
            return
        self._pending_since = None
        self._look_at = after(now, LOOK_EVERY)
        if view.state is BalancerState.ACTIVE:
            if self._asked is not None and view.members != self._asked:
                self._fail_with("what was accepted is not in force")
            self._asked = None
            self._tell_change(view)

    def _tell_change(self, view: BalancerView) -> None:
        before, self._in_force = self._in_force, view.members
        if before is not None and before != view.members:
            event = BalancerChanged(
                members=len(view.members),
                weighted=sum(member.weight > 0 for member in view.members),
                words=_describe(before, view.members),
            )
            self._sink.emit("balancer", event)

    def _stuck(self, view: BalancerView) -> tuple[Hold, ...]:
        """Tell of a load balancer that takes no change."""
        if view.state is BalancerState.ERROR:
            words = f"{view.name} has failed in a change and takes no other until an administrator has mended it"
            return (Hold(scope=SCOPE, rule="balancer-error", words=f"{words} (Octavia: failover)"),)
        since = self._pending_since
        if since is None or self._clock.now() < after(since, STUCK_AFTER):
            return ()
        words = f"{view.name} has not finished a change that it took minutes ago, and takes no other until it has"
        return (Hold(scope=SCOPE, rule="balancer-pending", words=words),)

    # Acting

    async def _act(self, view: BalancerView, answer: Balance) -> None:
        """Ask for the one thing that brings it closer to what it should be, if it takes changes at all."""
        closing = self._around.is_closing()
        if view.state is BalancerState.PENDING:
            return
        if closing:
            if self._around.is_closed():
                await self._remove(view)
            return  # until then it goes on as it is: what it leads to is being ended
        if view.state is BalancerState.ABSENT and answer.members:
            await self._ask(lambda: self._balancer.create(answer.members), answer.members)
        elif view.state is BalancerState.ACTIVE and view.members != answer.members:
            await self._ask(lambda: self._balancer.replace(answer.members), answer.members)
        elif view.state is BalancerState.ACTIVE and view.spares:
            await self._sweep(view)
        elif view.state is BalancerState.ACTIVE:
            self._setback, self._refused = None, ""

    async def _sweep(self, view: BalancerView) -> None:
        """Have the others go that late creations have made; while this one is in error, one of them may be wanted."""
        if view.spares != self._spares:
            self._spares = view.spares
            words = f"{view.spares} more of that name, from creations that came late, are being removed"
            weighted = sum(member.weight > 0 for member in view.members)
            self._sink.emit("balancer", BalancerChanged(members=len(view.members), weighted=weighted, words=words))
        await self._ask(self._balancer.sweep, None)

    async def _remove(self, view: BalancerView) -> None:
        if view.state is BalancerState.ABSENT:
            self.removed.set()
        else:
            await self._ask(self._balancer.delete, None)

    async def _ask(self, call: Callable[[], Awaitable[None]], members: tuple[BalancerMember, ...] | None) -> None:
        self._is_seen = False
        self._sent_at = self._clock.now()
        try:
            with trio.fail_after(to_seconds(CALL_WITHIN)):
                await call()
        except (Fenced, Missing):
            pass  # the lease is in doubt, or somebody has removed it: the next look tells what is to be done
        except (PortError, trio.TooSlowError) as error:
            self._fail(error)
        else:
            self._asked = members
        self._look_at = after(self._clock.now(), LOOK_SOON)

    def _fail(self, error: PortError | trio.TooSlowError) -> None:
        until = error.until if isinstance(error, Exhausted) else None
        self._fail_with(str(error) or f"no answer within {format_duration(CALL_WITHIN)}", until)

    def _fail_with(self, words: str, until: Instant | None = None) -> None:
        failures = self._setback.failures + 1 if self._setback is not None else 1
        pause = Duration(min(LONGEST_PAUSE, FIRST_PAUSE << min(failures - 1, 10)))
        not_before = max(after(self._clock.now(), pause), until or Instant(0))
        self._setback = Setback(failures=failures, not_before=not_before, words=words)
        if words != self._refused:
            self._refused = words
            self._sink.emit("balancer", BalancerRefused(words=words))

    def _tell_holds(self, holds: tuple[Hold, ...]) -> None:
        old = {(hold.scope, hold.rule): hold for hold in self._holds}
        new = {(hold.scope, hold.rule): hold for hold in holds}
        self._holds = holds
        for key in sorted(old.keys() | new.keys()):
            if (key in old) != (key in new):
                words = new[key].words if key in new else ""
                self._sink.emit("balancer", HoldChanged(scope=key[0], rule=key[1], words=words))


def _target(place: Place) -> Target:
    return Target(address=place.address, port=place.port, path=HEALTH_PATH)


def _describe(before: tuple[BalancerMember, ...], members: tuple[BalancerMember, ...]) -> str:
    """Name what has changed: `10.0.0.5:80 joins, 10.0.0.6:80 gets no new connections, 10.0.0.7:80 leaves`."""
    old, new = dict(before), dict(members)
    parts = [f"{place} joins" for place in sorted(new.keys() - old.keys())]
    parts += [
        f"{place} gets {'new connections' if new[place] else 'no new connections'}"
        for place in sorted(new.keys() & old.keys())
        if old[place] != new[place]
    ]
    parts += [f"{place} leaves" for place in sorted(old.keys() - new.keys())]
    return ", ".join(parts)

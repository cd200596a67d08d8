"""Guarding: the cards of what is withheld, and what an operator says to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.mcp.reins import RULE
from hfs_appliance.model.events import OperatorAsked
from hfs_appliance.model.instants import Duration, after, format_duration, format_instant
from hfs_appliance.model.orders import APPROVABLE, APPROVED_FOR
from hfs_appliance.model.plan import Hold, Plan
from hfs_appliance.model.reports import HoldCard
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Rejected, UnknownName
from hfs_appliance.ports.events import EventSink
from hfs_appliance.runtime.nearest import nearest
from hfs_appliance.runtime.plane import ControlPlane

_IDENTITY: Final = frozenset({"registry-wiped", "registry-older", "project-mismatch", "uuid-mismatch"})


class Guarding:
    """What the admin API asks about guards."""

    def __init__(self, plane: ControlPlane, *, sink: EventSink, clock: Clock) -> None:
        self._plane = plane
        self._sink = sink
        self._clock = clock

    def holds(self) -> tuple[Hold, ...]:
        """Give all that is withheld, and what may be."""
        plan = self._plane.reconciler.plan or Plan()
        return (*self._plane.holds(), *plan.holds, *self._plane.endpoint_holds())

    def cards(self) -> Sequence[HoldCard]:
        """Give a card for each thing that is withheld."""
        return [
            HoldCard(
                scope=hold.scope,
                rule=hold.rule,
                words=hold.words,
                until=format_instant(hold.until) if hold.until is not None else None,
                amount=hold.amount,
                choices=tuple(_choices(hold)),
            )
            for hold in self.holds()
        ]

    async def hold(self, target: str, reason: str, author: str, lasts: Duration | None) -> str:
        """Have nothing of a target taken away; give its scope. Errors: Standby, UnknownName, Rejected, PortError."""
        self._plane.leadership.demand_office()
        if not reason.strip():
            raise Rejected("a hold needs a reason, for whoever finds it")
        scope = self._scope(target)
        until = after(self._clock.now(), lasts) if lasts is not None else None
        await self._plane.orders.hold(scope, reason, author, until)
        self._sink.emit("api", OperatorAsked(what="hold", subject=f"{scope} ({reason})"))
        return scope

    async def release(self, target: str) -> str:
        """End an operator's hold; give its scope. Errors: Standby, UnknownName, Rejected, PortError."""
        self._plane.leadership.demand_office()
        orders = self._plane.orders.in_force()
        known = orders.restraints.keys() | orders.approvals.keys()
        scope = next((scope for scope in sorted(known) if target in (scope, scope.partition("/")[2])), None)
        if scope is None or not await self._plane.orders.release(scope):
            raise Rejected(f"nobody holds {target}")
        self._sink.emit("api", OperatorAsked(what="release", subject=scope))
        return scope

    async def approve(self, target: str, author: str) -> tuple[HoldCard, ...]:
        """Have done what guards hold back in a scope; give their cards. Errors: as of `hold`."""
        self._plane.leadership.demand_office()
        scope = self._scope(target)
        found = [found for found in self.cards() if found.scope == scope]
        meant = tuple(found for found in found if found.rule in APPROVABLE)
        if not meant:
            rules = ", ".join(found.rule for found in found)
            why = f"what is held there ({rules}) waits for something else" if rules else "no guard holds anything there"
            raise Rejected(f"nothing of {scope} can be approved: {why}")
        for each in meant:
            await self._plane.orders.approve(scope, each.rule, author, each.amount)
            self._sink.emit("api", OperatorAsked(what="approve", subject=f"{scope} ({each.rule})"))
        return meant

    def _scope(self, target: str) -> str:
        """Find the scope that a name means. Errors: UnknownName."""
        known = list(self._scopes())
        if target in known:
            return target
        for scope in known:
            if scope.partition("/")[2] == target:
                return scope
        raise UnknownName("service, pool or server", target, nearest(target, [s.partition("/")[2] or s for s in known]))

    def _scopes(self) -> Iterable[str]:
        desired, plan = self._plane.desired.current, self._plane.reconciler.plan or Plan()
        services = {*(desired.services if desired is not None else ()), *plan.counts}
        yield ENVIRONMENT
        yield from (f"service/{name}" for name in sorted(services))
        yield from (f"pool/{name}" for name in sorted(plan.pools))
        yield from (f"server/{server}" for server in sorted(plan.verdicts))


def _choices(hold: Hold) -> Iterable[str]:
    if hold.rule in APPROVABLE:
        span = format_duration(APPROVED_FOR)
        yield f"hfs approve {hold.scope}: you have looked, and it shall be done (within {span})"
    if hold.rule == RULE:
        yield f"hfs release {hold.scope}: end the hold"
    elif hold.rule in _IDENTITY:
        yield "hfs adopt: registry and fleet belong together, as they are"
    elif hold.rule == "file-not-applied":
        yield "hfs apply FILE: make it so"
    elif hold.rule in APPROVABLE:
        yield f"hfs hold {hold.scope} --reason …: keep all of it, whatever this guard says later"
    if hold.rule != RULE:
        yield "wait: it ends by itself when its reason does"

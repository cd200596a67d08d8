"""Operators' holds and approvals: one entry of the registry, changed only by a write with a version check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import trio

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.mcp.reins import RULE, card
from hfs_appliance.model.events import EntryRefused
from hfs_appliance.model.instants import Instant, seconds, to_seconds
from hfs_appliance.model.orders import Approval, Orders, Restraint
from hfs_appliance.model.plan import Hold, Plan
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Entries, Znode
from hfs_appliance.registry.formats import FormatError, read_orders, write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.dirty import Dirty

WRITE_WITHIN: Final = seconds(10)


class OrdersStore:
    """What operators have said; whoever leads writes it, everybody hears it."""

    def __init__(self, registry: Entries, layout: Layout, *, clock: Clock, sink: EventSink, dirty: Dirty) -> None:
        self._registry = registry
        self._path = layout.holds
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._orders = Orders()

    def hear(self, znode: Znode | None) -> None:
        """Take the entry as the registry has it now; one that cannot be read changes nothing."""
        try:
            orders = read_orders(znode.value) if znode is not None else Orders()
        except FormatError as error:
            self._sink.emit("orders", EntryRefused(path=self._path, words=str(error)))
            return
        if orders != self._orders:
            self._orders = orders
            self._dirty.mark()

    def in_force(self) -> Orders:
        """Give what has not expired."""
        return self._orders.in_force(self._clock.now())

    def idle(self, plan: Plan) -> tuple[Hold, ...]:
        """Tell of the holds that hold nothing back in a plan."""
        busy = {hold.scope for hold in plan.holds if hold.rule == RULE}
        restraints = sorted(self.in_force().restraints.items())
        return tuple(card(scope, restraint, 0) for scope, restraint in restraints if scope not in busy)

    def everywhere(self) -> Hold | None:
        """Give the card of the hold on the whole environment, if there is one."""
        restraint = self.in_force().restraints.get(ENVIRONMENT)
        return card(ENVIRONMENT, restraint, 0) if restraint is not None else None

    async def hold(self, scope: str, reason: str, author: str, until: Instant | None) -> None:
        """Have nothing of a scope taken away. Errors: PortError, TooSlowError."""
        restraint = Restraint(reason=reason, author=author, at=self._clock.now(), until=until)
        await self._change(lambda orders: replace(orders, restraints={**orders.restraints, scope: restraint}))

    async def release(self, scope: str) -> bool:
        """End a hold, and what was approved there; tell whether there was any. Errors: PortError, TooSlowError."""
        was_there = False

        def released(orders: Orders) -> Orders:
            nonlocal was_there
            was_there = scope in orders.restraints or scope in orders.approvals
            return Orders(
                restraints={place: order for place, order in orders.restraints.items() if place != scope},
                approvals={place: found for place, found in orders.approvals.items() if place != scope},
            )

        await self._change(released)
        return was_there

    async def approve(self, scope: str, rule: str, author: str, amount: int) -> None:
        """Have done what a guard holds back in a scope. Errors: PortError, TooSlowError."""
        approval = Approval(rule=rule, author=author, at=self._clock.now(), amount=amount)

        def approved(orders: Orders) -> Orders:
            found = (*orders.approvals.get(scope, ()), approval)
            return replace(orders, approvals={**orders.approvals, scope: found})

        await self._change(approved)

    async def _change(self, change: Callable[[Orders], Orders]) -> None:
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                znode = await self._registry.get(self._path)
            except Missing:
                await self._registry.create(self._path, write(change(Orders())))
            else:
                former = read_orders(znode.value).in_force(self._clock.now())
                await self._registry.set(self._path, write(change(former)), version=znode.version)
            self.hear(await self._registry.get(self._path))

"""The load balancer before the proxies, simulated: Octavia's ways, and what goes wrong with it.

A change is accepted at once and carried out later; until then the load balancer is PENDING and refuses every other one,
and in ERROR it refuses all of them until somebody mends it (client-pitfalls.md, OS16).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import trio

from hfs_appliance.model.balancer import BalancerMember, BalancerState, BalancerView, Place
from hfs_appliance.ports.cloud import Permit, unconditional
from hfs_appliance.ports.errors import Ambiguous, Conflict, Missing, PortError, Transient
from sim.balancer_facts import BalancerCalled, BalancerServes
from sim.clock import Reply, WorldClock
from sim.streams import Stream, Table
from sim.truth import MutationSent, Truth

T = TypeVar("T")
Members = tuple[BalancerMember, ...]

API: Final = Table.of_ms((0, 15), (500, 60), (990, 600), (1000, 2_000))
"""An assumption, as that of the compute API: half of one way."""
WORK: Final = Table.of_ms((0, 900), (900, 1_100), (1000, 4_000))
"""Octavia 19 with its no-op driver: a member takes 0.9 to 1.1 s (shared/openstack/README.md)."""
MAKING: Final = Table.of_ms((0, 1_200), (500, 6_500), (1000, 60_000))
"""The same: 1.2 s with the no-op driver, 6 to 7 s with one that boots a server, which may take its time."""
NAME: Final = "hfs-sim"
ADDRESS: Final = "198.51.100.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPace:
    """How long it takes to carry a change out."""

    work: Table = WORK
    making: Table = MAKING


@dataclass(slots=True, kw_only=True)
class BalancerFaults:
    """What goes wrong now; rates are per mille."""

    is_down: bool = False
    """O14: every call fails."""
    hangs: bool = False
    """O10: no call is answered."""
    slowness: int = 1
    """O10: factor on the time of every call."""
    busy_calls: int = 0
    """O8: changes that are refused because somebody else changes something: 409."""
    lost_answers: int = 0
    """O2: changes that are accepted though the caller hears that they failed."""
    forgotten: int = 0
    """O16: changes that are accepted, and not carried out."""
    breaks: bool = False
    """O16: changes end in ERROR."""
    monitor_lies: bool = False
    """O16: its own monitor calls every member well."""


class Octavia:
    """One load balancer, as it really is."""

    def __init__(
        self,
        clock: WorldClock,
        stream: Stream,
        answers: Callable[[Place], bool],
        truth: Truth | None = None,
        *,
        pace: BalancerPace | None = None,
    ) -> None:
        self.clock: Final = clock
        self.stream: Final = stream
        self.truth: Final = truth or Truth(clock.now)
        self.faults: Final = BalancerFaults()
        self._pace: Final = pace or BalancerPace()
        self.state = BalancerState.ABSENT
        self.members: Members = ()
        self.spares = 0
        """Others of its name that late creations have made."""
        self._answers = answers
        self._is_stuck = False
        self._waiting: Callable[[], None] | None = None
        """What is to be carried out once nothing is stuck any more."""

    # What the API does, at the instant at which it does it

    def view(self) -> BalancerView:
        """Tell how it stands."""
        if self.state is BalancerState.ABSENT:
            return BalancerView(state=self.state)
        # Of members without weight Octavia says that they drain, whether they answer or not.
        asked = (member.place for member in self.members if member.weight)
        well = (place for place in asked if self.faults.monitor_lies or self._answers(place))
        return BalancerView(
            state=self.state,
            members=self.members,
            answering=frozenset(well),
            address=ADDRESS,
            name=NAME,
            spares=self.spares,
        )

    def create(self, members: Members) -> None:
        """Accept to make it. Errors: Conflict."""
        if self.state is not BalancerState.ABSENT:
            raise Conflict(f"load balancer {NAME} is there")
        self._begin(self._pace.making, partial(self._change, members))

    def replace(self, members: Members) -> None:
        """Accept another set of members. Errors: Conflict, Missing."""
        self._demand_there()
        if self.state is not BalancerState.ACTIVE or self.stream.chance(self.faults.busy_calls):
            raise Conflict(f"load balancer {NAME} is immutable and cannot be updated: 409")
        self._begin(self._pace.work, partial(self._change, members))

    def sweep(self) -> None:
        """Remove the others."""
        self.spares = 0

    def delete(self) -> None:
        """Accept to remove it. Errors: Conflict, Missing."""
        self._demand_there()
        if self.state is BalancerState.PENDING:
            raise Conflict(f"load balancer {NAME} is immutable and cannot be updated: 409")
        self._begin(self._pace.work, self._vanish)

    def _demand_there(self) -> None:
        if self.state is BalancerState.ABSENT:
            raise Missing(f"load balancer {NAME} is not there")

    # What becomes of it

    def _begin(self, span: Table, finish: Callable[[], None]) -> None:
        self.state = BalancerState.PENDING
        self.clock.after(self.stream.draw(span), partial(self._finish, finish))

    def _finish(self, finish: Callable[[], None]) -> None:
        if self._is_stuck:
            self._waiting = finish
        else:
            finish()

    def _change(self, members: Members) -> None:
        if self.faults.breaks:
            self.state = BalancerState.ERROR
            return
        self.state = BalancerState.ACTIVE
        if not self.stream.chance(self.faults.forgotten):
            self._serve(members, is_by_hand=False)

    def _vanish(self) -> None:
        self.state = BalancerState.ABSENT
        self._serve((), is_by_hand=False)

    def _serve(self, members: Members, *, is_by_hand: bool) -> None:
        if members != self.members:
            self.members = members
            self.truth.tell(BalancerServes(members=members, is_by_hand=is_by_hand))

    # What is done to it

    def stick(self) -> None:
        """O16: let no change end."""
        self._is_stuck = True

    def go_on(self) -> None:
        """Let what has stuck end."""
        self._is_stuck = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def mend(self) -> None:
        """Have an administrator mend it, if it is in error: what it serves stays."""
        if self.state is BalancerState.ERROR:
            self.state = BalancerState.ACTIVE

    def edit(self, members: Members) -> None:
        """H10: have somebody else change the members, if there is anything that can be changed."""
        if self.state is BalancerState.ACTIVE:
            self._serve(members, is_by_hand=True)

    def lose(self) -> None:
        """H10: have somebody else delete it."""
        if self.state is BalancerState.ACTIVE:
            self.state = BalancerState.ABSENT
            self._serve((), is_by_hand=True)


class SimBalancer:
    """One client of the API; implements the port's LoadBalancer."""

    def __init__(self, octavia: Octavia, *, client: int = 0) -> None:
        self._octavia: Final = octavia
        self._client: Final = client
        """Number of the link by which the same process is connected to the registry."""
        self._is_severed = False

    def sever(self) -> None:
        """End as kill -9 does: what was sent arrives, nothing else is sent."""
        self._is_severed = True

    async def look(self) -> BalancerView:
        """Read its state and all of its members."""
        return await self._call("look", self._octavia.view)

    async def create(self, members: Members, *, permit: Permit = unconditional) -> None:
        """Have it made. Errors: Conflict, Ambiguous."""
        await self._change("create", lambda: self._octavia.create(members), permit)

    async def replace(self, members: Members, *, permit: Permit = unconditional) -> None:
        """Have exactly these members. Errors: Conflict, Missing, Ambiguous."""
        await self._change("replace", lambda: self._octavia.replace(members), permit)

    async def sweep(self, *, permit: Permit = unconditional) -> None:
        """Have the others removed. Errors: Ambiguous."""
        await self._change("sweep", self._octavia.sweep, permit)

    async def delete(self, *, permit: Permit = unconditional) -> None:
        """Have it removed. Errors: Conflict, Missing, Ambiguous."""
        await self._change("delete", self._octavia.delete, permit)

    async def _change(self, call: str, carry_out: Callable[[], None], permit: Permit) -> None:
        octavia = self._octavia
        await trio.lowlevel.checkpoint()
        permit()
        if not self._is_severed:
            octavia.truth.tell(MutationSent(client=self._client, call=f"balancer-{call}", server=None))

        def carry_out_and_answer() -> None:
            carry_out()
            if octavia.stream.chance(octavia.faults.lost_answers):
                raise Ambiguous("the load balancer's API has closed the connection")

        await self._call(call, carry_out_and_answer)

    async def _call(self, call: str, carry_out: Callable[[], T]) -> T:
        """Send a call and wait for its answer; a call that was sent is carried out though nobody waits any more."""
        octavia, clock = self._octavia, self._octavia.clock
        reply: Reply[T] = Reply()

        def latency() -> int:
            return octavia.stream.draw(API) * octavia.faults.slowness

        def arrive() -> None:
            told = partial(BalancerCalled, client=self._client, call=call, state=octavia.state)
            if octavia.faults.hangs:
                octavia.truth.tell(told(refusal="silence"))
                return
            try:
                if octavia.faults.is_down:
                    raise Transient("the load balancer's API does not answer: 503")
                value = carry_out()
            except PortError as error:
                failure = error
                octavia.truth.tell(told(refusal=type(error).__name__))
                clock.after(latency(), lambda: reply.fail(failure))
            else:
                octavia.truth.tell(told())
                clock.after(latency(), lambda: reply.give(value))

        if not self._is_severed:
            clock.after(latency(), arrive)
        return await reply.wait()

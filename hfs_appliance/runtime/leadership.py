"""Leadership: takes part in the election, keeps watch over our own lease, and begins and ends terms.

The rule to keep: *whether we lead* is never remembered beyond the lease (K1 to K3). A term ends here the moment the
lease does, whatever the client library believes; whether it goes on afterwards, the registry says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, assert_never

import trio

from hfs_appliance.mcp.election import Astray, Follows, Leads, Vacant
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.events import HoldChanged, LeaderChanged, ModeChanged
from hfs_appliance.model.ids import Nonce
from hfs_appliance.model.instants import Duration, Instant, after, between, format_duration, seconds, to_seconds
from hfs_appliance.model.leadership import Candidate, Leader, Mode, Term
from hfs_appliance.model.plan import Hold
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Fenced, PortError, Standby
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Registry, Session, SessionState, Watch
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.fence import FencedRegistry
from hfs_appliance.runtime.seats import Seats, Sight

CALL_WITHIN: Final = seconds(10)
AGAIN_AFTER: Final = seconds(0.2)
LOOK_EVERY: Final = seconds(15)
"""Watches are a hint: what stands in the registry is looked at this often in any case (L3)."""
_LOST: Final = (
    "the registry was emptied or rolled back: what this appliance has seen there is lost, and nothing is done; "
    "put it right, or `hfs adopt` what is there"
)
NOBODY: Final = Leader(name="", address="", epoch=0)


class Duties(Protocol):
    """What comes with the office."""

    async def take_up(self) -> None:
        """See everything afresh (the takeover barrier); acting begins when it returns. Errors: PortError."""
        ...

    def lay_down(self) -> None:
        """Stop everything that is under way, now."""
        ...

    def follow(self) -> None:
        """Hear that another appliance leads."""
        ...

    async def wait_idle(self) -> None:
        """Wait until nothing is under way."""
        ...


class Leadership:
    """The election as this appliance sees it."""

    def __init__(
        self,
        registry: Registry,
        layout: Layout,
        us: Candidate,
        session_timeout: Duration,
        duties: Duties,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Iterable[Dirty],
    ) -> None:
        self._registry = registry
        self._layout = layout
        self._us = us
        self._seats = Seats(registry, layout, us, clock)
        self._margin = Duration(session_timeout // 6)
        self._pause = session_timeout
        self._duties = duties
        self._clock = clock
        self._sink = sink
        self._dirty = tuple(dirty)
        self._look = Dirty()
        self._changed = trio.Event()
        self._term: Term | None = None
        self._ended = 0
        """How many terms have ended."""
        self._service = trio.CancelScope()
        self._began_at = clock.now()
        self._mode = Mode.STANDBY
        self._is_leaving = False
        self._refrains_until = Instant(0)
        self._seen = 0
        """Highest epoch that this process has seen."""
        self._incarnation: Nonce | None = None
        """Of the anchor under which those epochs were seen."""
        self._hold: Hold | None = None
        self._may_succeed_itself = True
        self.leader: Leader = NOBODY
        """The last one known; without a name, nobody leads."""
        self._followed: Leader | None = None
        self.others: tuple[Candidate, ...] = ()
        """The other appliances of this environment."""
        self.entries = FencedRegistry(registry, layout, lambda: self._term, self._refused)
        """Where the leader writes."""

    # What others ask

    @property
    def mode(self) -> Mode:
        """What this appliance may do now."""
        return self._mode

    @property
    def acting(self) -> Term | None:
        """The term in which actions may begin now."""
        return self._term if self._mode is Mode.ACTIVE and not self._is_leaving else None

    @property
    def is_led_by_another(self) -> bool:
        """Whether another appliance leads."""
        return self._term is None and bool(self.leader.name)

    @property
    def acts_upon(self) -> Instant:
        """What was seen before this instant must not be acted upon: the beginning of the term in which we act."""
        return self._began_at if self._mode is Mode.ACTIVE else Instant(0)

    def leads(self) -> bool:
        """Tell whether the office is ours."""
        return self._term is not None

    def followed(self) -> Leader | None:
        """Give the other appliance that leads, if one does."""
        return self._followed

    @property
    def standing_by(self) -> tuple[str, ...]:
        """Names of the appliances that live and do not lead."""
        everyone = (*self.others, self._us)
        return tuple(sorted(candidate.name for candidate in everyone if candidate.name != self.leader.name))

    def demand_lease(self) -> None:
        """Be sure that we lead and will for some moments more; a permit, called from any thread. Errors: Fenced."""
        term, session = self._term, self._registry.session()
        if term is None or self._mode is not Mode.ACTIVE:
            raise Fenced("this appliance does not lead the environment")
        left = between(self._clock.now(), session.lease_until)
        if not _is_held(term, session) or session.state is not SessionState.CONNECTED or left < self._margin:
            raise Fenced(f"the lease of epoch {term.epoch} is in doubt: nothing is asked of the cloud")

    def demand_office(self) -> None:
        """Be the one to change something. Errors: Standby."""
        if self.acting is None:
            raise Standby(self._describe(), self.followed())

    def holds(self) -> tuple[Hold, ...]:
        """Tell why this appliance does not stand for election though it could."""
        return (self._hold,) if self._hold is not None else ()

    async def wait_change(self) -> None:
        """Wait until the leader, the mode or the candidates have changed."""
        await self._changed.wait()

    def accept_registry(self) -> None:
        """Take the registry as it is, though it knows less than we do: an operator says so."""
        self._seen = 0
        self._look.mark()

    def hear_anchor(self, anchor: Anchor) -> None:
        """Hear of the anchor; an adoption makes what was seen before worth nothing (a registry may count anew)."""
        if self._incarnation is not None and self._incarnation != anchor.incarnation:
            self.accept_registry()
        self._incarnation = anchor.incarnation

    # The election

    async def run(self) -> None:
        """Stand for election until cancelled."""
        watches = [self._registry.watch(path) for path in (self._layout.epoch, self._layout.candidates)]
        try:
            async with trio.open_nursery() as nursery:
                for watch in watches:
                    nursery.start_soon(self._follow, watch)
                await self._stand(nursery)
        finally:
            self._end("it stands for election no more")
            for watch in watches:
                watch.close()

    async def _follow(self, watch: Watch) -> None:
        while True:
            await watch.wait_dirty()
            self._look.mark()

    async def _stand(self, nursery: trio.Nursery) -> None:
        while True:
            session = self._registry.session()
            while session.state is not SessionState.CONNECTED:
                session = await self._registry.wait_session_change(session)
            pause = LOOK_EVERY
            try:
                with trio.fail_after(to_seconds(CALL_WITHIN)):
                    await self._step(session, nursery)
            except (PortError, trio.TooSlowError):
                pause = AGAIN_AFTER
            if self._refrains_until > self._clock.now():
                pause = min(pause, between(self._clock.now(), self._refrains_until))
            with trio.move_on_after(to_seconds(pause)):
                await self._look.wait()

    async def _step(self, session: Session, nursery: trio.Nursery) -> None:
        """Look at what stands, and do the one thing that follows from it."""
        ended = self._ended
        sight = await self._seats.look(session, self._seen, may_succeed_itself=self._may_succeed_itself)
        if self._ended != ended:
            # What was read may be of before: a term that was handed over meanwhile would begin once more.
            self._look.mark()
            return
        self._hear(sight)
        found = sight.standing
        match found:
            case Leads():
                self._begin(Term(epoch=found.epoch, seat=sight.seat, session_id=session.session_id), nursery)
            case Follows():
                self._end("another appliance leads")
            case Astray():
                self._end("the registry was emptied or rolled back")
            case Vacant():
                self._end("nobody leads")
                if self._clock.now() >= self._refrains_until:
                    try:
                        await self._seats.take(found, sight.seat)
                    finally:
                        # Taken, lost to another one, or not known: the next look tells.
                        self._look.mark()
            case _:
                assert_never(found)

    # Terms

    def _begin(self, term: Term, nursery: trio.Nursery) -> None:
        self._may_succeed_itself = False
        if term != self._term:
            self._end("its term was replaced")
            self._term, self._service, self._began_at = term, trio.CancelScope(), self._clock.now()
            self._turn(Mode.SYNC, f"takes over, epoch {term.epoch}")
            nursery.start_soon(self._serve, term, self._service)

    async def _serve(self, term: Term, service: trio.CancelScope) -> None:
        """Serve a term: first see, then act; never beyond the lease."""
        with service:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_lease, term)
                while True:
                    try:
                        await self._duties.take_up()
                    except (PortError, trio.TooSlowError):
                        await trio.sleep(to_seconds(AGAIN_AFTER))
                    else:
                        break
                if self._term is term:
                    spent = format_duration(between(self._began_at, self._clock.now()))
                    self._turn(Mode.ACTIVE, f"has seen everything afresh, {spent}")

    async def _watch_lease(self, term: Term) -> None:
        while True:
            session = self._registry.session()
            left = between(self._clock.now(), session.lease_until)
            if not _is_held(term, session) or left <= 0:
                self._end("its lease has ended")
                return
            with trio.move_on_after(to_seconds(left)):
                await self._registry.wait_session_change(session)

    def _refused(self, term: Term) -> None:
        """Hear that the registry has refused a write of ours."""
        if term == self._term:
            self._end("the registry has refused its writes")

    def _end(self, why: str) -> None:
        if self._term is not None:
            self._term = None
            self._ended += 1
            self._service.cancel(reason=why)
            self._duties.lay_down()
            self._turn(Mode.STANDBY, why)
            self._look.mark()

    # Handing over

    async def hand_over(self, within: Duration, *, is_for_good: bool = False) -> None:
        """Let what is under way end (`within` at most) and lay the office down; another one takes it.

        If no other does, this appliance takes it again after a while, unless it is `for good`.

        Errors: Standby, PortError.
        """
        term = self._term
        if term is None or self._is_leaving:
            raise Standby(self._describe(), self.followed())
        self._is_leaving = True
        self._mark()
        try:
            with trio.move_on_after(to_seconds(within)):
                await self._duties.wait_idle()
            self._refrains_until = after(self._clock.now(), Duration(1 << 62) if is_for_good else self._pause)
            with trio.fail_after(to_seconds(CALL_WITHIN)):
                await self.entries.set(self._layout.epoch, self._seats.vacancy(), version=term.epoch)
        finally:
            self._is_leaving = False
            self._end("it has handed over")

    # Telling

    def _hear(self, sight: Sight) -> None:
        found = sight.standing
        match found:
            case Leads():
                leader = Leader(name=self._us.name, address=self._us.address, epoch=found.epoch)
            case Follows():
                leader = found.leader
                self._may_succeed_itself = False
            case Vacant():
                is_ours = bool(found.remains)  # a former life of ours holds it still, and we take it in a moment
                leader = self.leader if is_ours else Leader(name="", address="", epoch=found.epoch)
            case Astray():
                leader = Leader(name="", address="", epoch=found.seen)
            case _:
                assert_never(found)
        self._seen = max(self._seen, leader.epoch)
        self._followed = leader if isinstance(found, Follows) else None
        self._tell_hold(is_astray=isinstance(found, Astray))
        before, self.leader = (self.leader, self.others), leader
        self.others = sight.others
        if leader != before[0]:
            is_ours = isinstance(found, Leads)
            event = LeaderChanged(leader=leader.name, address=leader.address, epoch=leader.epoch, is_ours=int(is_ours))
            self._sink.emit("leadership", event)
            if isinstance(found, Follows):
                self._duties.follow()
        if (self.leader, self.others) != before:
            self._mark()

    def _tell_hold(self, *, is_astray: bool) -> None:
        if is_astray != (self._hold is not None):
            hold = Hold(scope="environment", rule="registry-rolled-back", words=_LOST if is_astray else "")
            self._hold = hold if is_astray else None
            self._sink.emit("leadership", HoldChanged(scope=hold.scope, rule=hold.rule, words=hold.words))

    def _turn(self, mode: Mode, words: str) -> None:
        if mode is not self._mode:
            self._mode = mode
            self._sink.emit("leadership", ModeChanged(mode=mode.value, words=words))
        self._mark()

    def _mark(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
        for dirty in self._dirty:
            dirty.mark()

    def _describe(self) -> str:
        if self._is_leaving:
            return "this appliance is handing over"
        if self._term is not None:
            return "this appliance has just taken over and reads the registry: ask again in a moment"
        if not self.leader.name:
            return "no appliance leads the environment now: ask again in a moment"
        return f"{self.leader.name} leads the environment, this appliance stands by"


def _is_held(term: Term, session: Session) -> bool:
    return session.session_id == term.session_id and session.state in (SessionState.CONNECTED, SessionState.SUSPENDED)

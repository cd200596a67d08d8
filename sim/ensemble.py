"""The registry's servers, in virtual time; clients reach them over links (sim/link.py).

State and answers are those of the embedded registry's pure core; here are sessions that expire on the heap, latency,
and what servers do wrong. Heartbeats are not played: a session whose link is whole lives, and only the loss of the link
schedules its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from hfs_appliance.model.instants import MILLISECOND, SECOND, Duration
from sim import entries, terms
from sim.clock import Act, Timer, WorldClock
from sim.entries import Author
from sim.shown import Shown
from sim.streams import Stream, Table
from sim.truth import Truth
from sim.wire.zookeeper.core import Caller, Core, Outcome
from sim.wire.zookeeper.requests import Create, Operation, Read, SetAccess, Watching, Write
from sim.wire.zookeeper.results import Result
from sim.wire.zookeeper.tree import Tree
from sim.wire.zookeeper.values import OPEN

if TYPE_CHECKING:
    from sim.link import Link

LATENCY: Final = Table(((0, 300_000), (500, 500_000), (990, 2_000_000), (1000, 10_000_000)))
"""One way, in ns. An ephemeral create reaches another client in 1.0 ms p50 (3.8.0, shared/design/measured-floors.md):
two ways and a commit; the tail is an assumption."""
TICK: Final = Duration(2 * SECOND)
"""tickTime: a session expires up to this much late (measured: timeout 4 s, seen after 4.1 to 6.0 s)."""
MEMBERS: Final = 3
"""Servers of the ensemble; a link's number says which one it is connected to."""
_SESSION_BITS: Final = 1 << 56


@dataclass(slots=True)
class _Session:
    timeout: Duration
    link: Link | None = None
    expiry: Timer | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry's content at one instant."""

    tree: Tree
    sessions: dict[int, Duration]


class Ensemble:
    """All servers as one, as long as they agree."""

    def __init__(self, clock: WorldClock, stream: Stream, truth: Truth | None = None) -> None:
        self.clock: Final = clock
        self.truth: Final = truth or Truth(clock.now)
        self.stream: Final = stream
        self.core = Core(b"simulated")
        self.shown: Final = Shown()
        self.is_up = True
        self.is_frozen = False
        """Whether it keeps its connections and does nothing."""
        self.slowness = 1
        """Factor on every latency."""
        self.loses_answers_per_mille = 0
        """Writes that are carried out, and whose connection breaks before the answer."""
        self.holds_writes = False
        """Z12: whether no quorum agrees: reads are answered, writes wait."""
        self._held_writes: list[Act] = []
        self._sessions: dict[int, _Session] = {}
        self._links: dict[int, Link] = {}
        self._last_link = 0

    # Faults

    def stop(self) -> None:
        """Go away: every connection breaks, nobody's time runs."""
        self.is_up = False
        for session in self._sessions.values():
            _cancel(session)
        for link in tuple(self._links.values()):
            link.break_off()

    def start(self) -> None:
        """Come back: every session has its full timeout again."""
        self.is_up = True
        for session_id in self._sessions:
            self.unheard(session_id)
        for link in tuple(self._links.values()):
            link.try_again()

    def freeze(self) -> None:
        """Stand still with all connections open, as in a long pause of the collector."""
        self.is_frozen = True
        for link in tuple(self._links.values()):
            link.go_silent()

    def thaw(self) -> None:
        """Go on: nobody could be heard, so every session has its full timeout again."""
        self.is_frozen = False
        for link in tuple(self._links.values()):
            link.heal()
        for session_id, session in self._sessions.items():
            if session.link is None or not session.link.is_connected:
                self.unheard(session_id)

    def stop_writing(self) -> None:
        """Lose the quorum."""
        self.holds_writes = True

    def write_again(self) -> None:
        """Have a quorum again: what waited is carried out, though its client may have given up."""
        self.holds_writes = False
        held, self._held_writes = self._held_writes, []
        for act in held:
            act()
        for link in tuple(self._links.values()):
            link.heal()

    def lose_member(self, member: int) -> None:
        """Lose one of the servers: its clients go to another one at once."""
        for link in self._links_of(member):
            link.break_off()

    def expire_member(self, member: int) -> None:
        """Z16: end all sessions that one server looks after, at one instant."""
        for link in self._links_of(member):
            self.expire(link.session_id)

    def lose_watches(self, link: Link) -> None:
        """Z5: forget what a client watches, without a word to it."""
        self.core.watches.drop(link.number)

    def expire(self, session_id: int) -> None:
        """End a session, as if its client had been silent for too long."""
        if self.holds_writes and session_id in self._sessions:  # to end a session is a write, too
            self._sessions[session_id].expiry = None
            self.unheard(session_id)
            return
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        _cancel(session)
        outcome = self.core.close_session(session_id, zxid=self.core.zxid + 1, time_ms=self._time_ms())
        self._publish(outcome, Author.EXPIRY)
        if session.link is not None:
            session.link.break_off()

    def put(self, path: str, value: bytes) -> None:
        """H10: create an entry by hand, as nobody's client."""
        self.change(Create(path=path, value=value, access=OPEN))

    def change(self, request: Operation | SetAccess) -> None:
        """H10: change something by hand, as nobody's client. Agents watch their own entries: the owner hears of it."""
        before = self.core.tree.znodes.get(request.path)
        owner = self._sessions.get(before.owner) if before is not None else None
        zxid = self.core.zxid + 1
        outcome = self.core.write(request, Caller(watcher=0, session_id=0), zxid=zxid, time_ms=self._time_ms())
        self._publish(outcome, Author.HAND)
        if owner is not None and owner.link is not None and owner.link.is_connected:
            owner.link.notify(request.path)

    def snapshot(self) -> Snapshot:
        """Copy the content."""
        timeouts = {session_id: session.timeout for session_id, session in self._sessions.items()}
        return Snapshot(self.core.tree.copy(), timeouts)

    def restore(self, snapshot: Snapshot | None) -> None:
        """Restart with an older content, or with none: later sessions are unknown, zxids go on.

        (A server whose zxids begin anew is never joined again by clients that have seen later ones.)
        """
        was_up = self.is_up
        self.stop()
        core = Core(b"simulated")
        core.zxid = self.core.zxid + 1
        if snapshot is not None:
            core.tree = snapshot.tree.copy()
        entries.tell_replaced(self.truth, self.core.tree, core.tree)
        self.core, self._sessions = core, {}
        if snapshot is not None:
            for session_id, timeout in snapshot.sessions.items():
                core.sessions.open(session_id, timeout // MILLISECOND, self._time_ms())
                self._sessions[session_id] = _Session(timeout)
        if was_up:
            self.start()

    # The links' side

    def latency(self, besides: int = 0) -> int:
        """Draw the time that one message takes; `besides`: how many times as long its way takes on top of it."""
        return self.stream.draw(LATENCY) * (self.slowness + besides)

    def hold(self, write: Act) -> None:
        """Keep a write until there is a quorum."""
        self._held_writes.append(write)

    def _links_of(self, member: int) -> list[Link]:
        return [link for number, link in self._links.items() if number % MEMBERS == member % MEMBERS]

    def join(self, link: Link) -> int:
        """Give a link its number."""
        self._last_link += 1
        self._links[self._last_link] = link
        return self._last_link

    def leave(self, link: Link) -> None:
        """Forget a link."""
        self._links.pop(link.number, None)

    def accept(self, link: Link, timeout: Duration) -> int:
        """Open a session or take one up again; 0 when it is gone."""
        session_id = link.session_id
        if session_id == 0:
            zxid = self.core.zxid + 1
            session_id = _SESSION_BITS | zxid
            now_ms, timeout_ms = self._time_ms(), timeout // MILLISECOND
            outcome = self.core.open_session(session_id, timeout_ms, now_ms=now_ms, zxid=zxid, time_ms=now_ms)
            self._publish(outcome, link.author)
            self._sessions[session_id] = _Session(timeout)
        elif session_id not in self._sessions:
            return 0
        self._sessions[session_id].link = link
        self.heard(session_id)
        return session_id

    def knows(self, session_id: int) -> bool:
        """Tell whether a session lives."""
        return session_id in self._sessions

    def heard(self, session_id: int) -> None:
        """Hear from a session again."""
        if session_id in self._sessions:
            _cancel(self._sessions[session_id])

    def unheard(self, session_id: int) -> None:
        """Hear nothing of a session from now on; it ends after its timeout."""
        session = self._sessions.get(session_id)
        if session is not None and session.expiry is None and self.is_up and not self.is_frozen:
            span = session.timeout + self.stream.below(TICK)
            session.expiry = self.clock.after(span, partial(self.expire, session_id))

    def write(self, request: Write, link: Link) -> Result:
        """Carry out a change."""
        outcome = self.core.write(request, self._caller(link), zxid=self.core.zxid + 1, time_ms=self._time_ms())
        if outcome.transaction is not None and link.author is Author.PLANE:
            terms.tell(self.truth, request, link.number)
        self._publish(outcome, link.author)
        if outcome.transaction is not None and self.stream.chance(self.loses_answers_per_mille):
            link.break_off()
        return outcome.result

    def read(self, request: Read, link: Link) -> Result:
        """Answer a question."""
        return self.core.read(request, self._caller(link))

    def watch(self, request: Watching, link: Link) -> None:
        """Add a watch."""
        self._publish(self.core.watch(request, self._caller(link)), link.author)

    def close(self, link: Link) -> None:
        """End a session at its client's wish."""
        self.expire(link.session_id)

    def _caller(self, link: Link) -> Caller:
        return Caller(watcher=link.number, session_id=link.session_id)

    def _time_ms(self) -> int:
        return self.clock.now() // MILLISECOND

    def _publish(self, outcome: Outcome, author: Author) -> None:
        if outcome.transaction is not None:
            entries.tell(self.truth, outcome.transaction.effects, author)
            terms.tell_gone(self.truth, outcome.transaction.effects)
        for watcher, event in outcome.notifications:
            link = self._links.get(watcher)
            if link is not None:
                link.notify(event.path)


def _cancel(session: _Session) -> None:
    if session.expiry is not None:
        session.expiry.cancel()
        session.expiry = None

"""The registry's servers, and every client's link to them, in virtual time.

State and answers are those of the embedded registry's pure core; here are sessions that expire on the heap, latency,
and what networks and servers do wrong. Heartbeats are not played: a session whose link is whole lives, and only the
loss of the link schedules its end. The rule to keep: whatever arrives on a link arrives in the order in which it was
sent, and what belongs to an earlier connection is void.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from hfs_appliance.model.instants import MILLISECOND, SECOND, Duration, Instant
from sim.clock import Act, Timer, WorldClock
from sim.streams import Stream, Table
from sim.wire.zookeeper.core import Caller, Core, Outcome
from sim.wire.zookeeper.requests import Create, Read, Watching, Write
from sim.wire.zookeeper.results import Result
from sim.wire.zookeeper.tree import Tree
from sim.wire.zookeeper.values import OPEN

T = TypeVar("T")

LATENCY: Final = Table(((0, 300_000), (500, 500_000), (990, 2_000_000), (1000, 10_000_000)))
"""One way, in ns. An ephemeral create reaches another client in 1.0 ms p50 (3.8.0, shared/design/measured-floors.md):
two ways and a commit; the tail is an assumption."""
RECONNECT: Final = Table.of_ms((0, 5), (500, 300), (1000, 1_000))
"""From the instant at which a server can be reached again to the next attempt: kazoo's pauses of 50 ms to 1 s."""
TICK: Final = Duration(2 * SECOND)
"""tickTime: a session expires up to this much late (measured: timeout 4 s, seen after 4.1 to 6.0 s)."""
_SESSION_BITS: Final = 1 << 56


class Listener(Protocol):
    """The client at the end of a link."""

    def connected(self, session_id: int, asked_at: Instant) -> None:
        """Hear that a session was made or taken up again."""
        ...

    def suspended(self) -> None:
        """Hear that the connection is gone; what was asked and not answered never will be."""
        ...

    def lost(self) -> None:
        """Hear that the session has ended."""
        ...

    def changed(self, path: str) -> None:
        """Hear that a watch fired."""
        ...


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

    def __init__(self, clock: WorldClock, stream: Stream) -> None:
        self.clock: Final = clock
        self.stream: Final = stream
        self.core = Core(b"simulated")
        self.is_up = True
        self.is_frozen = False
        """Whether it keeps its connections and does nothing."""
        self.slowness = 1
        """Factor on every latency."""
        self.loses_answers_per_mille = 0
        """Writes that are carried out, and whose connection breaks before the answer."""
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

    def expire(self, session_id: int) -> None:
        """End a session, as if its client had been silent for too long."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        _cancel(session)
        self._publish(self.core.close_session(session_id, zxid=self.core.zxid + 1, time_ms=self._time_ms()))
        if session.link is not None:
            session.link.break_off()

    def put(self, path: str, value: bytes) -> None:
        """H10: write an entry by hand, as nobody's client."""
        request = Create(path=path, value=value, access=OPEN)
        zxid = self.core.zxid + 1
        self._publish(self.core.write(request, Caller(watcher=0, session_id=0), zxid=zxid, time_ms=self._time_ms()))

    def snapshot(self) -> Snapshot:
        """Copy the content."""
        timeouts = {session_id: session.timeout for session_id, session in self._sessions.items()}
        return Snapshot(copy.deepcopy(self.core.tree), timeouts)

    def restore(self, snapshot: Snapshot | None) -> None:
        """Restart with an older content, or with none: later sessions are unknown, zxids go on.

        (A server whose zxids begin anew is never joined again by clients that have seen later ones.)
        """
        was_up = self.is_up
        self.stop()
        core = Core(b"simulated")
        core.zxid = self.core.zxid + 1
        self.core, self._sessions = core, {}
        if snapshot is not None:
            core.tree = copy.deepcopy(snapshot.tree)
            for session_id, timeout in snapshot.sessions.items():
                core.sessions.open(session_id, timeout // MILLISECOND, self._time_ms())
                self._sessions[session_id] = _Session(timeout)
        if was_up:
            self.start()

    # The links' side

    def latency(self) -> int:
        """Draw the time that one message takes."""
        return self.stream.draw(LATENCY) * self.slowness

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
            self._publish(self.core.open_session(session_id, timeout_ms, now_ms=now_ms, zxid=zxid, time_ms=now_ms))
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
        self._publish(outcome)
        if outcome.transaction is not None and self.stream.chance(self.loses_answers_per_mille):
            link.break_off()
        return outcome.result

    def read(self, request: Read, link: Link) -> Result:
        """Answer a question."""
        return self.core.read(request, self._caller(link))

    def watch(self, request: Watching, link: Link) -> None:
        """Add a watch."""
        self._publish(self.core.watch(request, self._caller(link)))

    def close(self, link: Link) -> None:
        """End a session at its client's wish."""
        self.expire(link.session_id)

    def _caller(self, link: Link) -> Caller:
        return Caller(watcher=link.number, session_id=link.session_id)

    def _time_ms(self) -> int:
        return self.clock.now() // MILLISECOND

    def _publish(self, outcome: Outcome) -> None:
        for watcher, event in outcome.notifications:
            link = self._links.get(watcher)
            if link is not None:
                link.notify(event.path)


def _cancel(session: _Session) -> None:
    if session.expiry is not None:
        session.expiry.cancel()
        session.expiry = None


class Link:
    """One client's network to the registry, with the session that it carries."""

    def __init__(self, ensemble: Ensemble, timeout: Duration, listener: Listener) -> None:
        self.session_id = 0
        self.is_connected = False
        """As the client believes."""
        self.silent_since: Instant | None = None
        """Since when nothing gets through although nobody has noticed."""
        self._ensemble = ensemble
        self._clock = ensemble.clock
        self._timeout = timeout
        self._listener = listener
        self._is_cut = False
        self._is_dead = False
        self._turn = 0
        """Counts connections."""
        self._last_turn = 0
        """The connection that a dead client had."""
        self._holds_requests = self._holds_answers = False
        self._held: list[Act] = []
        self._requests_until = self._answers_until = 0
        self._marks: set[str] = set()
        self.number = ensemble.join(self)
        self.try_again()

    # Faults

    def cut(self) -> None:
        """Cut the network, with a reset that both sides notice."""
        self._is_cut = True
        self.break_off()

    def go_silent(self, *, requests: bool = True) -> None:
        """Let nothing through any more: answers, or both ways. The client notices after two thirds of its timeout."""
        if not self.is_connected or self.silent_since is not None:
            return
        self._holds_requests, self._holds_answers = requests, True
        self.silent_since = self._clock.now()
        if requests:
            self._ensemble.unheard(self.session_id)
        turn = self._turn

        def notice() -> None:
            if self._turn == turn and self.silent_since is not None:
                self._is_cut = True
                self.break_off()

        self._clock.after(self._timeout * 2 // 3, notice)

    def heal(self) -> None:
        """Make the network whole: what was held arrives, if its connection lasted."""
        self._is_cut = False
        if self.silent_since is not None:
            self._listen_again()
            self._ensemble.heard(self.session_id)
        self.try_again()

    def die(self) -> None:
        """End the client as kill -9 does: what it has sent arrives, nothing else is ever heard of it."""
        if not self._is_dead:
            self._is_dead = True
            self._last_turn = self._turn
            self._detach()
            self._ensemble.leave(self)

    # The client's side

    def request(self, carry_out: Callable[[], T], answer: Callable[[T], None], *, costs: int = 0) -> None:
        """Have the servers do something, and hear the answer; neither if the connection breaks before."""
        turn = self._turn

        def arrive() -> None:
            if turn in (self._turn, self._last_turn) and self._ensemble.knows(self.session_id):
                result = carry_out()
                if self._turn == turn:
                    self._post(lambda: answer(result), costs)

        if self._holds_requests:
            self._held.append(arrive)
            return
        self._requests_until = max(self._requests_until, self._clock.now() + self._ensemble.latency())
        self._clock.at(self._requests_until, arrive)

    def close(self, closed: Act) -> None:
        """End the session in order."""
        self.request(lambda: self._ensemble.close(self), lambda _: None)
        self._clock.after(self._ensemble.latency(), closed)
        self._is_dead = True
        self._clock.after(SECOND, lambda: self._ensemble.leave(self))

    # The servers' side

    def notify(self, path: str) -> None:
        """Tell of a change; what is not told yet goes into one message."""
        if not self._marks:
            self._post(self._tell)
        self._marks.add(path)

    def break_off(self) -> None:
        """Lose the connection now; try again as soon as that makes sense."""
        if self.is_connected:
            self._detach()
            self._listener.suspended()
        self.try_again()

    def try_again(self) -> None:
        """Try to connect soon, if the servers can be reached."""
        if self._is_dead or self.is_connected or not self._is_reachable():
            return
        self._turn += 1
        turn = self._turn
        asked_at = self._clock.now() + self._ensemble.stream.draw(RECONNECT)

        def arrive() -> None:
            if self._turn == turn and self._is_reachable():
                self._connect(Instant(asked_at))

        self._clock.at(asked_at + 2 * self._ensemble.latency(), arrive)

    def _is_reachable(self) -> bool:
        return self._ensemble.is_up and not self._ensemble.is_frozen and not self._is_cut

    def _connect(self, asked_at: Instant) -> None:
        session_id = self._ensemble.accept(self, self._timeout)
        if session_id == 0:
            self.session_id = 0
            self._listener.lost()
            self.try_again()
            return
        self.session_id = session_id
        self.is_connected = True
        self._listener.connected(session_id, asked_at)

    def _detach(self) -> None:
        self._turn += 1
        self.is_connected = False
        self._marks.clear()
        self._held.clear()
        self._holds_requests = self._holds_answers = False
        self.silent_since = None
        self._ensemble.core.watches.drop(self.number)
        self._ensemble.unheard(self.session_id)

    def _listen_again(self) -> None:
        self.silent_since = None
        self._holds_requests = self._holds_answers = False
        held, self._held = self._held, []
        for act in held:
            self._clock.after(self._ensemble.latency(), act)

    def _post(self, deliver: Act, costs: int = 0) -> None:
        turn = self._turn

        def arrive() -> None:
            if self._turn == turn:
                deliver()

        if self._holds_answers:
            self._held.append(arrive)
            return
        self._answers_until = max(self._answers_until, self._clock.now() + self._ensemble.latency() + costs)
        self._clock.at(self._answers_until, arrive)

    def _tell(self) -> None:
        marks, self._marks = self._marks, set()
        for path in sorted(marks):
            self._listener.changed(path)

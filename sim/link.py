"""One client's network to the registry, and the session that it carries, in virtual time.

The rule to keep: whatever arrives on a link arrives in the order in which it was sent, and what belongs to an earlier
connection is void.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from hfs_appliance.model.instants import MILLISECOND, SECOND, Duration, Instant
from sim.clock import Act
from sim.ensemble import Ensemble
from sim.entries import Author
from sim.streams import Table
from sim.truth import RegistryCut, RegistryReached
from sim.uplink import Uplink
from sim.wire.zookeeper.tree import Tree

T = TypeVar("T")

RECONNECT: Final = Table.of_ms((0, 5), (500, 300), (1000, 1_000))
"""From the instant at which a server can be reached again to the next attempt: kazoo's pauses of 50 ms to 1 s."""
LARGE: Final = MILLISECOND
"""Answers that cost the client more than this do not fit into one packet."""


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


@dataclass(slots=True, eq=False)
class _Request(Generic[T]):
    """One request on its way. No closures: one that refers to itself stays until the collector comes.

    The agents of a whole fleet ask at once when a registry is back; to search what they leave took a third of the time.
    """

    link: Link
    turn: int
    """The connection that it was sent over."""
    carry_out: Callable[[], T]
    answer: Callable[[T], None]
    costs: int
    is_write: bool

    def arrive(self) -> None:
        """Come to the servers."""
        self.link.arrive(self)

    def commit(self) -> None:
        """Be carried out by them."""
        self.link.commit(self)


class Link:
    """One client's network to the registry, with the session that it carries."""

    def __init__(
        self,
        ensemble: Ensemble,
        timeout: Duration,
        listener: Listener,
        author: Author = Author.AGENT,
        *,
        uplink: Uplink | None = None,
    ) -> None:
        self.author: Final = author
        """Who writes over it."""
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
        self._is_stopped = False
        """Whether the client stands still, and notices nothing."""
        self._is_broken = False
        """Whether its connection is gone and it has not noticed."""
        self.turn = 0
        """Counts connections."""
        self._last_turn = 0
        """The connection that a dead client had."""
        self._holds_requests = self._holds_answers = False
        self._held: list[Act] = []
        self._requests_until = self._answers_until = 0
        self._marks: set[str] = set()
        self._heard_at = self._clock.now()
        self._behind: Tree | None = None
        """What its server knows, when that lags behind the others."""
        self._catching_up: list[Act] = []
        """What waits for its server to catch up."""
        self._uplink: Final = uplink or Uplink()
        self._uplink.carry(self)
        self.number = ensemble.join(self)
        self.try_again()

    # Faults

    def cut(self) -> None:
        """Cut the network, with a reset that both sides notice."""
        self._is_cut = True
        self.break_off()

    def go_silent(self, *, requests: bool = True, is_way_broken: bool = True) -> None:
        """Let nothing through any more: answers, or both ways. The client notices after two thirds of its timeout.

        When only this connection is stuck, not the way, the client then has a new one.
        """
        if not self.is_connected or self.silent_since is not None:
            return
        self._holds_requests, self._holds_answers = requests, True
        self.silent_since = self._clock.now()
        self._tell_truth(hears=False)
        if requests:
            self._ensemble.unheard(self.session_id)
        self._notice_later(is_way_broken=is_way_broken)

    def _notice_later(self, *, is_way_broken: bool = True) -> None:
        turn = self.turn

        def notice() -> None:
            if self.turn == turn and self.silent_since is not None:
                self._is_cut = is_way_broken
                self.break_off()

        self._clock.after(self._timeout * 2 // 3, notice)

    def heal(self) -> None:
        """Make the network whole: what was held arrives, if its connection lasted."""
        if self._ensemble.is_frozen or not self._uplink.is_whole:
            return
        self._is_cut = False
        if self._is_stopped:
            return
        if self.silent_since is not None:
            self._listen_again()
            self._ensemble.heard(self.session_id)
        self.try_again()

    def stop(self) -> None:
        """Let the client stand still (SIGSTOP): it says and takes nothing, while its kernel keeps the connection."""
        self._is_stopped = True
        if self.is_connected and self.silent_since is None:
            self._holds_answers = True
            self.silent_since = self._clock.now()
            self._tell_truth(hears=False)
            self._ensemble.unheard(self.session_id)

    def go_on(self) -> None:
        """Let the client go on (SIGCONT): a moment later it notices what has become of its connection."""
        self._is_stopped = False

        def notice() -> None:
            if self._is_stopped or self._is_dead:
                return
            if self._is_broken:
                self._is_broken = False
                self._listener.suspended()
                self.try_again()
            elif self._ensemble.is_frozen or not self._uplink.is_whole:
                self._notice_later()
            else:
                self.heal()

        self._clock.after(2 * self._latency(), notice)

    def die(self) -> None:
        """End the client as kill -9 does: what it has sent arrives, nothing else is ever heard of it."""
        if not self._is_dead:
            self._is_dead = True
            self._last_turn = self.turn
            self._detach()
            self._ensemble.leave(self)
            self._uplink.drop(self)

    def fall_behind(self) -> None:
        """Z7: let the server at the other end learn nothing new; it goes on answering from what it knows."""
        if self.is_connected and self._behind is None:
            self._behind = self._ensemble.core.tree.copy()

    def catch_up(self) -> None:
        """Let the server learn what it has missed, and tell what waited for that."""
        self._behind = None
        waiting, self._catching_up = self._catching_up, []
        for act in waiting:
            act()

    # The client's side

    @property
    def tree(self) -> Tree:
        """What the server at the other end knows."""
        return self._behind or self._ensemble.core.tree

    def request(
        self, carry_out: Callable[[], T], answer: Callable[[T], None], *, costs: int = 0, is_write: bool = False
    ) -> None:
        """Have the servers do something, and hear the answer; neither if the connection breaks before.

        A write is carried out by the leader, and answered by a server that knows of it; what follows it waits for it.
        """
        if self._is_broken:
            return
        request = _Request(self, self.turn, carry_out, answer, costs, is_write)
        if self._holds_requests:
            self._held.append(request.arrive)
            return
        self._requests_until = max(self._requests_until, self._clock.now() + self._latency())
        self._clock.at(self._requests_until, request.arrive)

    def arrive(self, request: _Request[T]) -> None:
        """Take a request at the servers."""
        if request.turn in (self.turn, self._last_turn) and self._ensemble.knows(self.session_id):
            if self._catching_up and not request.is_write:
                self._catching_up.append(request.arrive)
            elif request.is_write and self._ensemble.holds_writes:
                self._ensemble.hold(request.commit)
                self.go_silent(requests=False, is_way_broken=False)
            else:
                self.commit(request)

    def commit(self, request: _Request[T]) -> None:
        """Carry a request out, and send the answer."""
        if not self._ensemble.knows(self.session_id):
            return
        result = request.carry_out()
        if self.turn != request.turn:
            return
        if request.costs > LARGE and self._uplink.loses_large_answers:
            self.go_silent(requests=False, is_way_broken=False)
        deliver = partial(request.answer, result)
        if request.is_write and self._behind is not None:
            self._catching_up.append(partial(self._post, deliver, request.costs))
        else:
            self._post(deliver, request.costs)

    def close(self, closed: Act) -> None:
        """End the session in order."""
        self.request(lambda: self._ensemble.close(self), lambda _: None)
        self._clock.after(self._latency(), closed)
        self._is_dead = True
        self._uplink.drop(self)
        self._clock.after(SECOND, lambda: self._ensemble.leave(self))

    # The servers' side

    def notify(self, path: str) -> None:
        """Tell of a change; what is not told yet goes into one message."""
        if not self._marks:
            if self._behind is not None:
                self._catching_up.append(lambda: self._post(self._tell))
            else:
                self._post(self._tell)
        self._marks.add(path)

    def break_off(self) -> None:
        """Lose the connection now; try again as soon as that makes sense."""
        if self.is_connected:
            self._detach()
            if self._is_stopped:
                self._is_broken = True
            else:
                self._listener.suspended()
        self.try_again()

    def try_again(self) -> None:
        """Try to connect soon, if the servers can be reached."""
        if self._is_dead or self._is_stopped or self._is_broken or self.is_connected or not self._is_reachable():
            return
        self.turn += 1
        turn = self.turn
        asked_at = self._clock.now() + self._ensemble.stream.draw(RECONNECT)

        def arrive() -> None:
            if self.turn == turn and self._is_reachable() and not self._is_stopped:
                self._connect(Instant(asked_at))

        self._clock.at(asked_at + 2 * self._latency(), arrive)

    def _latency(self) -> int:
        return self._ensemble.latency(self._uplink.slowness - 1)

    def _is_reachable(self) -> bool:
        ensemble = self._ensemble
        # A new session is a write; an old one can be taken up again without one.
        can_begin = bool(self.session_id) or not ensemble.holds_writes
        return ensemble.is_up and not ensemble.is_frozen and not self._is_cut and self._uplink.is_whole and can_begin

    def _connect(self, asked_at: Instant) -> None:
        session_id = self._ensemble.accept(self, self._timeout)
        if session_id == 0:
            self.session_id = 0
            self._listener.lost()
            self.try_again()
            return
        self.session_id = session_id
        self.is_connected = True
        self._tell_truth(hears=True)
        self._listener.connected(session_id, asked_at)

    @property
    def heard_at(self) -> Instant:
        """When the client could hear the servers last."""
        return self.silent_since or self._clock.now() if self.is_connected else self._heard_at

    def _detach(self) -> None:
        self._heard_at = self.heard_at
        if self.is_connected and self.silent_since is None:
            self._tell_truth(hears=False)
        self.turn += 1
        self.is_connected = False
        self._marks.clear()
        self._held.clear()
        self._behind = None
        self._catching_up.clear()
        self._holds_requests = self._holds_answers = False
        self.silent_since = None
        self._ensemble.core.watches.drop(self.number)
        self._ensemble.unheard(self.session_id)

    def _listen_again(self) -> None:
        self.silent_since = None
        self._tell_truth(hears=True)
        self._holds_requests = self._holds_answers = False
        held, self._held = self._held, []
        for act in held:
            self._clock.after(self._latency(), act)

    def _post(self, deliver: Act, costs: int = 0) -> None:
        turn = self.turn

        def arrive() -> None:
            if self.turn == turn:
                deliver()

        if self._holds_answers:
            self._held.append(arrive)
            return
        self._answers_until = max(self._answers_until, self._clock.now() + self._latency() + costs)
        self._clock.at(self._answers_until, arrive)

    def _tell(self) -> None:
        marks, self._marks = self._marks, set()
        for path in sorted(marks):
            self._listener.changed(path)

    def _tell_truth(self, *, hears: bool) -> None:
        if self.author is Author.PLANE:
            self._ensemble.truth.tell(RegistryReached(client=self.number) if hears else RegistryCut(client=self.number))

"""One client's network to the registry, and the session that it carries, in virtual time.

The rule to keep: whatever arrives on a link arrives in the order in which it was sent, and what belongs to an earlier
connection is void.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from hfs_appliance.model.instants import SECOND, Duration, Instant
from sim.clock import Act
from sim.ensemble import Ensemble
from sim.entries import Author
from sim.streams import Table
from sim.truth import RegistryCut, RegistryReached

T = TypeVar("T")

RECONNECT: Final = Table.of_ms((0, 5), (500, 300), (1000, 1_000))
"""From the instant at which a server can be reached again to the next attempt: kazoo's pauses of 50 ms to 1 s."""


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


class Link:
    """One client's network to the registry, with the session that it carries."""

    def __init__(
        self, ensemble: Ensemble, timeout: Duration, listener: Listener, author: Author = Author.AGENT
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
        self._turn = 0
        """Counts connections."""
        self._last_turn = 0
        """The connection that a dead client had."""
        self._holds_requests = self._holds_answers = False
        self._held: list[Act] = []
        self._requests_until = self._answers_until = 0
        self._marks: set[str] = set()
        self._heard_at = self._clock.now()
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
        self._tell_truth(hears=False)
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
        self._tell_truth(hears=True)
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

    def _tell_truth(self, *, hears: bool) -> None:
        if self.author is Author.PLANE:
            self._ensemble.truth.tell(RegistryReached(client=self.number) if hears else RegistryCut(client=self.number))

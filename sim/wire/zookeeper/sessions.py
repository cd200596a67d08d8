"""Sessions: who lives, until when. Time comes in (any monotonic milliseconds); nothing here waits.

Each session has one valid entry in a heap. A sign of life only moves the deadline in the session: the heap's entry is
looked at again when it comes up, so that a ping costs nothing and expiry never walks over all sessions.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Session:
    """One session."""

    session_id: int
    timeout_ms: int
    deadline_ms: int
    queued_ms: int = 0
    """Instant of its valid entry in the heap."""


class Sessions:
    """All living sessions. `secret` makes the passwords, and must be the same after a restart."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._living: dict[int, Session] = {}
        self._heap: list[tuple[int, int]] = []

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._living

    def __len__(self) -> int:
        return len(self._living)

    def all(self) -> list[Session]:
        """List the sessions by id."""
        return [self._living[session_id] for session_id in sorted(self._living)]

    def password(self, session_id: int) -> bytes:
        """Give the 16 bytes that prove ownership of a session."""
        return hashlib.blake2b(session_id.to_bytes(8, "big", signed=True), key=self._secret, digest_size=16).digest()

    def open(self, session_id: int, timeout_ms: int, now_ms: int) -> None:
        """Let a session begin."""
        session = Session(session_id=session_id, timeout_ms=timeout_ms, deadline_ms=now_ms + timeout_ms)
        self._living[session_id] = session
        self._queue(session)

    def close(self, session_id: int) -> None:
        """Let a session end; its entry in the heap is dropped when it comes up."""
        self._living.pop(session_id, None)

    def resume(self, session_id: int, timeout_ms: int, now_ms: int) -> None:
        """Carry on with a session over a new connection, which has negotiated the timeout again (until a restart)."""
        session = self._living[session_id]
        session.timeout_ms = timeout_ms
        session.deadline_ms = now_ms + timeout_ms
        # The deadline may be earlier than the entry in the heap, which then would come up too late.
        self._queue(session)

    def touch(self, session_id: int, now_ms: int) -> bool:
        """Note a sign of life; False when the session is gone."""
        session = self._living.get(session_id)
        if session is None:
            return False
        session.deadline_ms = now_ms + session.timeout_ms
        return True

    def renew_all(self, now_ms: int) -> None:
        """Give every session its full timeout again: the server was away, not they."""
        for session in self._living.values():
            session.deadline_ms = session.queued_ms = now_ms + session.timeout_ms
        self._heap = sorted((session.deadline_ms, session.session_id) for session in self._living.values())

    def expired(self, now_ms: int) -> list[int]:
        """List the sessions whose time is over, in the order of their deadlines, once: the caller closes them."""
        over = []
        while self._heap and self._heap[0][0] <= now_ms:
            queued_ms, session_id = heapq.heappop(self._heap)
            session = self._living.get(session_id)
            if session is None or session.queued_ms != queued_ms:
                continue
            if session.deadline_ms > now_ms:
                self._queue(session)
            else:
                session.queued_ms = 0
                over.append(session_id)
        return over

    def next_deadline_ms(self) -> int | None:
        """Give the instant at which `expired` is worth asking again; None without sessions."""
        return self._heap[0][0] if self._heap else None

    def _queue(self, session: Session) -> None:
        session.queued_ms = session.deadline_ms
        heapq.heappush(self._heap, (session.queued_ms, session.session_id))

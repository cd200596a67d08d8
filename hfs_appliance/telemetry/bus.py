"""EventBus: the one stream of what happened, and everybody who listens to it.

Folds (journal, metrics) are called in order, within `emit`. Readers (API, console) follow the ring of the newest events
at their own pace: a slow one costs nobody anything and is told what it missed. Only the trio thread may touch the bus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final, TypeAlias

import trio

from hfs_appliance.model.events import Event, EventsSkipped, PartFailed, Recorded
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.events import EventSink

Fold: TypeAlias = Callable[[Recorded], None]

KEPT: Final = 10_000
_ACTOR: Final = "telemetry"


class EventBus(EventSink):
    """Numbers events, keeps the newest `kept` of them, and hands each one to the folds and the readers.

    `last_seq` is the last number given in an earlier life (from the journal), so that a number is never used twice.
    """

    def __init__(self, clock: Clock, *, kept: int = KEPT, last_seq: int = 0) -> None:
        self._clock = clock
        self._ring: deque[Recorded] = deque(maxlen=kept)
        self._last_seq = last_seq
        self._folds: dict[str, Fold] = {}
        self._failing: set[str] = set()
        self._undelivered: deque[Recorded] = deque()
        self._is_delivering = False
        self._readers = trio.lowlevel.ParkingLot()

    @property
    def last_seq(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._last_seq

    def emit(self, actor: str, event: Event, *, cause: int | None = None) -> int:
        """Put `event` on the stream and give its sequence number."""
        self._last_seq += 1
        recorded = Recorded(seq=self._last_seq, at=self._clock.now(), actor=actor, event=event, cause=cause)
        self._ring.append(recorded)
        self._undelivered.append(recorded)
        self._deliver()
        self._readers.unpark_all()
        return recorded.seq

    def subscribe(self, name: str, fold: Fold) -> None:
        """Call `fold` with every event from now on; `name` is how its failures are told."""
        assert name not in self._folds, name
        self._folds[name] = fold

    async def follow(self, after: int, *, is_following: bool) -> AsyncGenerator[Recorded, None]:
        """Give the events with seq > `after` that are still kept; then, when following, each new one.

        A reader that asks for (or has fallen behind to) events that are gone gets one EventsSkipped in their place;
        `after` 0 means from the oldest one kept.
        """
        await trio.lowlevel.checkpoint()
        wanted = after + 1 if after else self._oldest_seq()
        while True:
            while wanted <= self._last_seq:
                oldest = self._oldest_seq()
                if wanted < oldest:
                    yield self._skipped(wanted, oldest)
                    wanted = oldest
                    continue
                yield self._ring[wanted - oldest]
                wanted += 1
            if not is_following:
                return
            await self._readers.park()

    def _oldest_seq(self) -> int:
        return self._last_seq - len(self._ring) + 1

    def _skipped(self, wanted: int, oldest: int) -> Recorded:
        return Recorded(
            seq=oldest - 1, at=self._clock.now(), actor=_ACTOR, event=EventsSkipped(count=oldest - wanted), cause=None
        )

    def _deliver(self) -> None:
        """Hand over what is due, in order, also when a fold emits something itself."""
        if self._is_delivering:
            return
        self._is_delivering = True
        while self._undelivered:
            recorded = self._undelivered.popleft()
            for name, fold in self._folds.items():
                self._call(name, fold, recorded)
        self._is_delivering = False

    def _call(self, name: str, fold: Fold, recorded: Recorded) -> None:
        try:
            fold(recorded)
        except Exception as error:  # noqa: BLE001 - whatever a fold does, its emitter must not be hurt
            if name not in self._failing:
                self._failing.add(name)
                self.emit(_ACTOR, PartFailed(part=name, words=f"{type(error).__name__}: {error}"), cause=recorded.seq)
        else:
            self._failing.discard(name)

"""A client's link to the simulated registry: what was asked and answered leaves nothing behind."""

from __future__ import annotations

import gc

from hfs_appliance.model.instants import Instant, seconds
from sim.clock import WorldClock
from sim.ensemble import Ensemble
from sim.link import Link
from sim.streams import Streams


class Client:
    """Hears, and does nothing."""

    def connected(self, session_id: int, asked_at: Instant) -> None:
        """Hear that there is a session."""

    def suspended(self) -> None:
        """Hear that the connection is gone."""

    def lost(self) -> None:
        """Hear that the session is gone."""

    def changed(self, path: str) -> None:
        """Hear of a change."""


def test_requests_leave_nothing_for_the_collector() -> None:
    clock = WorldClock()
    ensemble = Ensemble(clock, Streams(1).named("registry"))
    link = Link(ensemble, seconds(4), Client())
    answers: list[int] = []

    def ask(number: int) -> None:
        link.request(lambda: number, answers.append, is_write=bool(number % 2))

    def play(until_s: float) -> None:
        clock.deadline_to_sleep_time(until_s)

    play(5)
    assert link.is_connected
    gc.collect()
    gc.disable()
    try:
        for number in range(10):
            ask(number)
        play(10)
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert answers == list(range(10))

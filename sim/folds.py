"""What listens to a run: a fold over the product's events and the world's truth, told only what it has asked for."""

from __future__ import annotations

from typing import ClassVar

from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.instants import Instant
from sim.truth import Fact


class Fold:
    """Base of checkers and metrics; each overrides what it needs."""

    hears: ClassVar[tuple[type[Event], ...]] = ()
    """Events of the product that it asks for."""
    sees: ClassVar[tuple[type[Fact], ...]] = ()
    """Facts of the world that it asks for."""

    def hear(self, recorded: Recorded) -> None:
        """Take an event."""

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact; census and weather know it already."""

    def finish(self, now: Instant) -> None:
        """Judge or close what can only be judged or closed at the end."""

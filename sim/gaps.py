"""Gaps: the spans in which a service has fewer instances that serve than it should have, in truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Duration, Instant
from sim.census import Census
from sim.entries import DesiredStored
from sim.truth import ConditionChanged, Fact, MachineHidden, StoryBegun


class Gaps:
    """Folds what a checker and a measure both need; `closed` is told of each gap that ends."""

    SEES: Final = (ConditionChanged, DesiredStored, StoryBegun, MachineHidden)

    def __init__(self, census: Census, closed: Callable[[ServiceName, Duration], None]) -> None:
        self._census = census
        self._closed = closed
        self._has_begun = False
        self._since: dict[ServiceName, Instant] = {}

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow the services that a fact concerns; before the story has begun nothing is a gap."""
        self._has_begun = self._has_begun or isinstance(fact, StoryBegun)
        if not self._has_begun:
            return
        if not isinstance(fact, ConditionChanged):
            for name in self._census.services:
                self._look(now, name)
        elif fact.service is not None:
            self._look(now, fact.service)

    def finish(self, now: Instant) -> None:
        """End what is open still."""
        for name in list(self._since):
            self._close(now, name)

    def _look(self, now: Instant, name: ServiceName) -> None:
        service = self._census.service(name)
        if service.serving < service.desired:
            self._since.setdefault(name, now)
        elif name in self._since:
            self._close(now, name)

    def _close(self, now: Instant, name: ServiceName) -> None:
        self._closed(name, Duration(now - self._since.pop(name)))

"""The checker of generations: what has been replaced by something newer is never shown again (S7)."""

from __future__ import annotations

from collections import deque
from typing import Final

from hfs_appliance.model.events import ApplianceStarted, DesiredChanged, Recorded
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.proxy.routing import RESERVED
from sim.checkers.base import Case, Checker
from sim.entries import Author, DesiredStored
from sim.truth import Fact, RegistryReplaced, RoutesServed


class Generations(Checker):
    """The stored generation rises, the one in force follows it, and routes are those of one that was stored."""

    name = "generations"
    ids = ("S7", "S11")
    promise = (
        "the desired state's generation only rises, and the services routed are those of the newest ones, in order"
    )
    hears = (DesiredChanged, ApplianceStarted)
    sees = (DesiredStored, RegistryReplaced, RoutesServed)

    KEPT: Final = 100

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._stored = 0
        self._in_force = 0
        self._routed = 0
        self._services: deque[tuple[int, frozenset[ServiceName]]] = deque(maxlen=self.KEPT)

    def hear(self, recorded: Recorded) -> None:
        """Follow what is in force."""
        event = recorded.event
        if isinstance(event, ApplianceStarted):
            self._in_force = 0
        elif isinstance(event, DesiredChanged):
            if event.generation < self._in_force:
                self.accuse(f"generation {event.generation} takes effect after {self._in_force}")
            self._in_force = event.generation

    def see(self, now: Instant, fact: Fact) -> None:
        """Follow what is stored and what is routed."""
        del now
        match fact:
            case RegistryReplaced():
                self._stored = self._in_force = self._routed = 0
            case DesiredStored(desired=None):
                pass
            case DesiredStored():
                if fact.author is Author.PLANE and fact.generation <= self._stored:
                    self.accuse(f"generation {fact.generation} is stored over {self._stored}")
                self._stored = fact.generation
                assert fact.desired is not None
                self._services.append((fact.generation, frozenset(fact.desired.services) - RESERVED))
            case RoutesServed():
                self._judge(fact)
            case _:
                pass

    def _judge(self, fact: RoutesServed) -> None:
        routed = fact.table.routes.keys()
        for generation, services in reversed(self._services):
            if routed == services:
                if generation < self._routed:
                    self.accuse(f"the proxy serves the services of generation {generation} after {self._routed}")
                self._routed = generation
                return
        self.accuse(f"the proxy serves {len(routed)} services, which no stored generation asks for")

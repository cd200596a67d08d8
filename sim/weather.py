"""The weather: since when the control plane could do its work, as far as the world lets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hfs_appliance.model.events import Recorded, RoutesPublished, RoutesRefused
from hfs_appliance.model.instants import SECOND, Instant
from sim.clock import EPOCH
from sim.truth import (
    ApiCalled,
    ControlPlaneKilled,
    ControlPlaneStarted,
    Fact,
    FaultBegun,
    FaultEnded,
    RegistryCut,
    RegistryReached,
    RegistryReplaced,
    RoutesAsked,
    RoutesServed,
)

BLUR: Final = "list-unknown"
"""The fault that makes lists say nothing of a server but its name."""


class Weather:
    """Folds what keeps the control plane from seeing and acting."""

    hears = (RoutesRefused, RoutesPublished)

    def __init__(self) -> None:
        self.planes = 0
        """Control planes that run."""
        self.connected: dict[int, None] = {}
        """Control planes that the registry hears."""
        self.cut_at = EPOCH
        """When the last of them was cut off, while none is heard."""
        self.died_at = EPOCH
        self.listed_at = EPOCH
        """When the last whole list of servers was asked for."""
        self.replaced_at = Instant(0)
        """When the registry's content was replaced last."""
        self.fault_at = EPOCH
        """When the last fault began or ended."""
        self.faults = 0
        """Faults that go on."""
        self._blurs = 0
        self.is_proxy_refusing = False
        self.routes_asked_at = EPOCH
        """When the proxy was asked for a table last."""
        self._is_proxy_busy = False
        self._sighted_since = self._refused_at = EPOCH
        self._takes: Mapping[type[Fact], Callable[[Instant, Any], None]] = {
            ControlPlaneStarted: self._started,
            ControlPlaneKilled: self._killed,
            RegistryReached: self._reached,
            RegistryCut: self._cut,
            RegistryReplaced: self._replaced,
            ApiCalled: self._called,
            RoutesAsked: self._asked,
            RoutesServed: self._served,
            FaultBegun: self._begun,
            FaultEnded: self._ended,
        }

    @property
    def are_lists_blurred(self) -> bool:
        """Whether the cloud's lists call servers UNKNOWN."""
        return self._blurs > 0

    @property
    def kinds(self) -> tuple[type[Fact], ...]:
        """Facts that are taken."""
        return tuple(self._takes)

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact."""
        self._takes[type(fact)](now, fact)

    def hear(self, recorded: Recorded) -> None:
        """Take an event: whether the proxy takes tables."""
        self.is_proxy_refusing = isinstance(recorded.event, RoutesRefused)
        self._is_proxy_busy = False

    @property
    def sighted_since(self) -> Instant | None:
        """Since when a control plane runs and is connected to the registry; None: it is not so."""
        return self._sighted_since if self.planes and self.connected else None

    @property
    def able_since(self) -> Instant | None:
        """Since when, besides, the cloud has refused nothing; None: it is not so.

        Other faults may fly: of those the control plane must know by itself.
        """
        sighted = self.sighted_since
        return None if sighted is None else max(sighted, self._refused_at)

    def calm_since(self) -> Instant | None:
        """Since when, besides, no fault goes on; None: it is not so."""
        able = self.able_since
        return None if able is None or self.faults else max(able, self.fault_at)

    def is_proxy_slow(self, now: Instant) -> bool:
        """Tell whether the proxy refuses tables, or has been busy with one for long."""
        return self.is_proxy_refusing or (self._is_proxy_busy and now - self.routes_asked_at > SECOND)

    def _started(self, now: Instant, _: ControlPlaneStarted) -> None:
        self.planes += 1
        self._sighted_since = now

    def _killed(self, now: Instant, _: ControlPlaneKilled) -> None:
        self.planes -= 1
        self.died_at = now
        self._is_proxy_busy = False  # whoever asked waits no more

    def _reached(self, now: Instant, fact: RegistryReached) -> None:
        if not self.connected:
            self._sighted_since = now
        self.connected[fact.client] = None

    def _cut(self, now: Instant, fact: RegistryCut) -> None:
        self.connected.pop(fact.client, None)
        if not self.connected:
            self.cut_at = now

    def _replaced(self, now: Instant, _: RegistryReplaced) -> None:
        self.replaced_at = self._sighted_since = now

    def _called(self, now: Instant, fact: ApiCalled) -> None:
        if fact.call == "list" and not fact.refusal and fact.is_whole:
            self.listed_at = fact.asked_at
        elif fact.refusal not in ("", "Missing", "Conflict") or not fact.is_whole:
            self._refused_at = now

    def _asked(self, now: Instant, _: RoutesAsked) -> None:
        self.routes_asked_at = now
        self._is_proxy_busy = True

    def _served(self, _: Instant, __: RoutesServed) -> None:
        self._is_proxy_busy = False

    def _begun(self, now: Instant, fact: FaultBegun) -> None:
        self.faults += 1
        self._blurs += fact.kind == BLUR
        self.fault_at = now

    def _ended(self, now: Instant, fact: FaultEnded) -> None:
        self.faults -= 1
        self._blurs -= fact.kind == BLUR
        self.fault_at = now

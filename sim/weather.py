"""The weather: since when the control plane could do its work, as far as the world lets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hfs_appliance.model.events import Recorded, ResyncFoundDrift, RoutesPublished, RoutesRefused
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant
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
OMIT: Final = frozenset({"list-omits", "list-omits-zone", "list-stale", "list-unknown", "project-wrong"})
"""Faults under which a list may leave servers out, unsaid."""
DULL: Final = frozenset(
    {"registry-slow", "registry-loses-answers", "mcp-slow", "mcp-small-packets", "mcp-reads-old", "swizzle"}
)
"""Faults that make what the registry tells late, though it is connected."""
LOCKED: Final = "entries-locked"
"""The fault that has the registry refuse what the control plane writes."""
UNWATCHED: Final = "mcp-watches-lost"
"""The fault after which the control plane sees nothing but what it looks for once a minute, and cannot know it."""


class Weather:
    """Folds what keeps the control plane from seeing and acting."""

    hears = (RoutesRefused, RoutesPublished, ResyncFoundDrift)

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
        self._blurs = self._dulls = self._locks = self._omissions = 0
        self._dull_until = Instant(0)
        self._omitted_at = EPOCH
        self.are_watches_lost = False
        """Whether the registry has forgotten the control plane's watches, and nothing was missed by it yet."""
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

    def was_registry_dull(self, now: Instant, span: Duration) -> bool:
        """Tell whether, within a span until now, what the registry told was late."""
        return self._dulls > 0 or self._dull_until + span > now

    @property
    def kinds(self) -> tuple[type[Fact], ...]:
        """Facts that are taken."""
        return tuple(self._takes)

    def see(self, now: Instant, fact: Fact) -> None:
        """Take a fact."""
        self._takes[type(fact)](now, fact)

    def hear(self, recorded: Recorded) -> None:
        """Take an event: whether the proxy takes tables, and whether the control plane has missed something."""
        if isinstance(recorded.event, ResyncFoundDrift):
            self.are_watches_lost = False
            return
        self.is_proxy_refusing = isinstance(recorded.event, RoutesRefused)
        self._is_proxy_busy = False

    @property
    def sighted_since(self) -> Instant | None:
        """Since when a control plane runs and is connected to the registry; None: it is not so."""
        return self._sighted_since if self.planes and self.connected else None

    @property
    def able_since(self) -> Instant | None:
        """Since when, besides, neither cloud nor registry have refused anything; None: it is not so.

        Other faults may fly: of those the control plane must know by itself.
        """
        sighted = self.sighted_since
        return None if sighted is None or self._locks else max(sighted, self._refused_at)

    def calm_since(self) -> Instant | None:
        """Since when, besides, no fault goes on; None: it is not so."""
        able = self.able_since
        return None if able is None or self.faults else max(able, self.fault_at)

    def may_lists_omit(self, now: Instant) -> bool:
        """Tell whether the last list may have left servers out, unsaid."""
        return bool(self._omissions) or now - self._omitted_at < MINUTE

    def is_proxy_slow(self, now: Instant) -> bool:
        """Tell whether the proxy refuses tables, or has been busy with one for long."""
        return self.is_proxy_refusing or (self._is_proxy_busy and now - self.routes_asked_at > SECOND)

    def _started(self, now: Instant, _: ControlPlaneStarted) -> None:
        self.planes += 1
        self._sighted_since = now
        self.are_watches_lost = False

    def _killed(self, now: Instant, _: ControlPlaneKilled) -> None:
        self.planes -= 1
        self.died_at = now
        self._is_proxy_busy = False  # whoever asked waits no more

    def _reached(self, now: Instant, fact: RegistryReached) -> None:
        if not self.connected:
            self._sighted_since = now
        self.connected[fact.client] = None
        self.are_watches_lost = False

    def _cut(self, now: Instant, fact: RegistryCut) -> None:
        self.connected.pop(fact.client, None)
        if not self.connected:
            self.cut_at = now

    def _replaced(self, now: Instant, _: RegistryReplaced) -> None:
        self.replaced_at = self._sighted_since = now

    def _called(self, now: Instant, fact: ApiCalled) -> None:
        if fact.call == "list" and not fact.refusal and fact.is_whole:
            self.listed_at = max(self.listed_at, fact.asked_at)  # answers overtake each other
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
        self._dulls += fact.kind in DULL
        self._locks += fact.kind == LOCKED
        self._omissions += fact.kind in OMIT
        self.are_watches_lost = self.are_watches_lost or fact.kind == UNWATCHED
        self.fault_at = now

    def _ended(self, now: Instant, fact: FaultEnded) -> None:
        self.faults -= 1
        self._blurs -= fact.kind == BLUR
        if fact.kind == LOCKED:
            self._locks -= 1
            self._refused_at = now
        if fact.kind in DULL:
            self._dulls -= 1
            self._dull_until = now
        if fact.kind in OMIT:
            self._omissions -= 1
            self._omitted_at = now
        self.fault_at = now

"""Mutants of the endpoint: routes to what does not serve, routes lost by silence, documents that are old or cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hfs_appliance.model.maps import Map
from hfs_appliance.ports.registry import SessionState
from hfs_appliance.proxy import routing
from hfs_appliance.runtime import documents, publish
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.swagger.merge import DocumentState
from sim.mutants.base import Patch, among, mutant


@mutant(
    "routes-emptied-by-silence",
    breaks="members leave a route when their registrations do, be they the last ones and be they all at once",
    because="Z12, Z20: a registry that is restarted has no entries for seconds, and every service answers",
    caught_by="routes",
    world=among("registry-away", "sessions-expire-together"),
)
def routes_emptied_by_silence(patch: Patch) -> None:
    """Doubt no absence."""
    patch.set(routing, "_doubt", _never_in_doubt)


def _never_in_doubt(_cohort: object, _absent: int, _staying: int, **_: bool) -> str:
    return ""


def _always_in_doubt(_cohort: object, _absent: int, _staying: int, **_: bool) -> str:
    return "they stay"


def _never_condemned(_record: object, _service: object) -> bool:
    return False


@mutant(
    "unrouted-when-blind",
    breaks="while the registry is out of reach nothing counts as registered, and the routes are made from that",
    because="N1, Z12: the endpoint goes down with the registry that it hardly needs",
    caught_by="routes",
    world=among("mcp-cut", "registry-away"),
)
def unrouted_when_blind(patch: Patch) -> None:
    """Show an empty view, and believe it."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        def observation(self: RegistryObserver) -> Any:
            found = inner(self)
            if found is None or self._registry.session().state is SessionState.CONNECTED:
                return found
            return replace(found, value=replace(found.value, registrations=Map()))

        return observation

    patch.around(RegistryObserver, "observation", make)
    patch.set(RegistryObserver, "are_removals_believed", lambda _self: True)
    patch.set(routing, "_doubt", _never_in_doubt)


@mutant(
    "routes-never-shortened",
    breaks="a member whose registration is gone stays routed for ever",
    because="SmartStack and others kept ghosts in their files, and the address was given to another service",
    caught_by="whole",
    world=among("server-dies", "scale-in"),
)
def routes_never_shortened(patch: Patch) -> None:
    """Doubt every absence, whatever our records say."""
    patch.set(routing, "_doubt", _always_in_doubt)
    patch.set(routing, "_is_condemned", _never_condemned)


@mutant(
    "suspects-keep-their-address",
    breaks="a member without registration stays routed at an address at which somebody else has registered by now",
    because="V11: a new server got the address of a dead one, and customers saw the answers of another service",
    caught_by="astray",
    world=among("server-vanishes", servers=8, per_service=1, pool=0),
)
def suspects_keep_their_address(patch: Patch) -> None:
    """Forget who has registered where, and whose deletion is decided."""
    patch.set(routing, "_is_condemned", _never_condemned)

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(cohort: Any, known: Any, _taken: object, is_leaving: Any, *, removals_believed: bool) -> Any:
            return inner(cohort, known, frozenset(), is_leaving, removals_believed=removals_believed)

        return guarded

    patch.around(routing, "_guarded", make)


@mutant(
    "reload-storm",
    breaks="each change of a registration reloads the proxy",
    because="G5, Z20: each reload leaves workers behind that finish their requests, until memory is full",
    caught_by="reload-rate",
    world=among("registrations-flap", "zone-cut"),
)
def reload_storm(patch: Patch) -> None:
    """Wait for nothing between two reloads."""
    patch.set(publish, "after", lambda instant, _span: instant)


@mutant(
    "routes-late",
    breaks="a change of the registrations reaches the proxy minutes later",
    because="L6: replaced instances stand idle while those that are left are overrun",
    caught_by="in-step",
    world=among("sessions-expire", "scale-out"),
)
def routes_late(patch: Patch) -> None:
    """Reload a hundred times less often."""
    patch.set(publish, "after", lambda instant, span: instant + 100 * span)


@mutant(
    "broken-documents-left-out",
    breaks="a service whose document is broken for the moment vanishes from the merged one without a word",
    because="W1, W2: clients are generated from it, and lose half of their methods",
    caught_by="documents",
    world=among("document-broken", "document-absent"),
)
def broken_documents_left_out(patch: Patch) -> None:
    """Merge what is current."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        def assemble(prepared: Iterable[Any], **words: str) -> Any:
            return inner([one for one in prepared if one.status.state is DocumentState.CURRENT], **words)

        return assemble

    patch.around(documents, "assemble", make)

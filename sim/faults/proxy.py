"""Faults of the proxy and of the services' documents (G1 to G10 and W1 to W7 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults.menu import Struck, kind
from sim.faults.places import service_of
from sim.overlaps import union

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

OUTAGE = (SECOND, Duration(20 * MINUTE))

NONSENSE: Final = (
    b"<html>502 Bad Gateway</html>",
    b"",
    b'{"openapi": "3.0.3", "info": ',
    b'{"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": {"/a": {"$ref": "http://10.0.0.1/a"}}}',
    b'{"openapi": "3.0.3", "info": {"title": "{{ x }} {% raw %}", "version": "1"}, "paths": {"/{{y}}": {}}}',
    b"[" * 5_000,
)
"""W2, W6: no document, nothing, half of one, one that points elsewhere, one that is a template, one that is a well."""


# The proxy


@kind("proxy-refuses", "G2", words="the proxy refuses every configuration", spans=OUTAGE)
def proxy_refuses(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let nginx -t fail."""
    return _turn(sim, "refuses", value=True, words="the proxy refuses every configuration")


@kind("proxy-hangs", "G3", words="no reload of the proxy ends", spans=OUTAGE)
def proxy_hangs(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let reloads hang."""
    end = sim.overlaps.during("proxy hangs", sim.proxy.hang, sim.proxy.go_on)
    return Struck(words="no reload of the proxy ends", end=end)


@kind("proxy-slow", "G3", words="reloads take `amount` times as long", amounts=(2, 100), spans=OUTAGE)
def proxy_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow reloads down."""
    return _turn(sim, "slowness", fault.amount, words=f"reloads take {fault.amount} times as long")


@kind("proxy-dies", "G6", words="the proxy's process ends")
def proxy_dies(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """End the proxy."""
    sim.proxy.die()
    return Struck(words="the proxy has died")


@kind("proxy-cannot-start", "G4", "G6", words="the proxy dies and cannot be started: its disk is full", spans=OUTAGE)
def proxy_cannot_start(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """End the proxy and let every start fail."""
    struck = _turn(sim, "cannot_start", value=True, words="the proxy has died and cannot be started")
    sim.proxy.die()
    return struck


# Documents


@kind("document-absent", "W1", "W7", words="a service answers 404 for its document; target: which", spans=OUTAGE)
def document_absent(sim: Simulation, fault: Fault) -> Struck:
    """Answer 404."""
    service = service_of(sim, fault)
    end = sim.overlaps.hold(sim.specs, "absent", {service}, union)
    return Struck(words=f"{service} has no document", end=end)


@kind("document-silent", "W5", words="a service never ends the answer with its document; target: which", spans=OUTAGE)
def document_silent(sim: Simulation, fault: Fault) -> Struck:
    """Answer a byte now and then."""
    service = service_of(sim, fault)
    end = sim.overlaps.hold(sim.specs, "silent", {service}, union)
    return Struck(words=f"{service} never ends its document", end=end)


@kind("document-huge", "W2", words="a service's document is larger than anybody reads; target: which", spans=OUTAGE)
def document_huge(sim: Simulation, fault: Fault) -> Struck:
    """Answer without end."""
    service = service_of(sim, fault)
    end = sim.overlaps.hold(sim.specs, "huge", {service}, union)
    return Struck(words=f"{service} sends more than anybody reads", end=end)


@kind(
    "document-broken",
    "W2",
    "W6",
    words="a service's document is nonsense; target: which; amount: the nonsense",
    amounts=(0, len(NONSENSE) - 1),
    spans=OUTAGE,
)
def document_broken(sim: Simulation, fault: Fault) -> Struck:
    """Answer nonsense; of several kinds of it at a time, the latest."""
    service, nonsense = service_of(sim, fault), NONSENSE[fault.amount % len(NONSENSE)]

    def latest(contents: list[dict[str, bytes]]) -> dict[str, bytes]:
        return {name: content for some in contents for name, content in some.items()}

    end = sim.overlaps.hold(sim.specs, "contents", {service: nonsense}, latest)
    return Struck(words=f"{service} answers {nonsense[:30]!r} for its document", end=end)


@kind("document-grows", "W4", words="a service's document has `amount` more paths from now on", amounts=(1, 20))
def document_grows(sim: Simulation, fault: Fault) -> Struck:
    """Change a document for good."""
    service = service_of(sim, fault)
    sim.specs.extra[service] = sim.specs.extra.get(service, 0) + fault.amount
    return Struck(words=f"{service} has {fault.amount} more paths")


def _turn(sim: Simulation, switch: str, value: Any, *, words: str) -> Struck:
    return Struck(words=words, end=sim.overlaps.hold(sim.proxy, switch, value))

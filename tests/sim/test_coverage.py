"""Which faults struck in which phase: by their victims, or by all that there is."""

from __future__ import annotations

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Phase
from sim.coverage import Coverage, together
from sim.truth import FaultBegun


def moved(server: str, phase: Phase) -> Recorded:
    event = PhaseChanged(server=ServerId(server), phase=phase, before="", rule="", words="")
    return Recorded(seq=1, at=Instant(0), actor="reconcile", event=event)


def struck(kind: str, *victims: str) -> FaultBegun:
    return FaultBegun(number=0, kind=kind, words="", victims=tuple(ServerId(victim) for victim in victims))


def test_a_fault_fills_the_phases_of_its_victims_or_of_all() -> None:
    coverage = Coverage()
    for server, phase in (("a", Phase.BOOTING), ("a", Phase.WARM), ("b", Phase.SERVING), ("c", Phase.BOOTING)):
        coverage.hear(moved(server, phase))
    coverage.hear(moved("c", Phase.GONE))
    for fault in (struck("server-dies", "b"), struck("server-dies", "b"), struck("registry-away")):
        coverage.see(Instant(0), fault)
    assert coverage.matrix == {"registry-away": {"serving": 1, "warm": 1}, "server-dies": {"serving": 2}}
    assert together([coverage.matrix, coverage.matrix])["server-dies"] == {"serving": 4}

"""Which faults were in force in which phase: by their victims, or by all that there is while they last."""

from __future__ import annotations

from hfs_appliance.model.events import PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase
from hfs_appliance.model.rollout_events import RolloutChanged
from sim.believed import Believed
from sim.coverage import Coverage, together
from sim.entries import Author, RolloutWritten
from sim.truth import FaultBegun, FaultEnded


class Watched:
    """Coverage as a run has it: what the control plane believes is known before it counts."""

    def __init__(self) -> None:
        self.believed = Believed()
        self.coverage = Coverage(self.believed)

    def move(self, server: str, phase: Phase) -> None:
        event = PhaseChanged(server=ServerId(server), phase=phase, before="", rule="", words="")
        recorded = Recorded(seq=1, at=Instant(0), actor="reconcile", event=event)
        self.believed.hear(recorded)
        self.coverage.hear(recorded)

    def roll_out(self, phase: RolloutPhase) -> None:
        event = RolloutChanged(
            service=ServiceName("dns"), number=1, phase=phase, before="", old="1.0.0", new="2.0.0", words=""
        )
        recorded = Recorded(seq=1, at=Instant(0), actor="rollout", event=event)
        self.believed.hear(recorded)
        self.coverage.hear(recorded)

    def write(self, phase: str, strategy: str) -> None:
        written = RolloutWritten(
            author=Author.PLANE,
            service=ServiceName("dns"),
            number=1,
            phase=phase,
            strategy=strategy,
            before={},
            target={},
            total=1,
            is_reverting=False,
        )
        self.coverage.see(Instant(0), written)

    def begin(self, number: int, kind: str, *victims: str) -> None:
        servers = tuple(ServerId(victim) for victim in victims) or None
        self.coverage.see(Instant(0), FaultBegun(number=number, kind=kind, words="", victims=servers))

    def end(self, number: int, kind: str) -> None:
        self.coverage.see(Instant(0), FaultEnded(number=number, kind=kind))


def test_a_fault_with_victims_counts_for_the_phases_in_which_it_struck_them() -> None:
    watched = Watched()
    watched.move("a", Phase.WARM)
    watched.move("b", Phase.SERVING)
    watched.begin(0, "server-dies", "b")
    watched.begin(1, "server-dies", "b", "unknown")
    watched.move("b", Phase.SUSPECT)
    assert watched.coverage.matrix == {"server-dies": {"serving": 2}}
    assert together([watched.coverage.matrix] * 2)["server-dies"] == {"serving": 4}


def test_a_fault_without_victims_counts_for_all_phases_that_there_were_while_it_lasted() -> None:
    watched = Watched()
    watched.move("a", Phase.BOOTING)
    watched.move("a", Phase.WARM)
    watched.move("b", Phase.SERVING)
    watched.move("b", Phase.GONE)
    watched.begin(0, "registry-away")
    watched.move("a", Phase.ASSIGNED)
    watched.move("b", Phase.ASSIGNED)
    watched.end(0, "registry-away")
    watched.move("a", Phase.WARMING)
    assert watched.coverage.matrix == {"registry-away": {"assigned": 1, "warm": 1}}


def test_a_fault_meets_the_strategies_by_which_rollouts_go_on_and_whom_it_does_not_hit_it_does_not_meet() -> None:
    watched = Watched()
    watched.write("expand", "rolling")
    watched.begin(0, "registry-away")
    watched.begin(1, "server-dies", "a")
    watched.coverage.see(Instant(0), FaultBegun(number=2, kind="pool-rots", words="", victims=()))
    watched.write("cutover", "rolling")
    watched.write("preflight", "canary")
    watched.write("done", "canary")
    watched.begin(3, "server-dies", "a")
    assert watched.coverage.matrix == {
        "registry-away": {"canary rollout": 1, "rolling rollout": 1},
        "server-dies": {"rolling rollout": 1},
    }


def test_a_fault_meets_the_rollouts_that_go_on() -> None:
    watched = Watched()
    watched.move("a", Phase.SERVING)
    watched.roll_out(RolloutPhase.EXPAND)
    watched.begin(0, "server-dies", "a")
    watched.begin(1, "registry-away")
    watched.roll_out(RolloutPhase.CUTOVER)
    watched.roll_out(RolloutPhase.DONE)
    watched.begin(2, "server-dies", "a")
    assert watched.coverage.matrix == {
        "registry-away": {"cutover": 1, "expand": 1, "serving": 1},
        "server-dies": {"expand": 1, "serving": 2},
    }

"""Faults aimed at a phase: they wait for it, hit a server that is in it, and are over by the end all the same."""

from __future__ import annotations

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from hfs_appliance.model.plan import Phase
from hfs_appliance.model.rollout import RolloutPhase
from sim.play import Playing, play
from sim.scenario import Bounds, Fault, Layout, Scenario
from sim.truth import FaultBegun, FaultEnded


def played(
    *faults: Fault, servers: int = 4, pool: int = 1
) -> tuple[list[FaultBegun | FaultEnded], dict[str, dict[str, int]]]:
    told: list[FaultBegun | FaultEnded] = []

    def watch(playing: Playing) -> None:
        def note(_now: object, fact: object) -> None:
            assert isinstance(fact, FaultBegun | FaultEnded)
            told.append(fact)

        playing.sim.truth.listen(note, (FaultBegun, FaultEnded))

    story = Scenario(
        name="aimed",
        words="something is aimed at a phase",
        lasts=Duration(4 * MINUTE),
        layout=Layout(servers=servers, per_service=4, zones=2, pool=pool),
        bounds=Bounds(settle=Duration(60 * MINUTE), stays=seconds(60)),
        faults=faults,
    )
    outcome = play(story, 1, watch=watch)
    assert outcome.violations == ()
    return told, {kind: dict(phases) for kind, phases in outcome.strikes.items()}


def test_a_fault_waits_for_its_phase_and_hits_the_server_that_is_in_it() -> None:
    told, strikes = played(
        Fault(kind="server-reboots", at=seconds(5), phase=Phase.DRAINING),
        Fault(kind="scale-out", at=seconds(10), lasts=seconds(40)),
    )
    assert [type(fact).__name__ + " " + fact.kind for fact in told] == [
        "FaultBegun scale-out",
        "FaultEnded scale-out",
        "FaultBegun server-reboots",
        "FaultEnded server-reboots",
    ]
    assert strikes["server-reboots"] == {"draining": 1}


def test_a_fault_whose_phase_is_there_strikes_at_once_and_lasts_from_then_on() -> None:
    told, strikes = played(Fault(kind="server-dark", at=seconds(5), lasts=seconds(9), phase=Phase.WARM))
    assert [type(fact) for fact in told] == [FaultBegun, FaultEnded]
    assert strikes == {"server-dark": {"warm": 1}}


def test_a_fault_that_comes_too_late_for_its_phase_strikes_as_soon_as_it_is_there_again() -> None:
    told, strikes = played(
        Fault(kind="server-reboots", at=seconds(5), target=999, phase=Phase.WARM),  # so many milliseconds later
        Fault(kind="scale-out", at=seconds(10), lasts=seconds(220)),
        Fault(kind="scale-out", at=seconds(120), lasts=seconds(110), amount=2),
        pool=0,  # who is warm is given a role at once
    )
    assert strikes["server-reboots"] == {"warm": 1}
    assert [fact.kind for fact in told if isinstance(fact, FaultBegun)][-1] == "server-reboots"


def test_a_fault_waits_until_whom_it_may_hit_is_in_its_phase() -> None:
    _, strikes = played(
        Fault(kind="service-hangs", at=seconds(5), lasts=seconds(5), phase=Phase.WARMING),
        Fault(kind="scale-out", at=seconds(10), lasts=seconds(60)),
    )
    assert strikes["service-hangs"] == {"warming": 1}  # which answers only at the end of it


def test_a_fault_whose_phase_never_comes_never_strikes() -> None:
    assert played(Fault(kind="server-dies", at=seconds(5), phase=Phase.DRAINING)) == ([], {})


def test_what_has_struck_late_is_over_with_the_story() -> None:
    told, _ = played(
        Fault(kind="api-down", at=seconds(5), lasts=Duration(60 * MINUTE), phase=Phase.SUSPECT),
        Fault(kind="server-dies", at=seconds(100)),
    )
    assert isinstance(told[-1], FaultEnded)
    assert told[-1].kind == "api-down"


def test_a_fault_waits_for_a_rollout_and_hits_the_service_that_has_it() -> None:
    told, strikes = played(
        Fault(kind="scale-out", at=seconds(5), lasts=seconds(30), target=76, phase=RolloutPhase.EXPAND),
        Fault(kind="upgrade-good", at=seconds(20), target=1, amount=0),
        servers=6,
    )
    begun = {fact.kind: fact.words for fact in told if isinstance(fact, FaultBegun)}
    assert "service-0001" in begun["upgrade-good"]
    assert begun["scale-out"] == "service-0001 is scaled"
    assert strikes["scale-out"]["expand"] == 1

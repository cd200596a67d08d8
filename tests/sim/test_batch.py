"""Many runs at once give what each gives alone, and a failing one is reduced to what fails it."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.batch import play_seed, reduce, swarm
from sim.outcome import Outcome
from sim.play import play
from sim.scenario import Bounds, Fault, Layout, Scenario


def test_processes_give_what_one_gives() -> None:
    seeds = (3, 1)
    together = [replace(outcome, cpu_seconds=0) for outcome in swarm(seeds, workers=2)]
    assert together == [replace(play_seed(seed), cpu_seconds=0) for seed in seeds]


def test_a_seed_that_cannot_be_played_is_a_broken_one() -> None:
    def fails(scenario: Scenario, seed: int) -> Outcome:
        raise KeyError(f"a fake has lost its way in {scenario.name} of {seed}")

    (violation,) = play_seed(3, fails).violations
    assert (violation.checker, "KeyError" in violation.words) == ("alive", True)


def test_a_failing_scenario_is_reduced() -> None:
    crowded = Scenario(
        name="crowded",
        words="one server too many dies for so short a time to settle",
        lasts=Duration(3 * MINUTE),
        layout=Layout(servers=4, per_service=2, pool=0, poll=seconds(1)),
        bounds=Bounds(settle=seconds(0)),
        faults=(
            Fault(kind="registry-away", at=seconds(20), lasts=seconds(5)),
            Fault(kind="server-dies", at=Duration(2 * MINUTE), target=3),
            Fault(kind="mcp-killed", at=Duration(2 * MINUTE), lasts=seconds(1)),
        ),
    )
    small = reduce(crowded, 1)
    assert [fault.kind for fault in small.faults] == ["server-dies"]
    assert small.layout.servers == 1
    assert [violation.checker for violation in play(small, 1).violations] == ["settled"]

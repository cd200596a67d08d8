"""Playing scenarios: the same seed gives the same outcome, and what a scenario demands is judged."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.play import play
from sim.scenario import Bounds, Fault, Layout, Scenario

BAD_HOUR = Scenario(
    name="bad-hour",
    words="a server dies, the registry goes away, the control plane is killed",
    layout=Layout(servers=20, per_service=5),
    faults=(
        Fault(kind="server-dies", at=MINUTE, target=7),
        Fault(kind="registry-away", at=Duration(10 * MINUTE), lasts=Duration(5 * MINUTE)),
        Fault(kind="mcp-killed", at=Duration(20 * MINUTE), lasts=seconds(10)),
    ),
)


def test_a_scenario_is_a_function_of_its_seed() -> None:
    first, again, other = play(BAD_HOUR, 1), play(BAD_HOUR, 1), play(BAD_HOUR, 2)
    assert replace(first, cpu_seconds=0) == replace(again, cpu_seconds=0)
    assert first.digest != other.digest
    assert first.violations == other.violations == ()
    assert first.destroyed == {"remediation": 1}


def test_what_does_not_settle_in_time_is_a_violation() -> None:
    late = replace(
        BAD_HOUR,
        lasts=Duration(2 * MINUTE),
        faults=(Fault(kind="server-dies", at=Duration(2 * MINUTE - 1)),),
        bounds=Bounds(settle=seconds(1)),
    )
    assert [violation.checker for violation in play(late, 1).violations] == ["settled"]

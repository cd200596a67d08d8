"""Playing scenarios: the same seed gives the same outcome, and what a scenario demands is judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

import pytest

from hfs_appliance.model.instants import MINUTE, Duration, seconds
from sim.play import Playing, play
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


def test_who_follows_the_journal_gets_what_the_digest_is_made_of() -> None:
    lines: list[str] = []

    def watch(playing: Playing) -> None:
        playing.sim.journal.follow(lines.append)

    brief = replace(BAD_HOUR, lasts=MINUTE, faults=())
    outcome = play(brief, 1, watch=watch)
    assert outcome.digest == blake2b("".join(f"{line}\n" for line in lines).encode(), digest_size=16).hexdigest()
    assert outcome.events == len(lines)
    assert outcome.digest == play(brief, 1).digest


def test_what_does_not_settle_in_time_is_a_violation() -> None:
    late = replace(
        BAD_HOUR,
        lasts=Duration(2 * MINUTE),
        faults=(Fault(kind="server-dies", at=Duration(2 * MINUTE - 1)),),
        bounds=Bounds(settle=seconds(1)),
    )
    assert [violation.checker for violation in play(late, 1).violations] == ["settled"]


def failing_with(error: Exception) -> Callable[[Playing], None]:
    """Let the world fail a minute after the beginning."""

    def fail() -> None:
        raise error

    def watch(playing: Playing) -> None:
        playing.sim.clock.after(MINUTE, fail)

    return watch


def test_a_run_that_cannot_go_on_is_a_violation() -> None:
    (violation,) = play(BAD_HOUR, 1, watch=failing_with(ZeroDivisionError("by zero"))).violations
    assert (violation.checker, violation.instant) == ("alive", "1m")
    assert re.fullmatch(r"the run ended with ZeroDivisionError in test_play\.py:\d+: by zero", violation.words)


def test_what_those_who_watch_fail_in_is_theirs() -> None:
    with pytest.raises(BrokenPipeError):
        play(BAD_HOUR, 1, watch=failing_with(BrokenPipeError()))

"""Sentences about a run: what happened, how bad it was, what was done."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from hfs_appliance.model.plan import Action, Cause
from sim.outcome import Timeline, Violation
from sim.report.series import grid
from sim.report.words import done, lead, percent, verdict
from tests.support import outcomes


def led(serving: tuple[int, ...], desired: tuple[int, ...]) -> str:
    timeline = Timeline(levels={"serving": serving, "serving_least": serving, "desired": desired})
    return lead(outcomes.outcome(), outcomes.SCENARIO, grid(timeline))


def test_it_begins_with_the_scenario_and_says_how_much_was_done() -> None:
    told = led((9, 9), (9, 9))
    assert told.startswith(
        "A zone goes dark while the cloud's API is slow & <refuses>; the others carry its load. In 1h11m"
    )
    assert "hfs started 37 servers and destroyed 37 servers." in told
    assert "Of 1,234,567 requests 0.026 % were lost." in told


@pytest.mark.parametrize(
    ("serving", "desired", "worst"),
    [
        ((9, 9), (9, 9), "At each moment as many instances served as were desired."),
        ((9, 4, 6), (9, 9, 9), "At the worst moment 4 instances served, where 9 were desired."),
        ((0, 5, 9, 8), (9, 9, 9, 9), "At the worst moment 8 instances served, where 9 were desired."),
        ((9, 5), (9, 5), "At each moment as many instances served as were desired."),
    ],
)
def test_the_worst_moment_is_one_since_the_fleet_first_stood(
    serving: tuple[int, ...], desired: tuple[int, ...], worst: str
) -> None:
    assert led(serving, desired).endswith(worst)


def test_of_a_fleet_that_never_stood_there_is_no_worst_moment() -> None:
    assert led((1, 2), (9, 9)).endswith("were lost.")


def test_verdicts_count() -> None:
    run = outcomes.outcome()
    one = Violation(checker="settled", instant="1h", words="it did not")
    assert verdict(run) == "Every promise was kept"
    assert verdict(replace(run, violations=(one,), violations_total=1)) == "1 promise was broken"
    assert verdict(replace(run, violations=(one,), violations_total=1_200)) == "1,200 promises were broken"


def test_every_cause_has_words() -> None:
    assert done("delete", Cause.REMEDIATION) == "servers deleted because they were lost"
    missing = [cause for cause in Cause if " for " in done("delete", cause) and cause is not Cause.BOOKKEEPING]
    assert missing == []


def test_every_action_that_is_told_has_words() -> None:
    bookkeeping = {"confirm-built", "confirm-ready", "forget"}
    verbs = {action.verb for action in get_args(Action)} - bookkeeping
    assert not [verb for verb in verbs if done(verb, Cause.REMEDIATION).split()[0] == verb]


def test_all_but_everything_never_reads_as_everything() -> None:
    assert [percent(ppm) for ppm in (1_000_000, 999_999, 999_000, 12)] == ["100 %", "99.9999 %", "99.9 %", "0.0012 %"]

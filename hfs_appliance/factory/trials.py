"""Trials: a new recipe of a pool becomes the one that it is built by only when some servers of it came up. Pure.

A bad image, or modules that break, would fill a pool with failures, and it would be noticed when the pool is empty. So
the pool goes on with the recipe that is proved while one server after the other is built by the new one. The recipe
before is remembered: who goes back to it has it at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.ledger import Trial
from hfs_appliance.model.recipe import Recipe

REFUSED_AFTER: Final = 2
"""One server may fail for reasons of its own."""


def begun(trial: Trial | None, wanted: Recipe) -> Trial:
    """Give the trial of what is wanted now: none where it is proved, or where there is nothing to go on with."""
    if trial is None:
        return Trial(recipe=wanted)
    if wanted == trial.recipe:
        return trial if trial.candidate is None else Trial(recipe=trial.recipe, former=trial.former)
    if wanted == trial.former:
        return Trial(recipe=wanted, former=trial.recipe)
    return trial if wanted == trial.candidate else replace(trial, candidate=wanted, passed=(), failed=())


def judged(trial: Trial, needed: int, passed: Sequence[ServerId], failed: Sequence[ServerId]) -> Trial:
    """Count the servers of the candidate that came up, or did not, each once."""
    if trial.candidate is None:
        return trial
    now_passed, now_failed = _with(trial.passed, passed), _with(trial.failed, failed)
    if len(now_passed) >= needed:
        return Trial(recipe=trial.candidate, former=trial.recipe)
    if (now_passed, now_failed) == (trial.passed, trial.failed):
        return trial
    return replace(trial, passed=now_passed, failed=now_failed)


def is_refused(trial: Trial) -> bool:
    """Tell whether the candidate has failed: no more servers are built by it until something else is wanted."""
    return trial.candidate is not None and len(trial.failed) >= REFUSED_AFTER


def _with(known: tuple[ServerId, ...], found: Collection[ServerId]) -> tuple[ServerId, ...]:
    return (*known, *sorted(set(found) - set(known)))

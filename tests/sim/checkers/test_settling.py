"""Checkers of the end: what they find though everything is called converged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hfs_appliance.model.events import ConvergedChanged
from sim.checkers.settling import Believes, Stays, Whole
from sim.truth import Condition, RoutesServed, Settled
from tests.sim.checkers.stage import DNS, Stage, condition, made, record, record_gone, started, unregistered
from tests.sim.checkers.tables import table

THREE = ("small-1", "small-2", "small-3")


@pytest.mark.parametrize(("missing", "is_wrong"), [(0, False), (1, True)])
def test_nobody_says_converged_who_has_too_few(missing: int, *, is_wrong: bool) -> None:
    stage = Stage(Believes)
    stage.serve(*THREE)
    stage.tell(*(unregistered(name) for name in THREE[:missing]))
    stage.wait(100)
    stage.hear(ConvergedChanged(is_converged=1, words=""))
    assert bool(stage.accused) is is_wrong


def test_nothing_begins_when_all_is_settled() -> None:
    stage = Stage(Stays)
    stage.hear(started("create", "small-9", "fill-pool"))
    assert not stage.accused
    stage.tell(Settled())
    stage.hear(started("create", "small-10", "fill-pool"))
    assert len(stage.accused) == 1


def _loses_one(stage: Stage) -> None:
    stage.tell(condition("small-3", Condition.SICK, service=DNS))


def _loses_a_record(stage: Stage) -> None:
    stage.tell(record_gone("small-3"))


def _has_a_stray(stage: Stage) -> None:
    stage.tell(made("small-9"))


def _keeps_an_intent_open(stage: Stage) -> None:
    stage.tell(record("small-3", service=DNS, slot=2, is_built=True))


def _has_a_spare(stage: Stage) -> None:
    stage.warm("small-9")


def _routes_too_few(stage: Stage) -> None:
    stage.tell(RoutesServed(table=table({DNS: THREE[:2]})))


@pytest.mark.parametrize(
    "spoil", [_loses_one, _loses_a_record, _has_a_stray, _keeps_an_intent_open, _has_a_spare, _routes_too_few]
)
def test_the_end_is_compared_with_the_truth(spoil: Callable[[Stage], None]) -> None:
    def played(*, is_spoilt: bool) -> list[str]:
        stage = Stage(Whole, pool_size=0)
        stage.serve(*THREE)
        stage.tell(RoutesServed(table=table({DNS: THREE})))
        if is_spoilt:
            spoil(stage)
        stage.tell(Settled())
        stage.checker.finish(stage.now)
        return stage.accused

    assert not played(is_spoilt=False)
    assert played(is_spoilt=True)

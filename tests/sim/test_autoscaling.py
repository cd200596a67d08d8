"""A simulated service that scales itself: it follows its traffic from the pool, and nobody healthy is destroyed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.model.events import DemandChanged, Recorded
from hfs_appliance.model.ids import PoolName
from hfs_appliance.model.instants import HOUR, MINUTE, Duration, seconds
from sim.entries import LedgerWritten
from sim.outcome import Outcome
from sim.play import Playing, play
from sim.scenario import Bounds, Fault, Follows, Layout, Scenario, Traffic

POOL = PoolName("small")
CROWD = Scenario(
    name="crowd",
    words="twice as much is asked for a quarter of an hour",
    lasts=Duration(32 * MINUTE),
    layout=Layout(servers=4, per_service=4, pool=6, grows_to=30),
    traffic=Traffic(base=300),
    bounds=Bounds(settle=Duration(4 * HOUR)),
    faults=(Fault(kind="flash-crowd", at=Duration(15 * MINUTE), lasts=Duration(15 * MINUTE), amount=2),),
)


def played(scenario: Scenario, seed: int = 1) -> tuple[Outcome, list[DemandChanged]]:
    """Play a scenario; give what became of it, and how the service was scaled."""
    changes: list[DemandChanged] = []

    def hear(recorded: Recorded) -> None:
        if isinstance(recorded.event, DemandChanged):
            changes.append(recorded.event)

    def watch(playing: Playing) -> None:
        playing.sim.bus.subscribe("changes", hear)

    return play(scenario, seed, watch=watch), changes


def test_a_crowd_is_followed_out_and_in() -> None:
    outcome, changes = played(CROWD)
    assert outcome.violations == ()
    assert max(change.after for change in changes) == 7  # 600 requests a second at 80 each, give or take 10 %
    assert changes[-1].after == 4
    assert outcome.requests.lost_ppm < 10_000
    assert set(outcome.destroyed) <= {"scale-in", "pool-surplus"}


def test_a_crowd_is_followed_by_what_agents_say() -> None:
    outcome, changes = played(replace(CROWD, layout=replace(CROWD.layout, follows=Follows.CPU)))
    assert outcome.violations == ()
    assert 7 <= max(change.after for change in changes) <= 9
    assert changes[-1].after == 4
    assert outcome.requests.lost_ppm < 10_000


def test_agents_that_say_nothing_let_nobody_go() -> None:
    silence = Fault(kind="agents-silent", at=Duration(29 * MINUTE), lasts=Duration(40 * MINUTE))
    story = replace(CROWD, lasts=Duration(70 * MINUTE), layout=replace(CROWD.layout, follows=Follows.CPU))
    outcome, changes = played(replace(story, faults=(*CROWD.faults, silence)))
    assert outcome.violations == ()
    assert max(change.after for change in changes) >= 7
    assert changes[-1].after == 4, "it shrinks once they speak again"


def test_a_pool_grows_for_the_crowds_that_come() -> None:
    pools: list[int] = []
    first, second = CROWD.faults[0], replace(CROWD.faults[0], at=Duration(100 * MINUTE))
    layout = replace(CROWD.layout, pool=1, pool_max=9)
    story = replace(CROWD, lasts=Duration(2 * HOUR), layout=layout, faults=(first, second))

    def watch(playing: Playing) -> None:
        playing.sim.truth.listen(lambda _, fact: pools.append(fact.stocks.get(POOL, 0)), (LedgerWritten,))

    outcome = play(story, 1, watch=watch)
    assert outcome.violations == ()
    assert (pools[1], pools[-1]) == (1, 3), "three were claimed for each crowd"


def test_a_kill_of_the_control_plane_changes_no_size() -> None:
    killed = Fault(kind="mcp-killed", at=Duration(30 * MINUTE), lasts=seconds(30))
    outcome, changes = played(replace(CROWD, lasts=Duration(40 * MINUTE), faults=(*CROWD.faults[:1], killed)))
    assert outcome.violations == ()
    sizes = [change.after for change in changes if change.before < change.after]
    assert sizes == sorted(sizes)  # what it had grown to was remembered


@pytest.mark.parametrize("kind", ["load-unknown", "load-frozen", "load-wrong"])
def test_figures_that_are_missing_or_wrong_harm_nobody(kind: str) -> None:
    fault = Fault(kind=kind, at=Duration(5 * MINUTE), lasts=Duration(15 * MINUTE), amount=50)
    story = replace(CROWD, faults=(fault, replace(CROWD.faults[0], at=Duration(10 * MINUTE))))
    outcome, changes = played(story)
    assert outcome.violations == ()
    assert all(1 <= change.after <= 30 for change in changes)

"""The swarm draws what can be played, the shrinker keeps what fails, and every seed of CI passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.believed import AIMABLE
from sim.faults import MENU
from sim.scenario import Scenario
from sim.scenario_text import write
from sim.scenarios import read
from sim.shrink import shrink
from sim.swarm import AIMED, draw

SEEDS = st.integers(min_value=0, max_value=(1 << 32) - 1)


@given(SEEDS)
def test_what_is_drawn_is_over_when_its_time_is(seed: int) -> None:
    scenario = draw(seed)
    assert scenario == draw(seed)
    assert scenario.faults
    for fault in scenario.faults:
        assert fault.kind in MENU
        assert 0 <= fault.at <= fault.at + fault.lasts <= scenario.lasts


def test_seeds_in_a_row_try_every_cell_of_the_matrix() -> None:
    kinds = sum(kind.is_drawn for kind in MENU.values())
    seeds = -(-kinds * len(AIMABLE) // AIMED)
    assert seeds <= 500, "what CI plays"
    tried = {(fault.kind, fault.phase) for seed in range(seeds) for fault in draw(seed).faults if fault.phase}
    assert len(tried) == kinds * len(AIMABLE)


@given(SEEDS)
def test_what_is_drawn_can_be_written_and_read_again(seed: int) -> None:
    scenario = draw(seed)
    text = write(scenario, comment="drawn\nby a swarm")
    assert read(text, scenario.name, file="drawn.toml") == scenario


@given(SEEDS)
def test_a_scenario_shrinks_to_what_makes_it_fail(seed: int) -> None:
    guilty = draw(seed).faults[-1].kind

    def fails(candidate: Scenario) -> bool:
        return candidate.layout.servers >= 1 and any(fault.kind == guilty for fault in candidate.faults)

    small = shrink(draw(seed), fails)
    assert fails(small)
    assert [fault.kind for fault in small.faults] == [guilty]
    assert (small.layout.servers, small.layout.zones, small.layout.pool) == (1, 1, 0)
    assert small.faults[0].target == 0
    assert small.faults[0].amount <= 1


@given(SEEDS, st.integers(min_value=1, max_value=6))
def test_faults_that_fail_only_together_stay_together(seed: int, needed: int) -> None:
    scenario = draw(seed)
    needed = min(needed, len(scenario.faults))
    small = shrink(scenario, lambda candidate: len(candidate.faults) >= needed)
    assert len(small.faults) == needed

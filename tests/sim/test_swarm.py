"""The swarm draws what can be played, the shrinker keeps what fails, and every seed of CI passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.plan import Phase
from sim.believed import AIMABLE
from sim.cells import is_possible
from sim.faults import MENU
from sim.scenario import Beginning, Scenario
from sim.scenario_text import write
from sim.scenarios import read
from sim.shrink import shrink
from sim.swarm import CUT_OFF, draw

SWEEP = 500
"""Seeds of one sweep, of which the matrix in the documentation is."""
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
    kinds = [name for name, kind in MENU.items() if kind.is_drawn]
    cells = {(name, phase) for name in kinds for phase in AIMABLE if is_possible(name, phase)}
    tried = {(fault.kind, fault.phase) for seed in range(SWEEP) for fault in draw(seed).faults}
    assert cells <= tried


@given(SEEDS)
def test_what_a_seed_aims_at_is_one_phase(seed: int) -> None:
    faults = draw(seed).faults
    aimed = {fault.phase for fault in faults if fault.phase is not None and fault.kind != "upgrade-rolled-back"}
    assert len(aimed) == 1
    if aimed == {Phase.ASSIGNED}:
        (stirred,) = (fault.at for fault in faults if fault.kind == "servers-cut" and fault.lasts == CUT_OFF)
        assert any(fault.kind == "scale-out" and fault.at == stirred for fault in faults)


@pytest.mark.parametrize("seed", range(2, 30, 3))
def test_what_is_aimed_at_a_rollout_has_one_to_meet(seed: int) -> None:
    scenario = draw(seed)
    assert scenario.begins is Beginning.STANDING
    assert min(scenario.layout.servers, scenario.layout.per_service) > 1
    assert any(fault.kind == "upgrade-good" and fault.target == 0 and not fault.phase for fault in scenario.faults)


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

"""The swarm draws what can be played, the shrinker keeps what fails, and every seed of CI passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.rollout import RolloutPhase, Strategy
from sim.believed import AIMABLE, OF_ROLLOUTS, OF_SERVERS
from sim.cells import is_possible
from sim.faults import MENU
from sim.scenario import Beginning, Scenario
from sim.scenario_text import write
from sim.scenarios import read
from sim.shrink import shrink
from sim.stirring import OF_SERVERS as STIRRED
from sim.stirring import PAIRED, SPARED, STANDING, STRATEGIES, stirs
from sim.swarm import aims_of, draw

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


def test_every_phase_is_brought_about_by_kinds_of_the_menu() -> None:
    assert set(STIRRED) == set(OF_SERVERS)
    assert set(STRATEGIES) == set(OF_ROLLOUTS)
    done = {stir.kind for phase in OF_SERVERS for stir in STIRRED[phase]}
    done |= {stir.kind for phase in RolloutPhase for way in STRATEGIES.get(phase, ()) for stir in stirs(phase, way, ())}
    assert done <= MENU.keys()


@given(SEEDS)
def test_what_a_seed_aims_at_is_one_phase_and_what_is_done_for_it_comes_first(seed: int) -> None:
    scenario, aims = draw(seed), aims_of(seed)
    aimed = [fault for fault in scenario.faults if fault.phase is not None]
    rows = [fault for fault in aimed if fault.phase is aims.phase and fault.kind in aims.kinds]
    assert [fault.kind for fault in rows][-len(aims.kinds) :] == list(aims.kinds)
    for stir in stirs(aims.phase, aims.strategy, aims.kinds):
        assert any(
            (fault.kind, fault.phase, fault.amount) == (stir.kind, stir.phase, stir.amount)
            and fault.at <= rows[-1].at + stir.later
            for fault in scenario.faults
        ), stir


@given(SEEDS)
def test_a_seed_has_what_its_phase_needs(seed: int) -> None:
    scenario, aims = draw(seed), aims_of(seed)
    if aims.phase in STANDING:
        assert scenario.begins is Beginning.STANDING
    if aims.phase in PAIRED:
        assert min(scenario.layout.servers, scenario.layout.per_service) > 1
    if aims.phase in SPARED:
        assert scenario.layout.pool > 1
    if aims.strategy is not None:
        kind = "canary-good" if aims.strategy is Strategy.CANARY else "upgrade-good"
        assert any(fault.kind == kind and fault.target == 0 and not fault.phase for fault in scenario.faults)
        assert scenario.traffic.is_any or aims.strategy is not Strategy.CANARY


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

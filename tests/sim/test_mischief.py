"""Mischief within the product: every site strikes, nothing strikes outside of a run that has it, and all ends well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.model.instants import MINUTE, Duration
from hfs_appliance.ports.mischief import PEACE, Site
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables
from sim.mischief import SimMischief, perturbed
from sim.play import Playing, play
from sim.scenario import Beginning, Fault, Layout, Scenario
from sim.streams import Streams

BUILD = Scenario(
    name="build",
    words="a small fleet is built while unlikely things happen",
    begins=Beginning.NOTHING,
    lasts=Duration(10 * MINUTE),
    has_mischief=True,
    layout=Layout(servers=6, per_service=3, pool=2),
    faults=tuple(Fault(kind="server-dies", at=Duration(minute * MINUTE), target=minute) for minute in (1, 3, 5)),
)
SEEDS = (1, 2, 3, 5, 6, 8)


def test_every_site_strikes_in_some_run() -> None:
    struck: set[Site] = set()
    for seed in SEEDS:
        runs: list[Playing] = []
        outcome = play(BUILD, seed, watch=runs.append)
        assert not outcome.violations, (seed, outcome.violations)
        mischief = runs[0].sim.mischief
        assert isinstance(mischief, SimMischief)
        struck |= mischief.struck.keys()
    assert struck == set(Site)


def test_production_knows_no_mischief() -> None:
    assert not any(PEACE.strikes(site) for site in Site)
    runs: list[Playing] = []
    play(replace(BUILD, has_mischief=False, faults=()), 1, watch=runs.append)
    assert runs[0].sim.mischief is PEACE
    assert runs[0].sim.tunables is PRODUCTION


@pytest.mark.parametrize("seed", range(20))
def test_perturbed_tunables_are_sound(seed: int) -> None:
    tunables = perturbed(Streams(seed))
    assert all(getattr(tunables, name) > 0 for name in Tunables.__slots__)

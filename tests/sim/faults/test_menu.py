"""The fault menu: every kind strikes and ends, overlaps with itself, and leaves a fleet that becomes whole again."""

from __future__ import annotations

import pytest

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults import MENU, Kind
from sim.fleet import Simulation, simulate
from sim.scenario import Fault, Traffic
from sim.standing import let_stand
from tests.support.fleets import SOON, demand_whole, quick

FLEET = {"dns": {"1.0.0": 4}, "domains": {"1.0.0": 2}}
FIRST, SECOND_ONE = 7, 3
"""Targets of two faults of one kind."""

AWAIT_ADOPTION = {"registry-wiped"}
"""What only an operator ends, with `hfs adopt`."""


def is_quiet(sim: Simulation) -> bool:
    return sim.is_converged() and not sim.datacentre.ghosts


@pytest.mark.parametrize("kind", MENU.values(), ids=MENU)
def test_a_fault_strikes_overlaps_with_itself_and_ends(kind: Kind) -> None:
    sim = quick(1, FLEET)

    async def story(sim: Simulation) -> None:
        let_stand(sim)
        sim.start()
        await sim.converged(SOON)
        if kind.needs_traffic:
            sim.flows.begin(Traffic(base=20), sim.proxy.table)
        lasts = Duration(30 * SECOND if kind.spans is not None else 0)
        fault = Fault(kind=kind.name, at=Duration(0), lasts=lasts, target=FIRST, amount=kind.amounts[1])
        first = kind.strike(sim, fault)
        assert first.words
        await sim.pass_time(Duration(10 * SECOND))
        second = kind.strike(sim, Fault(kind=kind.name, at=Duration(0), target=SECOND_ONE, amount=kind.amounts[0]))
        await sim.pass_time(Duration(20 * SECOND))
        for struck in (first, second):
            assert (struck.end is not None) == (kind.spans is not None)
            if struck.end is not None:
                struck.end()
            await sim.pass_time(Duration(10 * SECOND))
        if kind.name in AWAIT_ADOPTION:
            assert sim.now is not None
            await sim.now.control.adopt("an operator")
        await sim.pass_time(MINUTE)
        await sim.until(lambda: is_quiet(sim), Duration(2 * SOON), "not whole again")
        demand_whole(sim)

    simulate(sim, story)

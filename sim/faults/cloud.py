"""Faults of the cloud's API (O1 to O16 of the catalogue); what it does to servers once it has answered is V's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults.menu import Struck, kind

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

SHORT = (SECOND, Duration(10 * MINUTE))
LONG = (MINUTE, Duration(40 * MINUTE))


@kind("api-down", "O14", words="every call to the cloud fails: 503", spans=LONG)
def api_down(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer 503."""
    end = sim.overlaps.hold(sim.datacentre.faults, "is_down", value=True)
    return Struck(words="the cloud's API answers 503", end=end)


@kind("api-hangs", "O10", "N2", words="no call to the cloud is answered; connections stay open", spans=LONG)
def api_hangs(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer nothing."""
    end = sim.overlaps.hold(sim.datacentre.faults, "hangs", value=True)
    return Struck(words="the cloud's API answers nothing", end=end)


@kind("api-slow", "O10", words="every call takes `amount` times as long", amounts=(2, 300), spans=LONG)
def api_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow every call down."""
    end = sim.overlaps.hold(sim.datacentre.faults, "slowness", fault.amount)
    return Struck(words=f"the cloud's API takes {fault.amount} times as long", end=end)


@kind("api-refuses", "O1", words="of 1,000 calls, `amount` fail with 503, nothing done", amounts=(50, 900), spans=LONG)
def api_refuses(sim: Simulation, fault: Fault) -> Struck:
    """Refuse a share of all calls."""
    end = sim.overlaps.hold(sim.datacentre.faults, "refused_calls", fault.amount)
    return Struck(words=f"{fault.amount} of 1,000 calls to the cloud fail", end=end)


@kind(
    "creates-lost",
    "O2",
    words="of 1,000 creations, `amount` are carried out, and the answer is lost",
    amounts=(50, 1000),
    spans=LONG,
)
def creates_lost(sim: Simulation, fault: Fault) -> Struck:
    """Lose the answers to creations."""
    end = sim.overlaps.hold(sim.datacentre.faults, "lost_creates", fault.amount)
    return Struck(words=f"the answers to {fault.amount} of 1,000 creations are lost", end=end)

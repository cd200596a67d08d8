"""Faults of the appliance that leads (X5, Z2, Z3, N6): with a second one in the layout, that one takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults.menu import Struck, kind
from sim.incarnation import FIRST

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

AWAY = (SECOND, Duration(5 * MINUTE))


@kind("leader-frozen", "X5", "Z2", "N6", words="whoever leads stands still, as under SIGSTOP, and goes on", spans=AWAY)
def leader_frozen(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Stop the process; when it goes on, it believes what it believed before."""
    name = sim.leading()

    def freeze() -> None:
        if sim.appliances[name].is_alive:
            sim.freeze(name)

    end = sim.overlaps.during(f"{name} frozen", freeze, lambda: sim.resume(name))
    return Struck(words=f"{name} stands still", end=end)


@kind("leader-killed", "X1", "Z2", "N6", words="whoever leads is killed, and started again at the end", spans=AWAY)
def leader_killed(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Kill it as kill -9 does."""
    name = sim.leading()
    what = "control plane" if name == FIRST else f"{name} killed"
    end = sim.overlaps.during(what, lambda: sim.kill(name), lambda: sim.start(name))
    return Struck(words=f"{name} is killed", end=end)


@kind(
    "leader-silent",
    "Z3",
    "N6",
    "N7",
    words="whoever leads hears nothing of the registry, without notice, but of the cloud; amount 0: it is heard",
    amounts=(0, 1),
    spans=AWAY,
)
def leader_silent(sim: Simulation, fault: Fault) -> Struck:
    """Let its packets disappear, both ways or one way."""
    name = sim.leading()
    uplink = sim.places[name].uplink
    uplink.hush(requests=bool(fault.amount))
    return Struck(words=f"{name} does not hear the registry", end=uplink.unhush)

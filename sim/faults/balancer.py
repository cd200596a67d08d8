"""Faults of the load balancer and of the appliances whose proxies are behind it (O8, O10, O14, O16, H10, X1).

A swarm's worlds have one appliance each: it draws what happens to a load balancer before that, not its loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hfs_appliance.model.balancer import FULL_WEIGHT, Place, member_set
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from sim.faults.menu import Struck, kind
from sim.incarnation import FIRST
from sim.overlaps import chain

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

OUTAGE = (SECOND, Duration(20 * MINUTE))
RATES = (50, 700)
STRANGER = Place("10.99.0.1", 8080)


@kind("balancer-down", "O14", words="the load balancer's API answers 503", spans=OUTAGE, needs_balancer=True)
def balancer_down(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Refuse every call."""
    return _turn(sim, "is_down", value=True, words="the load balancer's API answers 503")


@kind("balancer-hangs", "O10", words="the load balancer's API answers nothing", spans=OUTAGE, needs_balancer=True)
def balancer_hangs(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Answer no call."""
    return _turn(sim, "hangs", value=True, words="the load balancer's API answers nothing")


@kind(
    "balancer-slow",
    "O10",
    words="the load balancer's API takes `amount` times as long",
    amounts=(2, 60),
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow calls down."""
    return _turn(sim, "slowness", fault.amount, words=f"the load balancer's API takes {fault.amount} times as long")


@kind("balancer-stuck", "O16", words="no change of the load balancer ends: PENDING", spans=OUTAGE, needs_balancer=True)
def balancer_stuck(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let changes hang; they end when the fault does."""
    end = sim.overlaps.during("balancer stuck", sim.octavia.stick, sim.octavia.go_on)
    return Struck(words="no change of the load balancer ends", end=end)


@kind(
    "balancer-breaks",
    "O16",
    words="changes of the load balancer end in ERROR, until an administrator mends it at the end",
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_breaks(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let changes fail."""
    end = sim.overlaps.hold(sim.octavia.faults, "breaks", value=True)
    return Struck(words="changes of the load balancer end in ERROR", end=chain(end, sim.octavia.mend))


@kind(
    "balancer-busy",
    "O8",
    words="`amount` per mille of the load balancer's changes are refused: 409",
    amounts=RATES,
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_busy(sim: Simulation, fault: Fault) -> Struck:
    """Refuse changes as if somebody else made one."""
    return _turn(sim, "busy_calls", fault.amount, words=f"{fault.amount} per mille of its changes are refused: 409")


@kind(
    "balancer-answers-lost",
    "O2",
    words="`amount` per mille of the load balancer's changes are accepted, and the answer is lost",
    amounts=RATES,
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_answers_lost(sim: Simulation, fault: Fault) -> Struck:
    """Accept, and close the connection."""
    return _turn(sim, "lost_answers", fault.amount, words=f"{fault.amount} per mille of its answers are lost")


@kind(
    "balancer-forgets",
    "O16",
    words="`amount` per mille of the load balancer's changes are accepted, and not carried out",
    amounts=RATES,
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_forgets(sim: Simulation, fault: Fault) -> Struck:
    """Accept, and do nothing."""
    return _turn(sim, "forgotten", fault.amount, words=f"{fault.amount} per mille of its changes are forgotten")


@kind(
    "balancer-monitor-lies",
    "O16",
    words="the load balancer's own monitor calls every member well",
    spans=OUTAGE,
    needs_balancer=True,
)
def balancer_monitor_lies(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Say ONLINE of what is dead."""
    return _turn(sim, "monitor_lies", value=True, words="the load balancer's monitor calls every member well")


@kind(
    "balancer-edited",
    "H10",
    words="somebody edits the load balancer; amount 0: no weights, 1: one member less (target), 2: a stranger more",
    amounts=(0, 2),
    needs_balancer=True,
)
def balancer_edited(sim: Simulation, fault: Fault) -> Struck:
    """Change the members by hand."""
    members = dict(sim.octavia.members)
    if fault.amount % 3 == 0:
        words, members = "all weights are 0", dict.fromkeys(members, 0)
    elif fault.amount % 3 == 1 and members:
        gone = sorted(members)[fault.target % len(members)]
        words, members = f"{gone} is taken out", {place: w for place, w in members.items() if place != gone}
    else:
        words, members = "a stranger is put in", members | {STRANGER: FULL_WEIGHT}
    sim.octavia.edit(member_set(members))
    return Struck(words=f"somebody edits the load balancer: {words}")


@kind("balancer-deleted", "H10", words="somebody deletes the load balancer", needs_balancer=True)
def balancer_deleted(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Delete it by hand."""
    sim.octavia.lose()
    return Struck(words="somebody deletes the load balancer")


@kind(
    "appliance-lost",
    "X1",
    "V5",
    words="an appliance is killed, and started again at the end; target: which; amount 1: its proxy ends, too",
    amounts=(0, 1),
    spans=OUTAGE,
    is_drawn=False,
)
def appliance_lost(sim: Simulation, fault: Fault) -> Struck:
    """Kill an appliance: the host of one (amount 1), or its process alone."""
    names = sorted(sim.appliances)
    name = names[fault.target % len(names)]
    what = "control plane" if name == FIRST else f"{name} killed"

    def kill() -> None:
        if sim.appliances[name].is_alive:
            sim.kill(name)

    end = sim.overlaps.during(what, kill, lambda: sim.start(name))
    if fault.amount:
        sim.places[name].proxy.die()
    return Struck(words=f"{name} is killed{' with its proxy' if fault.amount else ', its proxy goes on'}", end=end)


def _turn(sim: Simulation, switch: str, value: Any, *, words: str) -> Struck:
    return Struck(words=words, end=sim.overlaps.hold(sim.octavia.faults, switch, value))

"""What operators order while hfs is at work: rollouts, storms, who leads. Asked once: who gets no answer lets it be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hfs_appliance.mcp.budget import ENVIRONMENT
from hfs_appliance.model.rollout import Order
from sim.asking import AUTHOR
from sim.faults.menu import Struck, kind
from sim.faults.places import service_of
from sim.truth import VersionTakenBack

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

ORDERS: Final = (Order.PROMOTE, Order.PROMOTE_FULL, Order.PAUSE, Order.RESUME)


@kind(
    "rollout-ordered",
    words="an operator orders a rollout: promote (amount 0), promote --full (1), pause (2), resume (3); target: which",
    amounts=(0, len(ORDERS) - 1),
    is_drawn=False,
)
def rollout_ordered(sim: Simulation, fault: Fault) -> Struck:
    """Order what runs; without a rollout it is refused."""
    service, order = service_of(sim, fault), ORDERS[fault.amount % len(ORDERS)]
    sim.ask(f"{order} {service}", lambda control: control.order_rollout(service, order))
    return Struck(words=f"an operator orders {service}: {order}")


@kind("upgrade-rolled-back", "H9", words="`hfs rollback` of a service; target: which", is_drawn=False)
def upgrade_rolled_back(sim: Simulation, fault: Fault) -> Struck:
    """Change one's mind about a version, whatever it is worth."""
    service = service_of(sim, fault)
    sim.truth.tell(VersionTakenBack(service=service))
    sim.ask(f"roll {service} back", lambda control: control.roll_back(service, AUTHOR))
    return Struck(words=f"an operator rolls {service} back")


@kind("storm-approved", words="an operator believes the losses that a storm guard shows (hfs approve)", is_drawn=False)
def storm_approved(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Say that what is lost is lost."""
    sim.ask("approve what is held back", lambda control: control.approve(ENVIRONMENT, AUTHOR))
    return Struck(words="an operator approves what is held back")


@kind("office-handed-over", words="an operator has another appliance lead (hfs handover)", is_drawn=False)
def office_handed_over(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Ask whoever leads."""
    name = sim.leading()
    sim.ask("hand the office over", lambda control: control.hand_over(), whom=name)
    return Struck(words=f"an operator has another appliance lead than {name}")

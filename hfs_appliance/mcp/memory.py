"""Memory: what the ledger must hold once a plan is being carried out. It is written first, then the plan is."""

from __future__ import annotations

from hfs_appliance.model.ids import serial_of
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.plan import Create, Plan


def ledger_after(before: Ledger, plan: Plan) -> Ledger:
    """Give the ledger that makes `plan` safe to carry out: no serial is ever given again, no token is forgotten."""
    if plan.demands is None:
        return before  # the plan was made blind, and knows nothing of what was remembered
    made = [serial_of(action.server) for action in plan.actions if isinstance(action, Create)]
    return Ledger(
        next_serial=max([before.next_serial, *(serial + 1 for serial in made)]),
        launch_setbacks=plan.launch_setbacks,
        quota_setback=plan.quota_setback,
        version_setbacks=plan.version_setbacks,
        tokens=plan.tokens,
        storms=plan.storms,
        rushes=plan.rushes,
        trials=plan.trials,
        sizes={name: demand.size for name, demand in plan.demands.items()},
    )

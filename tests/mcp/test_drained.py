"""When a drain is over: once the instance has left because it was told to, or its time has passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.facts import DRAIN_MARGIN
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import HOUR, SECOND, Duration, after
from hfs_appliance.model.plan import Delete
from sim.worlds import Fleet, desired


@pytest.mark.parametrize(("left_after", "is_deleted"), [(-1, False), (0, True), (1, True), (None, False)])
def test_a_drain_is_over_when_the_instance_has_left_since(left_after: int | None, *, is_deleted: bool) -> None:
    """Nobody saw it go (None): hfs was started again since, or the registry has been away."""
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=0))
    fleet.settle()
    told_at = fleet.now = after(fleet.now, HOUR)
    server = fleet.serving("dns", "1")[0]
    fleet.records[server] = replace(fleet.records[server], drain_at=told_at, leave_cause="scale-in")
    fleet.unregister(server)
    fleet.departed.pop(server)
    if left_after is not None:
        fleet.departed[server] = after(told_at, Duration(left_after * SECOND))
    fleet.now = after(told_at, SECOND)
    assert _is_deleted(fleet, server) is is_deleted
    drain = fleet.desired.services[ServiceName("dns")].drain
    fleet.now = after(told_at, Duration(drain + DRAIN_MARGIN))
    assert _is_deleted(fleet, server)


def _is_deleted(fleet: Fleet, server: str) -> bool:
    return server in [action.server for action in decide(fleet.world()).actions if isinstance(action, Delete)]

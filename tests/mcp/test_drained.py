"""When a drain is over: once the instance has ended because it was told to, or its time has passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.decide import decide
from hfs_appliance.mcp.facts import DRAIN_MARGIN
from hfs_appliance.mcp.moments import DEFAULT_PATIENCE
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import HOUR, SECOND, Duration, after
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Delete, Phase
from hfs_appliance.model.probes import Answer, Probe, Pulse
from sim.worlds import Fleet, desired


def drained() -> tuple[Fleet, ServerId]:
    """Give a fleet of which one instance was told a second ago to leave, and is no longer registered."""
    fleet = Fleet(desired=desired({"dns": {"1": 2}}, pool_size=0))
    fleet.settle()
    told_at = fleet.now = after(fleet.now, HOUR)
    server = fleet.serving("dns", "1")[0]
    fleet.records[server] = replace(fleet.records[server], drain_at=told_at, leave_cause="scale-in")
    fleet.unregister(server)
    fleet.departed.pop(server)
    fleet.now = after(told_at, SECOND)
    return fleet, server


def end(fleet: Fleet) -> None:
    """Let the time pass that an instance is given to leave."""
    service = fleet.desired.services.get(ServiceName("dns"))
    fleet.now = after(fleet.now, Duration((service.drain if service is not None else DEFAULT_PATIENCE) + DRAIN_MARGIN))


@pytest.mark.parametrize(
    ("pulse", "age", "is_deleted"),
    [
        (None, 0, False),
        (Pulse.ALIVE, 0, False),
        (Pulse.SICK, 0, False),
        (Pulse.DARK, 0, True),
        (Pulse.DARK, 1, True),
        (Pulse.DARK, 2, False),
    ],
)
def test_a_drain_is_over_when_nothing_is_left_where_the_instance_was(
    pulse: Pulse | None, age: int, *, is_deleted: bool
) -> None:
    """That its registration has gone may mean that its session has ended. `age`: of the answer, in seconds."""
    fleet, server = drained()
    assert server in decide(fleet.world()).to_probe
    if pulse is not None:
        asked_at = after(fleet.now, Duration(-age * SECOND))
        fleet.probes[server] = Probe(answer=Answer(pulse=pulse, words="asked"), at=asked_at, failures=1, darks=1)
    assert decide(fleet.world()).verdicts[server].phase is Phase.DRAINING
    assert _is_deleted(fleet, server) is is_deleted
    end(fleet)
    assert _is_deleted(fleet, server)


@pytest.mark.parametrize(("left_after", "is_deleted"), [(-1, False), (0, True), (1, True), (None, False)])
@pytest.mark.parametrize("is_known", [True, False])
def test_where_nobody_can_ask_it_must_have_been_seen_to_leave_since(
    left_after: int | None, *, is_deleted: bool, is_known: bool
) -> None:
    """Nobody saw it go (None): hfs was started again since, or the registry has been away."""
    fleet, server = drained()
    if is_known:
        fleet.cloud[server] = replace(fleet.cloud[server], status=CloudStatus.UNKNOWN)
    else:
        fleet.desired = desired({}, pool_size=0)
    if left_after is not None:
        fleet.departed[server] = after(fleet.now, Duration((left_after - 1) * SECOND))
    assert _is_deleted(fleet, server) is is_deleted
    end(fleet)
    assert _is_deleted(fleet, server)


def _is_deleted(fleet: Fleet, server: str) -> bool:
    return server in [action.server for action in decide(fleet.world()).actions if isinstance(action, Delete)]

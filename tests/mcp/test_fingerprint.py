"""The fingerprint of a change: what was seen is what is confirmed."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.config import differences
from hfs_appliance.mcp.fingerprint import DIGITS, fingerprint
from hfs_appliance.mcp.forecast import forecast
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.forecast import Paces
from sim.worlds import Fleet, desired


def of(fleet: Fleet, wanted: DesiredState, generation: int = 1) -> str:
    changes = differences(fleet.desired, wanted)
    return fingerprint(generation, changes, forecast(replace(fleet.world(), desired=wanted), Paces()).steps)


def test_it_follows_from_what_is_changed_and_what_leaves() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 5}, "web": {"1": 2}}))
    fleet.settle()
    fewer = desired({"dns": {"1": 3}, "web": {"1": 2}})
    found = of(fleet, fewer)
    assert (len(found), found) == (DIGITS, of(fleet, fewer))
    others = {found, of(fleet, fewer, generation=2), of(fleet, desired({"dns": {"1": 2}, "web": {"1": 2}}))}
    others.add(of(fleet, desired({"dns": {"1": 3}})))
    assert len(others) == 4


def test_what_happens_by_itself_does_not_change_it() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 5}}))
    fleet.settle()
    fewer = desired({"dns": {"1": 3}})
    found = of(fleet, fewer)
    fleet.step()
    assert of(fleet, fewer) == found, "time has passed"
    fleet.kill(sorted(fleet.pool)[0])
    assert of(fleet, fewer) == found, "a warm server has died"
    fleet.kill(fleet.serving("dns", "1")[0])
    assert of(fleet, fewer) != found, "one of those has died that were to leave: one fewer leaves"

"""The fingerprint of a change: what was seen is what is confirmed."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.config import differences
from hfs_appliance.mcp.fingerprint import DIGITS, fingerprint
from hfs_appliance.mcp.forecast import forecast
from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.forecast import Paces
from hfs_appliance.model.plan import VersionCount
from sim.worlds import Fleet, desired


def of(fleet: Fleet, wanted: DesiredState, generation: int = 1) -> str:
    changes = differences(fleet.desired, wanted)
    found = forecast(replace(fleet.world(), desired=wanted), Paces())
    return fingerprint(generation, changes, found.counts, wanted)


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


def test_a_service_that_scales_itself_leaves_by_its_load_or_not_at_all() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 3}}))
    fleet.settle()
    one = desired({"dns": {"1": 1}})
    name, service = next(iter(one.services.items()))
    scaling = replace(one, services={name: replace(service, autoscale=Autoscale(min=1, max=9))})
    counts = {name: {version: fleet_count(3) for version in service.versions}}
    none = fingerprint(1, (), {}, scaling)
    assert fingerprint(1, (), counts, scaling) == none != fingerprint(1, (), counts, one)
    assert fingerprint(1, (), counts, desired({})) != none


def fleet_count(serving: int) -> VersionCount:
    return VersionCount(desired=1, serving=serving, starting=0, suspect=0, draining=0)

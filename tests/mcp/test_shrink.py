"""Which changes of the desired state must be confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfs_appliance.mcp.shrink import in_words, shrinks
from hfs_appliance.model.autoscale import Autoscale
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.guard import ServiceGuard
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.shares import percent
from sim.worlds import desired

DNS = ServiceName("dns")
BEFORE = {"dns": {"1": 8}, "domains": {"1": 40}}


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (BEFORE, []),
        ({"dns": {"1": 6}, "domains": {"1": 40}}, []),
        ({"dns": {"1": 5}, "domains": {"1": 40}}, ["dns"]),
        ({"dns": {"1": 0}, "domains": {"1": 40}}, ["dns"]),
        ({"domains": {"1": 40}}, ["dns"]),
        ({"dns": {"1": 4, "2": 4}, "domains": {"1": 40}}, []),
        ({"dns": {"2": 8}, "domains": {"1": 40}}, []),
        ({"dns": {"1": 5}, "domains": {"1": 20}}, ["dns", "domains", None]),
        ({"dns": {"1": 80}, "domains": {"1": 20}}, ["domains", None]),
    ],
)
def test_what_must_be_confirmed(after: Mapping[str, Mapping[str, int]], found: list[str | None]) -> None:
    assert [shrink.service for shrink in shrinks(desired(BEFORE), desired(after))] == found


def test_one_of_several_instances_is_no_share_to_speak_of_and_the_last_one_is() -> None:
    few = desired({"dns": {"1": 2}, "domains": {"1": 40}})
    assert shrinks(few, desired({"dns": {"1": 1}, "domains": {"1": 40}})) == ()
    assert len(shrinks(desired({"dns": {"1": 1}}), desired({"dns": {"1": 0}}))) == 1


def test_what_is_little_of_each_service_may_be_much_in_all() -> None:
    few = desired({"dns": {"1": 2}, "domains": {"1": 2}})
    found = shrinks(few, desired({"dns": {"1": 1}, "domains": {"1": 1}}))
    assert [(shrink.service, shrink.before, shrink.after) for shrink in found] == [(None, 4, 2)]
    assert in_words(found) == "this removes 2 of 4 instances in all (50%, 25% need no word)"


def test_a_service_that_is_left_out_loses_all_that_it_has() -> None:
    assert shrinks(desired({"dns": {"1": 8}}), desired({}))[0].after == 0


def test_what_stays_as_it_is_is_no_loss() -> None:
    single = desired({"dns": {"1": 1}, "domains": {"1": 1}})
    assert shrinks(single, single) == ()


def test_nothing_is_removed_where_nothing_was() -> None:
    assert shrinks(None, desired(BEFORE)) == ()
    assert shrinks(desired({}), desired(BEFORE)) == ()


def test_the_limits_are_those_before_and_a_service_may_be_stricter() -> None:
    before = guarded(desired(BEFORE))
    loose = replace(desired(BEFORE), guard=replace(before.guard, shrink_confirm=percent(100)))
    less = replace(desired({"dns": {"1": 6}, "domains": {"1": 40}}), guard=loose.guard)
    (found,) = shrinks(before, less)
    assert in_words([found]) == "this removes 2 of 8 instances of dns (25%, 10% need no word)"


def guarded(state: DesiredState) -> DesiredState:
    strict = replace(state.services[DNS], guard=ServiceGuard(shrink_confirm=percent(10)))
    return replace(state, services={**state.services, DNS: strict})


def test_a_service_that_scales_itself_is_measured_by_what_it_may_have() -> None:
    def scaling(most: int) -> DesiredState:
        state = desired(BEFORE)
        own = replace(state.services[DNS], autoscale=Autoscale(min=1, max=most, rps_per_instance=1))
        return replace(state, services={**state.services, DNS: own})

    assert shrinks(scaling(20), scaling(16)) == ()
    assert [found.service for found in shrinks(scaling(20), scaling(10))] == ["dns"]

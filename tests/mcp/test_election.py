"""The election: one leader at a time, whatever stands in the registry."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.mcp.election import Astray, Follows, Leads, Standing, Vacant, standing
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.leadership import Candidate, Leader, Tenure

US = Candidate(appliance="a", name="one", address="http://one")
THEM = Candidate(appliance="b", name="two", address="http://two")


def stands(
    seats: Mapping[str, Candidate],
    holder: str | None,
    *,
    epoch: int = 7,
    seen: int = 0,
    may_succeed_itself: bool = False,
) -> Standing:
    tenure = None if holder is None else Tenure(seat=holder, name="who", since=Instant(0))
    return standing("1", US, epoch, seen, tenure, seats, may_succeed_itself=may_succeed_itself)


def test_an_office_that_nobody_ever_held_is_vacant() -> None:
    assert stands({"1": US, "2": THEM}, None, epoch=0) == Vacant(epoch=0)


def test_who_holds_it_leads_until_its_seat_is_gone() -> None:
    assert stands({"1": US, "2": THEM}, "1") == Leads(epoch=7)
    assert stands({"1": US, "2": THEM}, "2") == Follows(leader=Leader(name="two", address="http://two", epoch=7))
    assert stands({"1": US}, "2") == Vacant(epoch=7)


def test_an_office_that_was_laid_down_is_vacant() -> None:
    assert stands({"1": US, "2": THEM}, "") == Vacant(epoch=7)


@pytest.mark.parametrize("may", [True, False])
def test_a_former_life_is_not_waited_for_when_it_is_certainly_over(*, may: bool) -> None:
    found = stands({"1": US, "0": US}, "0", may_succeed_itself=may)
    assert found == (
        Vacant(epoch=7, remains="0") if may else Follows(leader=Leader(name="one", address="http://one", epoch=7))
    )
    assert isinstance(stands({"1": US, "2": THEM}, "2", may_succeed_itself=may), Follows)


def test_a_registry_that_knows_less_than_we_do_is_not_acted_upon() -> None:
    assert stands({"1": US}, "1", epoch=6, seen=7) == Astray(seen=7)
    assert stands({"1": US}, "1", epoch=7, seen=7) == Leads(epoch=7)


@given(st.sets(st.sampled_from("123")), st.sampled_from([None, "", "1", "2", "3"]))
def test_of_all_that_look_at_the_same_at_most_one_leads(seated: set[str], holder: str | None) -> None:
    seats = {name: Candidate(appliance=name, name=name, address="") for name in seated}
    tenure = None if holder is None else Tenure(seat=holder, name="", since=Instant(0))
    found = {name: standing(name, seats[name], 3, 0, tenure, seats, may_succeed_itself=False) for name in sorted(seats)}
    leaders = [name for name, stand in found.items() if isinstance(stand, Leads)]
    assert leaders == [holder] * (holder in seated)
    if not leaders:
        assert all(isinstance(stand, Vacant) for stand in found.values()), "nobody waits for nobody"

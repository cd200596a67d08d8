"""Looks: what happens alone is seen at once; in a storm looks are spread the more the more servers are restless."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.instants import SECOND
from hfs_appliance.model.plan import Phase
from hfs_appliance.runtime.looks import RESTLESS_IN_A_SECOND, Looks
from hfs_appliance.runtime.tunables import PRODUCTION

APART, AT_ONCE = PRODUCTION.reconcile_apart, PRODUCTION.looks_at_once


def storm(looks: Looks, restless: int, *, begins: int = 0, lasts: int = 8 * SECOND) -> list[int]:
    """Look as often as is allowed; give when."""
    at, found = begins, []
    while at < begins + lasts:
        found.append(at)
        at += looks.apart(at, {Phase.SERVING: 50_000, Phase.WARM: 500, Phase.LOST: restless, Phase.DELETING: 0})
    return found


@given(st.integers(0, 100_000))
def test_a_storm_is_looked_at_at_once_and_then_the_more_rarely_the_more_is_restless(restless: int) -> None:
    found = storm(Looks(PRODUCTION), restless)
    assert found[:AT_ONCE] == [number * APART for number in range(AT_ONCE)]
    share = max(APART, min(SECOND, restless * SECOND // RESTLESS_IN_A_SECOND))
    assert 8 * SECOND // share <= len(found) <= 8 * SECOND // share + AT_ONCE + 1
    assert max(later - sooner for sooner, later in pairwise(found)) <= share


@given(st.integers(0, 100_000))
def test_after_a_quiet_time_the_next_storm_is_seen_at_once_again(restless: int) -> None:
    looks = Looks(PRODUCTION)
    storm(looks, restless)
    again = storm(looks, restless, begins=(8 + AT_ONCE) * SECOND)
    assert again[:AT_ONCE] == [(8 + AT_ONCE) * SECOND + number * APART for number in range(AT_ONCE)]


def test_looks_at_a_fleet_in_which_little_happens_are_never_spread() -> None:
    restless = APART * RESTLESS_IN_A_SECOND // SECOND
    found = storm(Looks(PRODUCTION), restless)
    assert {later - sooner for sooner, later in pairwise(found)} == {APART}

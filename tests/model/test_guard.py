"""The guard's numbers: how many tokens a budget has, and what a service's own wishes make of it."""

from __future__ import annotations

import pytest

from hfs_appliance.model.guard import DestroyBudget, Guard, ServiceBudget, ServiceGuard, ServiceStorm
from hfs_appliance.model.instants import HOUR
from hfs_appliance.model.shares import percent


@pytest.mark.parametrize(("servers", "tokens"), [(0, 3), (30, 3), (40, 4), (199, 19), (200, 20), (55_000, 20)])
def test_a_budget_is_a_share_within_bounds(servers: int, tokens: int) -> None:
    assert DestroyBudget().tokens(servers) == tokens


def test_a_service_that_sets_nothing_has_the_environments_limits() -> None:
    guard = Guard(shrink_confirm=percent(30))
    assert ServiceGuard().within(guard) == guard


def test_what_a_service_sets_takes_the_place_of_the_environments() -> None:
    own = ServiceGuard(
        destroy_budget=ServiceBudget(max=2, min=1, percent=percent(1), window=HOUR),
        storm=ServiceStorm(percent=percent(10), min=2),
        shrink_confirm=percent(5),
    )
    limits = own.within(Guard())
    assert (limits.destroy_budget.tokens(1000), limits.destroy_budget.window) == (2, HOUR)
    assert (limits.storm.percent, limits.storm.min, limits.shrink_confirm) == (percent(10), 2, percent(5))
    assert limits.quarantine == Guard().quarantine

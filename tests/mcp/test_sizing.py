"""Sizing: the autoscaler's totals become counts of versions, a plan follows them, and they outlive the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfs_appliance.mcp.decide import Decider, decide
from hfs_appliance.mcp.memory import ledger_after
from hfs_appliance.mcp.sizing import sized, split
from hfs_appliance.model.autoscale import Autoscale, Size, Stride
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, seconds
from hfs_appliance.model.load import LoadView, Measured, Sample, Series, extended
from hfs_appliance.model.observed import Observation
from hfs_appliance.model.plan import Cause, Drain, Plan
from hfs_appliance.model.shares import percent
from hfs_appliance.model.world import World
from sim.worlds import Fleet, desired

DNS, DOMAINS, V1, V2 = ServiceName("dns"), ServiceName("domains"), Version("1"), Version("2")
SCALE = Autoscale(
    min=1,
    max=10,
    rps_per_instance=100,
    up=Stride(window=seconds(0), max=percent(900), per=seconds(30)),
    down=Stride(window=Duration(2 * MINUTE), max=percent(50), per=seconds(10)),
)


def scaling(counts: Mapping[str, Mapping[str, int]], *, max_servers: int = 1000) -> DesiredState:
    """Give a desired state whose service dns scales itself."""
    state = desired(counts, max_servers=max_servers)
    return replace(state, services={**state.services, DNS: replace(state.services[DNS], autoscale=SCALE)})


@dataclass
class Asked(Fleet):
    """A fleet that is asked for something, and knows it."""

    series: Series = ()
    load: Observation[LoadView] | None = None
    plans: list[Plan] = field(default_factory=list)

    def world(self) -> World:
        return replace(Fleet.world(self), load=self.load)

    def ask(self, rps: int, span: Duration) -> list[Plan]:
        """Let time pass in which dns is asked for so much; give the plans."""
        plans = []
        for second in range(span // SECOND):
            if second % 5 == 4:
                measured = {V1: Measured(requests=5 * rps, busy_us=rps * 1000)}
                end = Instant(self.now)
                self.series = extended(self.series, Sample(begin=Instant(end - 5 * SECOND), end=end, versions=measured))
                self.load = Observation(value=LoadView(services={DNS: self.series}), observed_at=end, revision=1)
            plans.append(self.step())
        return plans

    def serving_dns(self) -> int:
        return len(self.serving("dns", "1"))


def test_a_service_grows_and_shrinks_with_what_is_asked_of_it() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}, "domains": {"1": 3}}))
    fleet.settle()
    fleet.ask(700, Duration(MINUTE))
    assert fleet.serving_dns() == 7
    plans = fleet.ask(150, Duration(4 * MINUTE))
    drains = [action for plan in plans for action in plan.actions if isinstance(action, Drain)]
    assert {action.reason.cause for action in drains} == {Cause.SCALE_IN}
    assert fleet.serving_dns() < 7
    assert len(fleet.serving("domains", "1")) == 3


def test_a_plan_says_whose_load_it_needs_and_why_so_many() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}, "domains": {"1": 3}}))
    fleet.settle()
    plan = fleet.ask(700, seconds(10))[-1]
    assert plan.to_measure == {DNS}
    assert plan.demands is not None
    assert plan.demands[DNS].words == "700 requests/s at 100 each need 7"
    assert plan.counts[DNS][V1].desired == 7


def test_a_size_outlives_the_process() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}}))
    fleet.settle()
    fleet.ask(700, Duration(MINUTE))
    fleet.series, fleet.load = (), None
    fleet.settle()
    assert fleet.serving_dns() == 7
    assert fleet.ledger.sizes[DNS].total == 7


def test_a_plan_that_was_made_blind_forgets_no_size() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}}))
    fleet.settle()
    blind = decide(replace(fleet.world(), registry=None))
    assert ledger_after(fleet.ledger, blind) == fleet.ledger


def test_without_autoscale_the_versions_count_again() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}}))
    fleet.settle()
    fleet.ask(700, Duration(MINUTE))
    fleet.desired = desired({"dns": {"1": 5}})
    fleet.step()
    assert fleet.ledger.sizes == {}
    fleet.ask(700, Duration(5 * MINUTE))
    assert fleet.serving_dns() == 5


def test_the_quota_bounds_what_is_built() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}}, max_servers=6))
    fleet.settle()
    plan = fleet.ask(2_000, Duration(MINUTE))[-1]
    assert len(fleet.cloud) == 6
    assert any(hold.rule == "max-servers" for hold in plan.holds)


def test_an_environment_that_ends_is_not_scaled() -> None:
    fleet = Asked(desired=scaling({"dns": {"1": 2}}))
    fleet.settle()
    plan = decide(replace(fleet.world(), is_closing=True))
    assert plan.demands == {}
    assert plan.to_measure == set()


@given(st.integers(1, 200), st.dictionaries(st.sampled_from([V1, V2, Version("3")]), st.integers(0, 50), min_size=1))
def test_a_total_is_divided_as_the_counts_are(total: int, counts: Mapping[Version, int]) -> None:
    parts = split(total, counts)
    whole, some = sum(counts.values()), [version for version, count in counts.items() if count]
    if not whole:
        assert parts == counts
        return
    assert sum(parts.values()) == max(total, len(some))
    assert {version for version, part in parts.items() if part} == set(some)
    if all(total * counts[version] >= whole for version in some):
        assert all(abs(parts[version] * whole - total * counts[version]) < len(some) * whole for version in counts)


@pytest.mark.parametrize(
    ("total", "counts", "parts"),
    [
        (10, {"1": 3, "2": 1}, {"1": 8, "2": 2}),  # 7.5 and 2.5: of equal remainders the first by name
        (4, {"1": 1, "2": 1, "3": 1}, {"1": 2, "2": 1, "3": 1}),
        (5, {"1": 1, "2": 1, "3": 1}, {"1": 2, "2": 2, "3": 1}),
        (5, {"1": 0, "2": 3}, {"1": 0, "2": 5}),
        (3, {"1": 98, "2": 1, "3": 1}, {"1": 1, "2": 1, "3": 1}),
        (4, {"1": 60, "2": 38, "3": 1, "4": 1}, {"1": 1, "2": 1, "3": 1, "4": 1}),
        (2, {"1": 5, "2": 1, "3": 1}, {"1": 1, "2": 1, "3": 1}),  # whoever is to have any has one
        (7, {"1": 0}, {"1": 0}),
    ],
)
def test_totals_divided(total: int, counts: Mapping[str, int], parts: Mapping[str, int]) -> None:
    given = {Version(version): count for version, count in counts.items()}
    assert split(total, given) == {Version(version): count for version, count in parts.items()}


def test_what_changes_nothing_is_the_same_desired_state() -> None:
    state = scaling({"dns": {"1": 2}, "domains": {"1": 3}})
    assert sized(state, {}) is state
    assert sized(state, {DNS: Size(total=2, base=2, since=Instant(0))}) is state
    assert sized(state, {DOMAINS: Size(total=9, base=2, since=Instant(0))}) is state
    assert sized(state, {DNS: Size(total=4, base=2, since=Instant(0))}).services[DNS].versions == {V1: 4}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(1, 60)), min_size=1, max_size=6))
def test_a_decider_that_has_seen_other_worlds_decides_as_one_that_has_not(story: list[tuple[int, int]]) -> None:
    fleet, decider = Asked(desired=scaling({"dns": {"1": 2, "2": 1}, "domains": {"1": 1}})), Decider()
    for rps, span in story:
        fleet.ask(rps, seconds(span))
        for _ in range(2):
            assert decider.decide(fleet.world()) == decide(fleet.world())

"""Stories of the rollout machine: each strategy's way, what goes wrong on it, and the way back from everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfs_appliance.mcp.rollout.machine import advance
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.load import Figures, ServiceLoad
from hfs_appliance.model.rollout import Order, RolloutPhase, Strategy, Wish
from hfs_appliance.model.traffic import Carrier, Match
from tests.support.rollouts import GOOD, SETTINGS, Stage, stage

V1, V2, V3 = Version("1"), Version("2"), Version("3")
PREFLIGHT, EXPAND, CANARY, CUTOVER = (
    RolloutPhase.PREFLIGHT,
    RolloutPhase.EXPAND,
    RolloutPhase.CANARY,
    RolloutPhase.CUTOVER,
)
SOAK, CONTRACT, DONE, ABORT = RolloutPhase.SOAK, RolloutPhase.CONTRACT, RolloutPhase.DONE, RolloutPhase.ABORT


def upgraded(strategy: Strategy = Strategy.BLUE_GREEN, count: int = 4, **settings: object) -> Stage:
    """A service of which version 2 is wanted instead of version 1."""
    made = stage(strategy, count, **settings)
    made.versions = {V2: count}
    return made


def with_requests(load: ServiceLoad | None, requests: int) -> ServiceLoad | None:
    """The same figures of fewer requests."""
    if load is None:
        return None
    return replace(load, versions={v: replace(f, requests=requests, errors=0) for v, f in load.versions.items()})


def test_a_new_service_needs_no_rollout() -> None:
    made = Stage(versions={V1: 3, V2: 1})
    made.until(DONE)
    assert made.traffic is None
    assert made.rollout is not None
    assert made.rollout.target == {V1: 3, V2: 1}
    assert made.serving == {V1: 3, V2: 1}


def test_blue_green() -> None:
    made = upgraded()
    made.until(EXPAND)
    assert made.weights() == {V1: 1000}
    made.until(CUTOVER)
    assert made.serving == {V1: 4, V2: 4}
    made.until(SOAK)
    assert made.weights() == {V2: 1000}
    assert made.traffic is not None
    assert [(share.version, share.weight) for share in made.traffic.shares] == [(V2, 1000), (V1, 0)]
    made.wait(Duration(2 * MINUTE))
    assert made.serving == {V1: 4, V2: 4}
    made.until(DONE)
    assert made.phases == [PREFLIGHT, EXPAND, CUTOVER, SOAK, CONTRACT, DONE]
    assert made.present() == {V2: 4}
    assert made.traffic is None


def test_a_canary_goes_up_its_steps() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    assert made.weights() == {V2: 50, V1: 950}
    begun = made.now
    made.until(CUTOVER, span=SECOND)
    assert made.now - begun >= 4 * MINUTE
    made.until(DONE)
    assert made.phases == [PREFLIGHT, EXPAND, CANARY, CUTOVER, SOAK, CONTRACT, DONE]
    assert made.present() == {V2: 4}


def test_rolling_exchanges_a_batch_at_a_time_and_never_has_fewer_than_wanted() -> None:
    made = upgraded(Strategy.ROLLING, 8)
    most = 0
    while made.phase is not DONE or not made.is_quiet or V1 in made.present():
        made.tick()
        most = max(most, sum(made.present().values()))
        assert sum(made.serving.values()) >= 8
    assert most == 10
    assert made.present() == {V2: 8}
    assert made.phases.count(EXPAND) == 4
    assert SOAK in made.phases


def test_one_instance_can_be_rolled_too() -> None:
    made = upgraded(Strategy.ROLLING, 1)
    made.until(CONTRACT)
    assert made.phases == [PREFLIGHT, EXPAND, CUTOVER, SOAK, CONTRACT]


def test_both_versions_of_an_ab_rollout_stay_with_their_weights() -> None:
    made = stage(Strategy.AB)
    match = Match(carrier=Carrier.HEADER, name="X-Beta", value="yes")
    made.versions = {V1: 4, V2: 2}
    made.wishes = {V1: Wish(weight=80), V2: Wish(weight=20, matches=(match,))}
    made.until(DONE)
    assert made.traffic is not None
    assert {s.version: (s.weight, s.matches) for s in made.traffic.shares} == {V1: (800, ()), V2: (200, (match,))}
    assert made.present() == {V1: 4, V2: 2}
    # Another wish of the same versions is another epoch, and no rollout.
    epoch, made.phases = made.traffic.epoch, []
    made.wishes = {V1: Wish(weight=50), V2: Wish(weight=50)}
    made.tick()
    assert (made.traffic.epoch, made.weights(), made.phases) == (epoch + 1, {V1: 500, V2: 500}, [])
    # The end of the experiment is a rollout from both to one.
    made.versions, made.wishes = {V2: 6}, {}
    made.until(SOAK)
    assert made.weights() == {V2: 1000}
    made.until(DONE)
    assert made.present() == {V2: 6}
    assert not made.weights()


def test_a_version_with_a_match_and_no_weight_gets_only_what_matches() -> None:
    made = stage(Strategy.AB)
    match = Match(carrier=Carrier.COOKIE, name="beta", value="1")
    made.versions = {V1: 4, V2: 2}
    made.wishes = {V2: Wish(weight=0, matches=(match,))}
    made.until(DONE)
    assert made.weights() == {V1: 1000}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_an_upgrade_that_nobody_is_in_the_way_of_is_none(strategy: Strategy) -> None:
    """All of the old version are gone: there is nothing to protect and nothing to compare with."""
    made = stage(strategy)
    made.serving.clear()
    made.versions = {V2: 4}
    made.settle()
    assert made.rollout is None
    assert made.present() == {V2: 4}


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_version_that_does_not_start_is_given_up_at_once() -> None:
    made = upgraded()
    made.stillborn = {V2}
    made.until(DONE)
    assert made.now < after(made.rollout.began_at if made.rollout else made.now, Duration(MINUTE))
    assert made.rollout is not None
    assert "in a row did not come up" in made.rollout.words
    assert made.versions == {V1: 4, V2: 0}
    assert made.present() == {V1: 4}
    assert made.phases == [PREFLIGHT, EXPAND, ABORT, CONTRACT, DONE]


def test_a_rollout_without_progress_is_given_up_and_one_with_late_progress_is_not() -> None:
    made = upgraded(progress_deadline=Duration(4 * MINUTE))
    made.until(EXPAND)
    made.starting[V2] = 4
    made.stillborn, made.failures = {V2}, made.failures
    made.serving[V2], made.starting[V2] = 2, 2
    for _ in range(3 * 60):
        made.tick()
        made.failures.clear()
    assert made.phase is EXPAND
    made.serving[V2], made.starting[V2] = 3, 1
    for _ in range(3 * 60):
        made.tick()
        made.failures.clear()
    assert made.phase is EXPAND, made.answer
    for _ in range(3 * 60):
        made.tick()
        made.failures.clear()
    made.until(DONE)
    assert made.versions == {V1: 4, V2: 0}
    assert made.rollout is not None
    assert "3 of 4 instances of 2 serve, no more for 4m" in made.rollout.words


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (replace(GOOD, errors=50), "too many errors"),
        (replace(GOOD, p95_us=GOOD.p95_us * 13 // 10), "too slow"),
    ],
)
def test_a_version_that_is_worse_than_the_old_one_is_given_up(figures: object, words: str) -> None:
    made = upgraded(Strategy.CANARY)
    made.quality[V2] = figures  # type: ignore[assignment]
    made.until(DONE)
    assert made.versions == {V1: 4, V2: 0}
    assert made.rollout is not None
    assert words in made.rollout.words
    assert CUTOVER not in made.phases


def test_too_few_requests_pause_and_never_pass() -> None:
    made = upgraded(Strategy.CANARY)
    made.is_silent = True
    made.until(CANARY)
    made.wait(Duration(60 * MINUTE))
    assert made.phase is CANARY
    assert made.weights() == {V2: 50, V1: 950}
    assert made.answer.waiting is not None
    assert made.answer.waiting.is_held
    assert "the gate needs 500 of each" in made.answer.waiting.words
    made.is_silent = False
    made.until(DONE)
    assert made.present() == {V2: 4}


def test_a_proxy_that_does_not_follow_stops_the_rollout_before_anything_leaves() -> None:
    made = upgraded()
    made.until(EXPAND)
    made.frozen = {"edge-2"}
    made.until(ABORT)
    made.wait(Duration(10 * MINUTE))
    assert made.phase is ABORT
    assert made.serving == {V1: 4, V2: 4}
    assert made.answer.waiting is not None
    assert (
        made.answer.waiting.words
        == f"traffic epoch {made.traffic.epoch if made.traffic else 0} is not served yet by edge-2"
    )
    made.frozen = set()
    made.until(DONE)
    assert made.present() == {V1: 4}


def test_without_any_proxy_nothing_moves() -> None:
    made = upgraded()
    made.proxies.clear()
    made.wait(Duration(MINUTE))
    assert made.phase is PREFLIGHT


def test_a_rollout_waits_for_room_and_is_not_given_up_for_it() -> None:
    made = upgraded()
    made.room = 3
    made.wait(Duration(60 * MINUTE))
    assert made.phase is PREFLIGHT
    assert made.answer.waiting is not None
    assert made.answer.waiting.words == "4 more instances need servers, and there is room for 3"
    made.room = 4
    made.until(DONE)
    assert made.present() == {V2: 4}


def test_a_promoted_version_is_repaired_when_single_instances_fail() -> None:
    made = upgraded()
    made.until(SOAK)
    made.serving[V2] -= 3
    made.wait(Duration(MINUTE))
    assert (made.phase, made.serving[V2]) == (SOAK, 4)


def test_a_promoted_version_of_which_nothing_is_left_goes_back() -> None:
    made = upgraded()
    made.until(SOAK)
    made.serving[V2], made.starting[V2], made.stillborn = 0, 4, {V2}
    made.until(DONE)
    assert made.present() == {V1: 4}
    assert made.versions == {V1: 4, V2: 0}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_an_old_version_that_dies_on_the_way_is_not_waited_for(strategy: Strategy) -> None:
    made = upgraded(strategy)
    made.until(EXPAND)
    made.serving[V1], made.starting[V1], made.stillborn = 0, 4, {V1}
    made.settle()
    assert CANARY not in made.phases
    assert made.present() == {V2: 4}


def test_a_canary_that_a_proxy_does_not_serve_is_given_up() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(EXPAND)
    made.frozen = {"edge-1"}
    made.until(CANARY)
    made.until(ABORT)
    made.frozen = set()
    made.settle()
    assert made.present() == {V1: 4}


def test_a_canary_that_stays_short_of_instances_is_given_up() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.tick()
    made.serving[V2], made.starting[V2], made.stillborn = 2, 2, {V2}
    begun = made.now
    made.until(ABORT)
    assert made.now - begun > 10 * MINUTE
    assert made.rollout is not None
    assert made.rollout.words == "2 of 4 instances of 2 serve"


def test_a_canary_that_stays_doubtful_is_given_up() -> None:
    made = upgraded(Strategy.CANARY)
    made.quality[V2] = replace(GOOD, p95_us=GOOD.p95_us * 121 // 100)
    made.quality[V1] = GOOD
    made.until(CANARY)
    made.load = lambda: with_requests(Stage.load(made), 600)  # type: ignore[method-assign]
    made.until(ABORT)
    assert made.rollout is not None
    assert made.rollout.words.startswith("not certain yet: ")


# -- operators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("phase", [PREFLIGHT, EXPAND, CANARY, CUTOVER, SOAK, CONTRACT])
def test_the_way_back_is_open_everywhere(strategy: Strategy, phase: RolloutPhase) -> None:
    made = upgraded(strategy)
    made.until(phase, DONE)
    if made.phase is DONE:
        return  # not a phase of this strategy
    made.order(Order.ABORT)
    made.until(DONE)
    assert made.present() == {V1: 4}
    assert made.versions == {V1: 4, V2: 0}
    assert made.traffic is None
    assert made.rollout is not None
    assert made.rollout.words == "an operator asked for it"
    # And from there the same upgrade can be tried again.
    made.versions = {V2: 4}
    made.until(DONE)
    assert made.present() == {V2: 4}


def test_rollback_of_a_warm_version_is_one_epoch() -> None:
    made = upgraded()
    made.until(SOAK)
    assert made.traffic is not None
    epoch = made.traffic.epoch
    made.order(Order.ABORT)
    made.tick()
    assert (made.traffic.epoch, made.weights()) == (epoch + 1, {V1: 1000})
    made.until(CONTRACT)
    assert made.traffic.epoch == epoch + 1


def test_an_abort_that_the_old_version_cannot_take_waits_for_it_and_not_for_ever() -> None:
    made = upgraded(retain_old=Duration(0), revert_deadline=Duration(2 * MINUTE))
    made.until(CONTRACT)
    made.serving[V1] = 1
    made.leaving[V1] = 3
    made.stillborn = {V1}
    made.order(Order.ABORT)
    made.tick()
    assert made.weights() == {V2: 1000}
    assert made.answer.move is not None
    made.wait(Duration(MINUTE))
    assert made.weights() == {V2: 1000}
    made.wait(Duration(2 * MINUTE))
    assert made.weights() == {V1: 1000}


def test_an_abort_with_nothing_in_progress_changes_nothing() -> None:
    made = upgraded()
    made.until(DONE)
    before, made.phases = made.rollout, []
    made.order(Order.ABORT)
    made.tick()
    assert (made.rollout, made.traffic, made.phases) == (before, None, [])
    assert made.tick().move is None


def test_a_second_abort_changes_nothing() -> None:
    made = upgraded()
    made.until(SOAK)
    made.order(Order.ABORT)
    made.until(CONTRACT)
    state = made.rollout
    made.order(Order.ABORT)
    made.tick()
    assert made.rollout == state


def test_editing_the_desired_state_back_is_the_same_as_an_abort() -> None:
    made = upgraded()
    made.until(SOAK)
    made.versions = {V1: 4}
    made.tick()
    assert (made.phase, made.weights()) == (ABORT, {V1: 1000})
    made.until(DONE)
    assert made.present() == {V1: 4}


@pytest.mark.parametrize("phase", [PREFLIGHT, EXPAND, CANARY, CUTOVER, SOAK, CONTRACT, ABORT])
def test_a_newer_change_replaces_the_rollout_that_runs(phase: RolloutPhase) -> None:
    made = upgraded(Strategy.CANARY)
    if phase is ABORT:
        made.until(CANARY)
        made.order(Order.ABORT)
    made.until(phase)
    had = made.weights()
    made.versions = {V3: 5}
    made.tick()
    if phase in (PREFLIGHT, EXPAND):
        assert made.weights() == had == {V1: 1000}
    made.until(DONE)
    assert made.present() == {V3: 5}


def test_a_pause_holds_everything_but_the_gate() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.order(Order.PAUSE)
    made.wait(Duration(60 * MINUTE))
    assert made.phase is CANARY
    assert made.answer.waiting is not None
    assert made.answer.waiting.words == "paused by an operator"
    made.order(Order.RESUME)
    made.tick()
    assert made.phase is CANARY
    made.until(CUTOVER)
    made.order(Order.PAUSE)
    made.tick()
    made.order(Order.ABORT)
    made.until(DONE)
    assert made.present() == {V1: 4}


def test_a_gate_that_fails_ends_a_pause() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.order(Order.PAUSE)
    made.tick()
    made.quality[V2] = replace(GOOD, errors=100)
    made.until(DONE)
    assert made.versions == {V1: 4, V2: 0}


@pytest.mark.parametrize(("order", "weights"), [(Order.PROMOTE, {V2: 500, V1: 500}), (Order.PROMOTE_FULL, {V2: 1000})])
def test_a_canary_can_be_promoted(order: Order, weights: Mapping[Version, int]) -> None:
    made = upgraded(Strategy.CANARY)
    made.is_silent = True
    made.until(CANARY)
    made.order(order)
    made.tick()
    assert made.weights() == weights


def test_requests_do_not_go_where_instances_are_missing_whoever_asks() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.tick()
    made.serving[V2] = 1
    made.order(Order.PROMOTE_FULL)
    made.tick()
    assert (made.phase, made.weights()) == (CANARY, {V2: 50, V1: 950})


def test_a_promoted_soak_ends() -> None:
    made = upgraded()
    made.until(SOAK)
    made.order(Order.PROMOTE)
    made.tick()
    assert made.phase is CONTRACT


def test_a_changed_total_is_followed_by_both_versions() -> None:
    made = upgraded(Strategy.CANARY)
    made.is_silent = True
    made.until(CANARY)
    made.tick()
    made.versions = {V2: 8}
    made.wait(Duration(10 * SECOND))
    assert made.serving == {V1: 8, V2: 8}
    assert made.traffic is not None
    assert {share.version: share.instances for share in made.traffic.shares} == {V1: 8, V2: 8}
    assert made.rollout is not None
    assert made.rollout.served_at is not None, "a step that bakes is not begun anew for it"


def test_a_service_of_which_nothing_is_wanted_forgets_its_rollout() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.versions = {V1: 0, V2: 0}
    made.until(DONE)
    assert (made.present(), made.traffic) == ({}, None)
    made.versions = {V2: 3}
    made.until(DONE)
    assert made.present() == {V2: 3}


def test_a_lost_traffic_entry_is_written_again() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    lost = made.traffic
    assert lost is not None
    made.traffic = None
    found = made.tick().move
    assert found is not None
    assert found.traffic == replace(lost, epoch=lost.epoch + 1)


def test_settings_that_change_on_the_way_do_not_change_the_steps() -> None:
    made = upgraded(Strategy.CANARY)
    made.until(CANARY)
    made.settings = replace(SETTINGS, strategy=Strategy.BLUE_GREEN, steps=())
    made.wait(Duration(3 * MINUTE))
    assert made.weights() == {V2: 500, V1: 500}


def test_figures_of_requests_that_were_divided_otherwise_say_nothing() -> None:
    made = upgraded(Strategy.CANARY)
    made.quality[V2] = Figures(requests=1000, errors=500, p95_us=40_000)
    made.until(CANARY)
    made.wait(Duration(10 * SECOND))  # until every proxy serves the step
    made.now = after(made.now, Duration(3 * MINUTE))
    sight = made.sight()
    assert sight.load is not None
    judged, ignored = advance(sight), advance(replace(sight, load=replace(sight.load, begin=Instant(0))))
    assert judged.move is not None
    assert judged.move.rollout is not None
    assert judged.move.rollout.phase is ABORT
    assert ignored.move is None

"""How requests are divided, and how many instances there are to be: the corners that stories do not reach."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.mcp.rollout.division import asked, entry, rescaled, steady
from hfs_appliance.mcp.rollout.sizes import old_sizes, sizes
from hfs_appliance.model.desired import Service
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.rollout import Rollout, RolloutPhase, Step, Strategy, Wish
from hfs_appliance.model.shares import PerMille
from hfs_appliance.model.traffic import WHOLE, Share, SplitBy, SplitKey, oddity
from tests.support.rollouts import DNS, Stage

V1, V2, V3 = Version("1"), Version("2"), Version("3")


def service(wishes: dict[Version, Wish] | None = None) -> Service:
    return Stage(versions={}, wishes=wishes or {}).service


def shares(*given: tuple[Version, int]) -> tuple[Share, ...]:
    return tuple(Share(version=version, weight=weight, instances=1) for version, weight in given)


def canary(weight: int, **changes: object) -> Rollout:
    rollout = Rollout(
        service=DNS,
        phase=RolloutPhase.CANARY,
        strategy=Strategy.CANARY,
        steps=(Step(weight=PerMille(weight), bake=Duration(0)),),
        before={V1: 3},
        before_shares=shares((V1, WHOLE)),
        target={V2: 3},
        total=3,
        since=Instant(0),
    )
    return replace(rollout, **changes)  # type: ignore[arg-type]


def weights(found: tuple[Share, ...]) -> dict[str, int]:
    return {share.version: share.weight for share in found}


def test_without_a_wish_nothing_is_divided() -> None:
    assert steady(service(), {V1: 3, V2: 1}) == ()
    assert steady(service({V1: Wish(weight=3)}), {V1: 3}) == ()


def test_weights_are_compared_with_each_other() -> None:
    both = {V1: Wish(weight=2), V2: Wish(weight=1)}
    assert weights(steady(service(both), {V1: 3, V2: 3})) == {V1: 667, V2: 333}


def test_a_version_without_a_weight_makes_all_count_by_their_instances() -> None:
    assert weights(asked(service({V1: Wish(weight=2)}), {V1: 1, V2: 3})) == {V1: 250, V2: 750}
    assert weights(asked(service({V1: Wish(weight=0)}), {V1: 1, V2: 3, V3: 1})) == {V1: 0, V2: 750, V3: 250}


def test_versions_that_may_all_have_nothing_count_by_their_instances() -> None:
    assert weights(asked(service({V1: Wish(weight=0), V2: Wish(weight=0)}), {V1: 1, V2: 3})) == {V1: 250, V2: 750}


def test_the_newest_version_comes_first_and_one_that_stays_before_one_that_goes() -> None:
    rollout = canary(100, before={V1: 3, V3: 3}, before_shares=shares((V1, 500), (V3, 500)), target={V2: 3, V3: 3})
    found = entry(service(), rollout, {})
    assert found is not None
    assert [(share.version, share.weight) for share in found.shares] == [(V2, 50), (V3, 500), (V1, 450)]


def test_the_key_of_a_split_is_the_services() -> None:
    key = SplitKey(by=SplitBy.COOKIE, cookie="session")
    keyed = replace(service(), rollout=replace(service().rollout, key=key))
    found = entry(keyed, canary(100), {})
    assert found is not None
    assert found.key == key


@given(st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any))
def test_rescaled_weights_are_whole(parts: list[int]) -> None:
    given_shares = shares(*((Version(str(number)), part) for number, part in enumerate(parts)))
    found = rescaled(given_shares)
    assert sum(share.weight for share in found) == WHOLE
    assert all(bool(new.weight) <= bool(old.weight) for new, old in zip(found, given_shares, strict=True))


@given(st.integers(1, 999), st.integers(1, 40), st.integers(1, 40), st.sampled_from(RolloutPhase), st.booleans())
def test_every_state_has_a_sound_entry(weight: int, old: int, new: int, phase: RolloutPhase, is_back: bool) -> None:  # noqa: FBT001  # drawn
    rollout = canary(weight, phase=phase, before={V1: old}, target={V2: new}, total=new, is_reverting=is_back, epoch=1)
    found = entry(service(), rollout, {V1: old, V2: new})
    assert (found is None) == (phase is RolloutPhase.DONE)
    assert found is None or not oddity(found)


def test_old_versions_follow_the_total_rounded_up() -> None:
    assert old_sizes(canary(50, before={V1: 3, V3: 1}, target={V2: 6}, total=4)) == {V1: 5, V3: 2}
    assert old_sizes(canary(50, target={V2: 2}, total=4)) == {V1: 2}
    assert old_sizes(canary(50, total=0)) == {V1: 3}


def test_a_version_that_stays_is_not_made_smaller_on_the_way() -> None:
    rollout = canary(50, before={V1: 4, V3: 4}, target={V2: 3, V3: 1}, total=4)
    assert sizes(rollout, {}) == {V1: 4, V2: 3, V3: 4}
    assert sizes(replace(rollout, phase=RolloutPhase.CONTRACT), {}) == {V2: 3, V3: 1}


def test_what_comes_up_no_more_is_not_tried_again_while_it_is_given_up() -> None:
    rollout = canary(50, phase=RolloutPhase.ABORT)
    assert sizes(rollout, {V1: 3, V2: 1}) == {V1: 3, V2: 1}
    assert sizes(rollout, {V1: 3, V2: 9}) == {V1: 3, V2: 3}
    assert sizes(rollout, {}) == {V1: 3}

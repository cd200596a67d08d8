"""Properties of the rollout machine over drawn upgrades, failures, orders, lost moves and late proxies.

What holds at every step stands in `tests/support/rollouts.py`: phases in their order, epochs that only rise, requests
only for instances that are there, nobody leaves whom a proxy still needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hfs_appliance.mcp.rollout.machine import advance
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.model.rollout import Order, RolloutPhase, Strategy, Wish
from hfs_appliance.model.shares import PerMille
from tests.support.rollouts import GOOD, SETTINGS, Stage

VERSIONS = st.sampled_from([Version("1"), Version("2"), Version("3")])
WANTED = st.dictionaries(VERSIONS, st.integers(0, 6), min_size=1, max_size=2)
BATCHES = st.sampled_from([PerMille(1), PerMille(250), PerMille(400), PerMille(1000)])
SPANS = st.sampled_from([SECOND, Duration(7 * SECOND), Duration(MINUTE)])


class Rollouts(RuleBasedStateMachine):
    stage: Stage

    @initialize(strategy=st.sampled_from(Strategy), count=st.integers(1, 8), batch=BATCHES)
    def begin(self, strategy: Strategy, count: int, batch: PerMille) -> None:
        self.stage = Stage(versions={Version("1"): count}, settings=replace(SETTINGS, strategy=strategy, batch=batch))
        self.stage.settle()

    @rule(ticks=st.integers(1, 40), span=SPANS, lost=st.sets(st.integers(0, 39), max_size=5))
    def live(self, ticks: int, span: Duration, lost: set[int]) -> None:
        """Time passes; a leader whose move is lost died before it was written."""
        for tick in range(ticks):
            self.stage.tick(span, loses_move=tick in lost)

    @rule(version=VERSIONS)
    def upgrade(self, version: Version) -> None:
        self.want({version: max(1, sum(self.stage.versions.values()))})

    @rule(wanted=WANTED)
    def want(self, wanted: Mapping[Version, int]) -> None:
        self.stage.versions = dict(wanted)
        self.stage.wishes = {}

    @precondition(lambda self: len([n for n in self.stage.versions.values() if n]) > 1)
    @rule(weights=st.lists(st.integers(0, 100), min_size=3, max_size=3))
    def wish(self, weights: list[int]) -> None:
        numbers = zip(sorted(self.stage.versions), weights, strict=False)
        self.stage.wishes = {version: Wish(weight=weight) for version, weight in numbers}

    @rule(version=VERSIONS, count=st.integers(1, 6))
    def lose_instances(self, version: Version, count: int) -> None:
        stage = self.stage
        stage.serving[version] = max(0, stage.serving[version] - count)

    @rule(version=VERSIONS, is_ill=st.booleans())
    def turn_bad(self, version: Version, is_ill: bool) -> None:  # noqa: FBT001  # drawn
        self.stage.quality[version] = replace(GOOD, errors=100) if is_ill else GOOD

    @rule(version=VERSIONS)
    def be_stillborn(self, version: Version) -> None:
        self.stage.stillborn ^= {version}

    @rule(proxy=st.sampled_from(["edge-1", "edge-2"]))
    def freeze(self, proxy: str) -> None:
        self.stage.frozen ^= {proxy}

    @rule(is_state=st.booleans())
    def lose_entry(self, is_state: bool) -> None:  # noqa: FBT001  # drawn
        """The registry is rolled back, or somebody tidies up in it."""
        if is_state:
            self.stage.rollout = None
        else:
            self.stage.traffic = None

    @rule()
    def fall_silent(self) -> None:
        self.stage.is_silent = not self.stage.is_silent

    @precondition(lambda self: self.stage.rollout is not None)
    @rule(order=st.sampled_from(Order))
    def order(self, order: Order) -> None:
        self.stage.order(order)

    @rule()
    def answer_alike(self) -> None:
        """The answer depends on what is seen alone."""
        sight = self.stage.sight()
        backwards = dict(sorted(sight.fleet.items(), reverse=True))
        assert advance(sight) == advance(replace(sight, fleet=backwards))

    @precondition(lambda self: self.stage.phase not in (RolloutPhase.DONE, None))
    @rule()
    def roll_back(self) -> None:
        """From wherever a rollout is, an abort gives the old versions everything back."""
        stage = self.stage
        self._heal()
        stage.tick()
        rollout = stage.rollout
        if rollout is None:
            return
        wanted = {version for version, count in stage.versions.items() if count}
        if rollout.phase in (RolloutPhase.DONE, RolloutPhase.ABORT) or rollout.is_reverting:
            return
        if wanted != rollout.target.keys():
            return  # something else is wanted by now: that comes first
        stage.order(Order.ABORT)
        self._settle()
        assert {version for version, count in stage.versions.items() if count} == rollout.before.keys()

    @rule()
    def rest(self) -> None:
        """All is well: the machine comes to what is wanted and stays there."""
        self._heal()
        self._settle()

    def _heal(self) -> None:
        stage = self.stage
        stage.frozen, stage.stillborn, stage.is_silent = set(), set(), False
        stage.quality.clear()
        stage.failures.clear()
        stage.tick()
        if stage.rollout is not None:  # else nothing was wanted, and nothing is
            stage.order(Order.RESUME)
            stage.tick()

    def _settle(self) -> None:
        stage = self.stage
        stage.settle()
        assert stage.present() == {version: count for version, count in sorted(stage.versions.items()) if count}
        before = (stage.rollout, stage.traffic)
        for _ in range(5):
            assert stage.tick(Duration(10 * MINUTE)).move is None
        assert (stage.rollout, stage.traffic) == before


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=70, stateful_step_count=25, deadline=None)

"""A small world for the rollout machine: instances that come and go by its sizes, proxies that follow its epochs.

It keeps what converge keeps (add before remove) and checks at every step what the machine promises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from hfs_appliance.mcp.rollout.machine import advance
from hfs_appliance.mcp.rollout.moves import Answer
from hfs_appliance.mcp.rollout.overview import instances
from hfs_appliance.mcp.rollout.sight import Fleet, Sight
from hfs_appliance.model.desired import RunSpec, Service
from hfs_appliance.model.ids import PoolName, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, after
from hfs_appliance.model.ledger import Setback
from hfs_appliance.model.load import Figures, ServiceLoad
from hfs_appliance.model.rollout import Move, Order, Rollout, RolloutPhase, RolloutSettings, Step, Strategy, Wish
from hfs_appliance.model.shares import PerMille
from hfs_appliance.model.traffic import WHOLE, Traffic, oddity

DNS: Final = ServiceName("dns")
EPOCH: Final = Instant(1_700_000_000 * SECOND)
GOOD: Final = Figures(requests=1000, errors=1, p95_us=40_000)
"""What a version that is well does of a whole traffic share in a minute."""
SETTINGS: Final = RolloutSettings(
    steps=(Step(weight=PerMille(50), bake=Duration(2 * MINUTE)), Step(weight=PerMille(500), bake=Duration(2 * MINUTE))),
    retain_old=Duration(3 * MINUTE),
)

_NEXT: Final[Mapping[RolloutPhase, set[RolloutPhase]]] = {
    RolloutPhase.PREFLIGHT: {RolloutPhase.EXPAND, RolloutPhase.ABORT, RolloutPhase.PREFLIGHT},
    RolloutPhase.EXPAND: {
        RolloutPhase.EXPAND,
        RolloutPhase.CANARY,
        RolloutPhase.CUTOVER,
        RolloutPhase.ABORT,
        RolloutPhase.PREFLIGHT,
    },
    RolloutPhase.CANARY: {RolloutPhase.CANARY, RolloutPhase.EXPAND, RolloutPhase.CUTOVER, RolloutPhase.ABORT},
    RolloutPhase.CUTOVER: {RolloutPhase.SOAK, RolloutPhase.ABORT},
    RolloutPhase.SOAK: {RolloutPhase.CONTRACT, RolloutPhase.ABORT, RolloutPhase.PREFLIGHT},
    RolloutPhase.CONTRACT: {RolloutPhase.DONE, RolloutPhase.ABORT, RolloutPhase.PREFLIGHT},
    RolloutPhase.ABORT: {RolloutPhase.CONTRACT, RolloutPhase.PREFLIGHT},
    RolloutPhase.DONE: {RolloutPhase.PREFLIGHT},
}
"""Which phase may follow which. DONE may always follow: nothing is wanted any more, or nobody is there."""


@dataclass
class Stage:
    """One service, its instances, its proxies and what is written about its rollout."""

    versions: dict[Version, int]
    settings: RolloutSettings = SETTINGS
    wishes: Mapping[Version, Wish] = field(default_factory=dict)
    now: Instant = EPOCH
    rollout: Rollout | None = None
    traffic: Traffic | None = None
    starting: Counter[Version] = field(default_factory=Counter)
    serving: Counter[Version] = field(default_factory=Counter)
    leaving: Counter[Version] = field(default_factory=Counter)
    proxies: dict[str, Traffic | None] = field(default_factory=lambda: {"edge-1": None, "edge-2": None})
    frozen: set[str] = field(default_factory=set)
    """Proxies that take nothing new."""
    stillborn: set[Version] = field(default_factory=set)
    """Versions whose instances never come up."""
    quality: dict[Version, Figures] = field(default_factory=dict)
    is_silent: bool = False
    """No client sends anything."""
    room: int = 1000
    failures: Counter[Version] = field(default_factory=Counter)
    answer: Answer = field(default_factory=Answer)
    phases: list[RolloutPhase] = field(default_factory=list)
    last: Traffic | None = None
    """The traffic entry that was written last, whatever has become of it."""

    @property
    def service(self) -> Service:
        return Service(
            name=DNS,
            pool=PoolName("small"),
            port=80,
            run=RunSpec(command=("serve",)),
            versions=self.versions,
            rollout=self.settings,
            wishes=self.wishes,
        )

    @property
    def phase(self) -> RolloutPhase | None:
        return self.rollout.phase if self.rollout is not None else None

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing moves any more."""
        return self.answer == Answer() and +self.serving == self.sizes == self.present()

    @property
    def sizes(self) -> Mapping[Version, int]:
        """Give what converge is told."""
        return {version: count for version, count in instances(self.sight()).items() if count}

    def present(self) -> dict[Version, int]:
        return {v: n for v in sorted({*self.serving, *self.starting}) if (n := self.serving[v] + self.starting[v])}

    def sight(self) -> Sight:
        epoch = self.traffic.epoch if self.traffic is not None else 0
        lagging = tuple(n for n, t in sorted(self.proxies.items()) if (t.epoch if t is not None else 0) < epoch)
        everyone = sorted({*self.serving, *self.starting, *self.leaving})
        return Sight(
            now=self.now,
            service=self.service,
            rollout=self.rollout,
            traffic=self.traffic,
            fleet={
                v: Fleet(present=self.serving[v] + self.starting[v], serving=self.serving[v], leaving=self.leaving[v])
                for v in everyone
            },
            lagging=lagging if self.proxies else None,
            room=self.room,
            load=self.load(),
            failures={v: Setback(failures=n, not_before=self.now, words="") for v, n in self.failures.items() if n},
        )

    def load(self) -> ServiceLoad | None:
        """Give what the proxies have measured since all of them serve the epoch."""
        begin = self.rollout.served_at if self.rollout is not None else None
        if self.is_silent or self.traffic is None or begin is None or self.now - begin < MINUTE:
            return None
        minutes = (self.now - begin) // MINUTE
        found = {}
        for share in self.traffic.shares:
            each = self.quality.get(share.version, GOOD)
            found[share.version] = Figures(
                requests=each.requests * share.weight * minutes // 50,
                errors=each.errors * share.weight * minutes // 50,
                p95_us=each.p95_us,
            )
        return ServiceLoad(begin=begin, end=self.now, versions=found)

    def tick(self, span: Duration = SECOND, *, loses_move: bool = False) -> Answer:
        """Let the machine answer, carry its move out (unless it dies before that), and let the world live a while."""
        self.answer = advance(self.sight())
        if self.answer.move is not None and not loses_move:
            self._write(self.answer.move)
        self._converge()
        self.now = after(self.now, span)
        self._live()
        return self.answer

    def until(self, *phases: RolloutPhase, span: Duration = SECOND, limit: int = 4000) -> int:
        """Tick until one of the phases is reached; give the number of ticks."""
        for ticks in range(limit):
            if self.phase in phases and (self.phase is not RolloutPhase.DONE or (ticks and self.is_quiet)):
                return ticks
            self.tick(span)
        raise AssertionError(f"still {self.phase} after {limit} ticks: {self.answer}, {self}")

    def settle(self) -> None:
        """Tick until nothing moves any more, and nothing is waited for."""
        for _ in range(500):
            self.tick(Duration(20 * SECOND))
            if self.is_quiet:
                return
        raise AssertionError(f"not settled: {self.answer}, {self}")

    def wait(self, span: Duration) -> None:
        """Let time pass, the machine answering each second."""
        ends_at = after(self.now, span)
        while self.now < ends_at:
            self.tick()

    def order(self, order: Order) -> None:
        assert self.rollout is not None
        self.rollout = replace(self.rollout, order=order)

    def weights(self) -> dict[str, int]:
        """Give who gets how much, as the traffic entry says."""
        return {s.version: s.weight for s in self.traffic.shares if s.weight} if self.traffic is not None else {}

    # What the machine promises

    def _write(self, move: Move) -> None:
        before, new = self.rollout, move.rollout
        assert new is not None
        if before is not None and before.phase is not new.phase:
            is_end = new.phase is RolloutPhase.DONE
            assert is_end or new.phase in _NEXT[before.phase], f"{before.phase} → {new.phase}"
        assert before is None or new.epoch >= before.epoch, "an epoch went back"
        if move.traffic is not None:
            assert not oddity(move.traffic), oddity(move.traffic)
            self._check_division(new, move.traffic)
            assert move.traffic.epoch == new.epoch
            if move.traffic != self.traffic:
                assert self.traffic is None or move.traffic.epoch > self.traffic.epoch
        self.rollout, self.traffic, self.last = new, move.traffic, move.traffic or self.last
        if move.versions is not None:
            self.versions = dict(move.versions)
        if before is None or before.phase is not new.phase:
            self.phases.append(new.phase)

    def _check_division(self, rollout: Rollout, traffic: Traffic) -> None:
        """A version gets more requests than before only when its instances are there to take them."""
        had = {share.version: share.weight for share in self.last.shares} if self.last is not None else {}
        for share in traffic.shares:
            is_new = share.version not in rollout.before
            if is_new and share.weight > had.get(share.version, 0) and rollout.phase is not RolloutPhase.DONE:
                # A weight may have been rounded up by as much as there are versions.
                due = (share.weight - 3) * rollout.target[share.version]
                assert self.serving[share.version] * WHOLE >= due, (
                    f"{share.version} gets {share.weight} with {self.serving[share.version]} instances"
                )

    def _converge(self) -> None:
        """Claim what is short; let go what is too many, a whole version when everything else serves."""
        wanted = self.sizes
        for version, count in wanted.items():
            short = count - self.serving[version] - self.starting[version]
            if short > 0:
                self.starting[version] += short
        is_complete = all(self.serving[version] >= count for version, count in wanted.items())
        for version in sorted({*self.serving, *self.starting} if is_complete else wanted):
            extra = self.serving[version] + self.starting[version] - wanted.get(version, 0)
            if extra > 0:
                self._let_go(version, extra)

    def _let_go(self, version: Version, extra: int) -> None:
        idle = min(extra, self.starting[version])
        leaving = extra - idle
        assert leaving <= self.serving[version]
        if leaving:
            self._check_leaving(version, leaving)
        self.starting[version] -= idle
        self.serving[version] -= leaving
        self.leaving[version] += extra

    def _check_leaving(self, version: Version, leaving: int) -> None:
        """Nobody leaves who is needed for what any proxy, however late, still sends."""
        rest = self.serving[version] - leaving
        rollout = self.rollout
        if rollout is None or rollout.phase is RolloutPhase.DONE or self.versions.get(version):
            return  # counts that an operator has lowered
        total = min(sum(self.versions.values()), sum(rollout.before.values()))
        for proxy, served in self.proxies.items():
            weight = next((s.weight for s in served.shares if s.version == version), 0) if served is not None else 0
            # Rounded: a weight of 333 per mille is a third.
            assert rest * WHOLE >= weight * total - WHOLE, f"{version} leaves while {proxy} gives it {weight}: {self}"

    def _live(self) -> None:
        for version in list(self.starting):
            if version in self.stillborn:
                self.failures[version] += 1
            elif self.starting[version]:
                # A few at a time: machines do not come up together.
                coming = min(2, self.starting[version])
                self.starting[version] -= coming
                self.serving[version] += coming
                self.failures.pop(version, None)
        self.leaving.clear()
        for proxy in self.proxies:
            if proxy not in self.frozen:
                self.proxies[proxy] = self.traffic


def stage(strategy: Strategy = Strategy.BLUE_GREEN, count: int = 4, **settings: object) -> Stage:
    """Make a service whose version 1 has been serving for a while."""
    made = Stage(versions={Version("1"): count}, settings=replace(SETTINGS, strategy=strategy, **settings))  # type: ignore[arg-type]
    made.settle()
    assert made.serving == {Version("1"): count}
    made.phases.clear()
    return made

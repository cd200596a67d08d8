"""The traffic of one service, as it is between two looks: constant rates, and the volumes that they have made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import MILLISECOND, MINUTE, Duration, Instant
from hfs_appliance.model.load import MICROSECOND, bucket_of
from hfs_appliance.proxy.table import Route
from sim.clock import Timer
from sim.servers import SimServer
from sim.traffic.curves import Curve
from sim.traffic.facts import TrafficFlowed
from sim.traffic.load import NOTHING, Load
from sim.traffic.members import Tried

MICRO: Final = 1_000_000
TOLD_AT_LEAST: Final = Duration(15 * MINUTE)


@dataclass(slots=True)
class Account:
    """What a proxy has counted of one version since somebody looked first, in micro-requests."""

    asked: int = 0
    lost: int = 0
    busy_us: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    """Requests by bucket of their mean time."""

    def since(self, before: Account) -> Account:
        """Give what was counted after another one."""
        latencies = {bucket: count - before.latencies.get(bucket, 0) for bucket, count in self.latencies.items()}
        return Account(
            asked=self.asked - before.asked,
            lost=self.lost - before.lost,
            busy_us=self.busy_us - before.busy_us,
            latencies={bucket: count for bucket, count in latencies.items() if count},
        )


@dataclass(slots=True, eq=False)
class Flow:
    """The traffic of one service."""

    service: ServiceName
    curve: Curve
    until: Instant
    """Up to here everything is counted."""
    route: Route | None = None
    weights: Mapping[Version, int] = field(default_factory=dict)
    """How the route divides requests by version."""
    tried: tuple[Tried, ...] | None = None
    """None: to be looked up again."""
    hot: list[tuple[str, int]] = field(default_factory=list)
    """L-7: per mille of the requests that stick to an instance."""
    load: Load = NOTHING
    demand: int = 0
    strained: list[SimServer] = field(default_factory=list)
    """Members that are too busy for their agents' probes."""
    timer: Timer | None = None
    is_touched: bool = False
    """Whether it is looked at before this instant is over."""
    asked: int = 0
    lost: int = 0
    """Since it was told last, in micro-requests."""
    accounts: dict[Version, Account] | None = None
    """None while nobody has looked."""
    told: Load = NOTHING
    told_at: Instant = Instant(0)

    def count(self, now: Instant) -> None:
        """Count what the present rates have made since it was counted last."""
        span = now // MILLISECOND - self.until // MILLISECOND
        self.until = now
        self.asked += self.load.offered * span
        self.lost += self.load.lost * span
        if self.accounts is not None and span:
            self._enter(self.accounts, span)

    def _enter(self, accounts: dict[Version, Account], span: int) -> None:
        for share in self.load.shares:
            account = accounts.get(share.group.version)
            if account is None:
                account = accounts[share.group.version] = Account()
            asked, latency_us = share.offered * span, share.latency // MICROSECOND
            account.asked += asked
            account.lost += share.lost * span
            account.busy_us += asked * latency_us
            bucket = bucket_of(latency_us)
            account.latencies[bucket] = account.latencies.get(bucket, 0) + asked

    def counted(self, now: Instant) -> Mapping[Version, Account]:
        """Give what was counted so far, from the first call on; it is a copy."""
        self.count(now)
        if self.accounts is None:
            self.accounts = {}
        return {version: account.since(Account()) for version, account in self.accounts.items()}

    def turn(self, load: Load) -> TrafficFlowed | None:
        """Go on with other rates; give what is to be told of the former ones, if the change is worth it."""
        told, before, self.load = self.told, self.load, load
        is_news = (
            self.until - self.told_at >= TOLD_AT_LEAST
            or _differs(load.lost, told.lost, 10)
            or _differs(load.latency_p95, told.latency_p95, 4)
        )
        return self.summary(before) if is_news else None

    def summary(self, during: Load | None = None) -> TrafficFlowed:
        """Sum up what has not been told; `during` says how it was, if it is otherwise now."""
        fact = TrafficFlowed(
            service=self.service,
            asked=self.asked,
            lost=self.lost,
            latency_p95=Duration((during or self.load).latency_p95),
            utilisation=self.load.utilisation,
        )
        self.asked = self.lost = 0
        self.told, self.told_at = self.load, self.until
        return fact


def _differs(new: int, old: int, parts: int) -> bool:
    """Tell whether a figure has changed by more than one of so many parts; from or to nothing is a change, too."""
    return abs(new - old) * parts > max(new, old)

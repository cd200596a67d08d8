"""The LoadSource port over simulated traffic: what a proxy's log would say of the same requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.load import BUCKETS_US, Measured, Reading, bucket_of
from hfs_appliance.ports.errors import Transient
from sim.clock import WorldClock
from sim.traffic.flow import MICRO, Account
from sim.traffic.flows import Flows

_TIMES: Final = ((500, 693), (400, 1609), (100, 3000))
"""How times that are distributed exponentially lie around their mean: (per mille of all, per mille of the mean)."""
_NOTHING: Final = Account()


@dataclass(slots=True, kw_only=True)
class LoadFaults:
    """L-8: what is wrong with what proxies measure."""

    is_missing: bool = False
    """Nothing can be read."""
    is_frozen: bool = False
    """The same is read again and again."""
    factor: int = 1000
    """Per mille of the truth that is read."""


class SimLoad:
    """What one appliance reads of it."""

    def __init__(self, clock: WorldClock, flows: Flows, faults: LoadFaults) -> None:
        self._clock: Final = clock
        self._flows: Final = flows
        self._faults: Final = faults
        self._begin = clock.now()
        self._before: Mapping[ServiceName, Mapping[Version, Account]] = {}
        self._last: Reading | None = None

    async def skip(self) -> None:
        """Begin to count now."""
        await trio.lowlevel.checkpoint()
        self._before = self._flows.counted()
        self._begin = self._clock.now()

    async def read(self) -> Reading:
        """Give what ended since the last time. Errors: Transient."""
        await trio.lowlevel.checkpoint()
        if self._faults.is_missing:
            raise Transient("nothing is known of the load")
        begin, self._begin = self._begin, self._clock.now()
        before, self._before = self._before, self._flows.counted()
        if self._faults.is_frozen and self._last is not None:
            services = self._last.services
        else:
            services = {name: self._service(before.get(name, {}), now) for name, now in self._before.items()}
        self._last = Reading(begin=begin, end=self._begin, services=services)
        return self._last

    def _service(self, before: Mapping[Version, Account], now: Mapping[Version, Account]) -> Mapping[Version, Measured]:
        return {version: self._measured(before.get(version, _NOTHING), now[version]) for version in sorted(now)}

    def _measured(self, before: Account, now: Account) -> Measured:
        """Give what ended from one look to the next, in whole requests: what is begun at one counts at a later one."""
        factor, was, by_now = self._faults.factor, _latencies(before), _latencies(now)
        latencies = {bucket: (count - was.get(bucket, 0)) * factor // 1000 for bucket, count in sorted(by_now.items())}
        return Measured(
            requests=(now.asked // MICRO - before.asked // MICRO) * factor // 1000,
            errors=(now.lost // MICRO - before.lost // MICRO) * factor // 1000,
            busy_us=(now.busy_us // MICRO - before.busy_us // MICRO) * factor // 1000,
            latencies={bucket: count for bucket, count in latencies.items() if count},
        )


def _latencies(account: Account) -> dict[int, int]:
    """Count whole requests by bucket of their time."""
    parts: dict[int, int] = {}
    for mean, requests in account.latencies.items():
        for share, part in _TIMES:
            bucket = bucket_of(BUCKETS_US[mean] * part // 1000)
            parts[bucket] = parts.get(bucket, 0) + requests * share
    return {bucket: count // (1000 * MICRO) for bucket, count in parts.items()}

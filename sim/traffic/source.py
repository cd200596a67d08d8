"""The LoadSource port over simulated traffic: what a proxy's log would say of the same requests."""

from __future__ import annotations

from typing import Final

import trio

from hfs_appliance.model.load import Measured, Reading, bucket_of
from hfs_appliance.ports.errors import Transient
from sim.clock import WorldClock
from sim.traffic.flow import MICRO, Account
from sim.traffic.flows import Flows

_TIMES: Final = ((500, 693), (400, 1609), (100, 3000))
"""How times that are distributed exponentially lie around their mean: (per mille of all, per mille of the mean)."""


class SimLoad:
    """What one proxy has measured."""

    def __init__(self, clock: WorldClock, flows: Flows) -> None:
        self._clock: Final = clock
        self._flows: Final = flows
        self._begin = clock.now()
        self.is_missing = False
        """L-8: whether nothing can be read."""
        self.is_frozen = False
        """L-8: whether the same is read again and again."""
        self.factor = 1000
        """L-8: per mille of the truth that is read."""
        self._last: Reading | None = None

    async def skip(self) -> None:
        """Begin to count now."""
        await trio.lowlevel.checkpoint()
        self._flows.accounts()
        self._begin = self._clock.now()

    async def read(self) -> Reading:
        """Give what ended since the last time. Errors: Transient."""
        await trio.lowlevel.checkpoint()
        if self.is_missing:
            raise Transient("nothing is known of the load")
        begin, self._begin = self._begin, self._clock.now()
        accounts = self._flows.accounts()
        if self.is_frozen and self._last is not None:
            services = self._last.services
        else:
            services = {name: {v: self._measured(a) for v, a in sorted(of.items())} for name, of in accounts.items()}
        self._last = Reading(begin=begin, end=self._begin, services=services)
        return self._last

    def _measured(self, account: Account) -> Measured:
        latencies: dict[int, int] = {}
        for latency_us, requests in account.latencies.items():
            for share, part in _TIMES:
                bucket = bucket_of(latency_us * part // 1000)
                latencies[bucket] = latencies.get(bucket, 0) + requests * share * self.factor // (1_000_000 * MICRO)
        return Measured(
            requests=account.asked * self.factor // (1000 * MICRO),
            errors=account.lost * self.factor // (1000 * MICRO),
            busy_us=sum(latency * requests for latency, requests in account.latencies.items()) // MICRO,
            latencies={bucket: count for bucket, count in sorted(latencies.items()) if count},
        )

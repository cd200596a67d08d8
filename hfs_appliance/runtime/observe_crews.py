"""The crew observer: asks agents how busy their servers are, a sample of each service that follows it.

It never decides and never acts. Of a large service as many are asked as tell its mean, others each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import trio

from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant, after, between, seconds, to_seconds
from hfs_appliance.model.load import NO_CREW, Crew
from hfs_appliance.model.observed import InstanceStatus, Observation, RegistryView
from hfs_appliance.model.strain import Strain
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.strain import StrainSource

ASK_EVERY: Final = seconds(10)
ASK_WITHIN: Final = seconds(2)
ASKED: Final = 20
"""Instances of one service at a time: the mean of twenty is off by less than a quarter of how far they lie apart."""
AT_ONCE: Final = 64
KEPT: Final = seconds(30)
"""What agents said counts for so long."""


class _Heard(NamedTuple):
    at: Instant
    asked: int
    strains: Sequence[Strain]


class CrewObserver:
    """Who serves, and how busy they are."""

    def __init__(
        self,
        source: StrainSource,
        desired: Callable[[], DesiredState | None],
        view: Callable[[], Observation[RegistryView] | None],
        clock: Clock,
    ) -> None:
        self._source = source
        self._desired = desired
        self._view = view
        self._clock = clock
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._heard: dict[ServiceName, _Heard] = {}
        self._rounds = 0

    def crew(self, name: ServiceName) -> Crew:
        """Give the crew of a service as it is now."""
        addresses = self._addresses(name)
        heard = self._heard.get(name)
        if not addresses:
            return NO_CREW
        if heard is None or self._clock.now() >= after(heard.at, KEPT):
            return Crew(instances=len(addresses))
        cpus = [strain.cpu for strain in heard.strains if strain.cpu is not None]
        loads = [strain.load for strain in heard.strains]
        return Crew(instances=len(addresses), cpu=_mean(cpus, heard.asked), load=_mean(loads, heard.asked))

    async def run(self) -> None:
        """Ask round by round, until cancelled."""
        self._heard = {}
        while True:
            began = self._clock.now()
            desired = self._desired()
            async with trio.open_nursery() as nursery:
                for service in desired.services.values() if desired is not None else ():
                    if _follows(service):
                        nursery.start_soon(self._ask_some, service.name)
            self._rounds += 1
            pause = between(self._clock.now(), after(began, ASK_EVERY))
            await trio.sleep(max(0, to_seconds(pause)))  # a round in which many do not answer takes longer

    async def _ask_some(self, name: ServiceName) -> None:
        addresses = self._addresses(name)
        first = self._rounds * ASKED % max(1, len(addresses))
        sample = (addresses[first:] + addresses[:first])[:ASKED]
        strains: list[Strain] = []
        async with trio.open_nursery() as nursery:
            for address in sample:
                nursery.start_soon(self._ask, address, strains)
        self._heard[name] = _Heard(self._clock.now(), len(sample), strains)

    async def _ask(self, address: str, strains: list[Strain]) -> None:
        async with self._limiter:
            strain = await self._source.ask(address, within=ASK_WITHIN)
        if strain is not None:
            strains.append(strain)

    def _addresses(self, name: ServiceName) -> list[str]:
        """Name the servers that serve, in order."""
        view = self._view()
        entries = view.value.registrations.get(name, {}) if view is not None else {}
        return [entry.address for _, entry in sorted(entries.items()) if entry.status is InstanceStatus.UP]


def _mean(figures: Sequence[int], asked: int) -> int | None:
    """Give the mean of what was said; None when fewer than half have said anything: the others may be the busy ones."""
    return sum(figures) // len(figures) if figures and 2 * len(figures) >= asked else None


def _follows(service: Service) -> bool:
    scale = service.autoscale
    return scale is not None and (scale.cpu is not None or scale.load is not None)

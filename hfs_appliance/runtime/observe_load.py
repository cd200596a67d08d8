"""The load observer: reads what the proxy has measured of the services that somebody wants to know about.

It never decides and never acts. Nobody asking costs nothing: then nothing is read, and what was measured is forgotten.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import trio

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.load import LoadView, Sample, Series, extended
from hfs_appliance.model.observed import Observation
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.load import LoadSource
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_crews import CrewObserver

READ_EVERY: Final = seconds(5)
READ_WITHIN: Final = seconds(10)


class LoadObserver:
    """The load of services, sample by sample."""

    def __init__(self, source: LoadSource, crews: CrewObserver, *, clock: Clock, dirty: Dirty) -> None:
        self._source = source
        self._crews = crews
        self._clock = clock
        self._dirty = dirty
        self._wanted: Set[ServiceName] = frozenset()
        self._is_asked = Dirty()
        self._services: dict[ServiceName, Series] = {}
        self._observation: Observation[LoadView] | None = None

    def observation(self) -> Observation[LoadView] | None:
        """Give what is known; None: nothing yet."""
        return self._observation

    def want(self, services: Set[ServiceName]) -> None:
        """Say of which services the load is wanted from now on."""
        if services != self._wanted:
            self._wanted = services
            self._is_asked.mark()

    async def run(self) -> None:
        """Read while anybody wants to know, until cancelled."""
        while True:
            self._services, self._observation = {}, None
            while not self._wanted:
                await self._is_asked.wait()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._crews.run)
                await self._follow()
                nursery.cancel_scope.cancel()

    async def _follow(self) -> None:
        """Read until nobody wants to know any more. What happened before somebody did is of no span that is known."""
        is_counting = False
        while self._wanted:
            began = self._clock.now()
            try:
                with trio.fail_after(to_seconds(READ_WITHIN)):
                    if is_counting:
                        await self._read()
                    else:
                        await self._source.skip()
                        is_counting = True
            except (PortError, trio.TooSlowError):
                pass  # the view grows old, which is what a decision rests on
            await trio.sleep(max(0, to_seconds(READ_EVERY) - (self._clock.now() - began) / 1e9))

    async def _read(self) -> None:
        reading = await self._source.read()
        services = {}
        for name in self._wanted:
            versions, crew = reading.services.get(name, {}), self._crews.crew(name)
            sample = Sample(begin=reading.begin, end=reading.end, versions=versions, crew=crew)
            services[name] = extended(self._services.get(name, ()), sample)
        self._services = services
        revision = self._observation.revision + 1 if self._observation is not None else 1
        view = LoadView(services=services)
        self._observation = Observation(value=view, observed_at=reading.end, revision=revision)
        self._dirty.mark()

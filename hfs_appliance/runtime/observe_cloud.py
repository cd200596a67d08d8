"""The cloud observer: the cloud's list of servers as one value. It never decides and never acts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import trio

from hfs_appliance.model.events import CloudUnreachable
from hfs_appliance.model.instants import Duration, Instant, between, format_duration, seconds, to_seconds
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import CloudView, Observation
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.mischief import PEACE, Mischief, Site
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables

_LONG_POLL: Final = seconds(10)


def list_within(poll: Duration, tunables: Tunables = PRODUCTION) -> Duration:
    """Give how long a list may take: with a longer interval an operator gives a slow cloud more time, too.

    A list that takes as long as that still is fresh for four intervals when it comes.
    """
    return Duration(max(tunables.list_within, tunables.list_within * poll // _LONG_POLL))


class CloudObserver:
    """The cloud's list of servers, read at the pace of `poll` and whenever somebody asks."""

    def __init__(
        self,
        cloud: Cloud,
        poll: Duration,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Iterable[Dirty],
        tunables: Tunables = PRODUCTION,
        mischief: Mischief = PEACE,
    ) -> None:
        self._cloud = cloud
        self._poll = poll
        self._clock = clock
        self._sink = sink
        self._dirty = tuple(dirty)
        self._within: Final = list_within(poll, tunables)
        self._mischief = mischief
        self._asked = Dirty()
        self._listed = trio.Event()
        self._observation: Observation[CloudView] | None = None
        self._is_unreachable = False

    def observation(self) -> Observation[CloudView] | None:
        """Give the last list; None before the first."""
        return self._observation

    def look_soon(self) -> None:
        """Ask for a new list now."""
        self._asked.mark()

    async def wait_listed(self, since: Instant) -> None:
        """Wait for a list that was asked for at `since` or later, and ask for one."""
        while self._observation is None or self._observation.observed_at < since:
            self.look_soon()
            await self._listed.wait()

    async def run(self) -> None:
        """Read the list until cancelled."""
        while True:
            await self._look()
            with trio.move_on_after(to_seconds(self._poll)):
                await self._asked.wait()

    async def _look(self) -> None:
        asked_at = self._clock.now()
        try:
            with trio.fail_after(to_seconds(self._within)):
                view = await self._cloud.servers()
        except (PortError, trio.TooSlowError) as error:
            if not self._is_unreachable:
                self._is_unreachable = True
                late = f"no list within {format_duration(self._within)}; a slow cloud needs a longer [cloud] poll"
                self._sink.emit("cloud", CloudUnreachable(words=str(error) or late))
            return
        if self._mischief.strikes(Site.LIST_LOST):
            return
        self._is_unreachable = False
        before, shown = self._observation, self._follow(view)
        is_changed = before is None or shown is not before.value
        # After a gap the same list is news: it is fresh again.
        is_news = is_changed or before is None or between(before.observed_at, asked_at) > 2 * self._poll
        revision = before.revision if before is not None else 0
        # True at the instant of asking, whatever happened while the answer was on its way.
        self._observation = Observation(value=shown, observed_at=asked_at, revision=revision + is_changed)
        self._listed.set()
        self._listed = trio.Event()
        if is_news:
            for dirty in self._dirty:
                dirty.mark()

    def _follow(self, view: CloudView) -> CloudView:
        """Give a list in which what has not changed is the same object as before; the former list when nothing has."""
        before = self._observation.value if self._observation is not None else CloudView(servers=Map())
        known, listed = before.servers, view.servers
        assert isinstance(known, Map)
        # A Map was made from the one before by a cloud that knows what has changed.
        servers = listed if isinstance(listed, Map) else known.became(listed)
        if servers is known and (view.is_complete, view.project) == (before.is_complete, before.project):
            return before
        return replace(view, servers=servers)

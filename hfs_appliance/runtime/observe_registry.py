"""The registry observer: a copy of the environment's tree as one value. It never decides and never acts.

The tree is read whole after every gap, entry by entry where a watch has marked, and by its names once a minute in case
a watch missed something. While the session is SUSPENDED nothing changes here: the view grows old instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import trio

from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.events import ResyncFoundDrift, SessionChanged
from hfs_appliance.model.instants import Duration, Instant, after, to_seconds
from hfs_appliance.model.observed import Observation, RegistryView
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Fenced, Missing, PortError, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.mischief import PEACE, Mischief, Site
from hfs_appliance.ports.registry import EVERYTHING, Registry, SessionState, Watch, Znode
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.mirror import Mirror
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables

PORTION: Final = 2_000
"""Entries that are read under one deadline: half a second's work for kazoo (measured: 0.25 ms each)."""


class RegistryObserver:
    """The environment's tree as this process knows it. `observation()` costs nothing between changes."""

    def __init__(
        self,
        registry: Registry,
        layout: Layout,
        session_timeout: Duration,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Iterable[Dirty],
        tunables: Tunables = PRODUCTION,
        mischief: Mischief = PEACE,
    ) -> None:
        self._registry = registry
        self._tunables = tunables
        self._mischief = mischief
        self._layout = layout
        self._session_timeout = session_timeout
        self._clock = clock
        self._sink = sink
        self._dirty = tuple(dirty)
        self._mirror = Mirror(layout, sink)
        self._flat_parents = (
            layout.servers,
            layout.pool,
            layout.troubles,
            layout.rollouts,
            layout.traffic,
            layout.proxies,
        )
        """Parents whose children have no children."""
        self._rewritten = (layout.rollouts, layout.traffic, layout.proxies)
        """Those whose children are few, and are written again and again rather than made anew."""
        self._agreed: dict[str, int] = {}
        """By parent: the `pzxid` at which its children were found to be those that are known."""
        self._view: RegistryView | None = None
        self._is_in_step = False
        self._synced_at = Instant(0)
        self._removals_believed_at = Instant(0)
        self._last_in_step = Instant(0)
        self._revision = 0
        self._hearers: dict[str, Callable[[Znode | None], None]] = {}
        self._watch: Watch
        self._waiting: trio.CancelScope | None = None
        self._reads_wanted = self._reads_done = 0
        self._has_read = trio.Event()

    def on_entry(self, path: str, hear: Callable[[Znode | None], None]) -> None:
        """Give every new content of an entry that is not part of the view to `hear`."""
        self._hearers[path] = hear

    def on_anchor(self, hear: Callable[[Anchor], None]) -> None:
        """Give every new anchor to `hear`."""
        self._mirror.on_anchor(hear)

    def observation(self) -> Observation[RegistryView] | None:
        """Give the view with the instant at which it was certainly true; None before the first whole read."""
        if self._view is None:
            return None
        session = self._registry.session()
        if self._is_in_step and session.state is SessionState.CONNECTED:
            # The session's own belief: it holds for two thirds of its timeout after the last answer.
            last_answer = Instant(session.lease_until - self._session_timeout * 2 // 3)
            self._last_in_step = max(self._last_in_step, last_answer)
        return Observation(value=self._view, observed_at=self._last_in_step, revision=self._revision)

    @property
    def anchor(self) -> Anchor | None:
        """Which fleet the registry says it belongs to."""
        return self._view.anchor if self._view is not None else None

    def are_removals_believed(self) -> bool:
        """Tell whether the recovery grace is over; it is not while the registry is out of reach: who could be back?"""
        return self._is_in_step and self._clock.now() >= self._removals_believed_at

    async def run(self) -> None:
        """Follow the registry until cancelled."""
        self._watch = self._registry.watch(self._layout.root)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow_session)
                nursery.start_soon(self._follow)
                nursery.start_soon(self._resync_regularly)
        finally:
            self._watch.close()

    async def read_anew(self) -> None:
        """Have the tree read whole, and wait until a reading that begins from now on is done."""
        self._reads_wanted = wanted = self._reads_wanted + 1
        if self._waiting is not None:
            self._waiting.cancel(reason="a whole reading is wanted")
        while self._reads_done < wanted:
            await self._has_read.wait()

    async def refresh(self, paths: Iterable[str]) -> None:
        """Read entries now, so that the view holds what we have just written."""
        self._apply(await self._get_many(tuple(paths)))

    async def _follow_session(self) -> None:
        session = self._registry.session()
        while True:
            self._sink.emit("registry", SessionChanged(state=session.state.value, session=f"{session.session_id:#x}"))
            if session.state is not SessionState.CONNECTED:
                self._is_in_step = False
            self._mark()
            session = await self._registry.wait_session_change(session)

    async def _follow(self) -> None:
        is_behind = False
        while True:
            marks = frozenset({EVERYTHING}) if is_behind else await self._wait_marks()
            await self._wait_for_connection()
            try:
                if EVERYTHING in marks:
                    await self._read_all(is_over_a_gap=True)
                elif not marks or self._mischief.strikes(Site.REREAD):
                    # Somebody wants to be sure, as who takes over: of a session that held all the time nobody vanished.
                    await self._read_all(is_over_a_gap=not self._is_in_step)
                else:
                    self._apply(await self._get_many(sorted(marks)))
            except (Transient, Fenced, trio.TooSlowError):
                # What was marked is not known now: only a whole read makes the view right again.
                is_behind, self._is_in_step = True, False
                await trio.sleep(to_seconds(self._tunables.read_again_after))
            else:
                is_behind = False

    async def _wait_marks(self) -> frozenset[str]:
        """Wait for marks; none at all: a whole reading is wanted."""
        with trio.CancelScope() as self._waiting:
            if self._reads_done == self._reads_wanted:
                return await self._watch.wait_dirty()
        return frozenset()

    async def _wait_for_connection(self) -> None:
        session = self._registry.session()
        while session.state is not SessionState.CONNECTED:
            session = await self._registry.wait_session_change(session)

    async def _read_all(self, *, is_over_a_gap: bool) -> None:
        self._is_in_step = False
        self._agreed.clear()
        wanted = self._reads_wanted
        with trio.fail_after(to_seconds(self._tunables.read_within)):
            paths = await self._list()
        found = await self._get_many(paths)
        now = self._clock.now()
        if self._view is None or not self._synced_at:
            self._synced_at = now
        if is_over_a_gap:
            # Entries that vanished over it may be back in a moment: their owners reconnect as we did.
            self._removals_believed_at = after(now, Duration(self._session_timeout * 3 // 2))
        gone = (path for path in self._mirror.paths() if path not in found)
        self._is_in_step = True
        self._apply({**found, **dict.fromkeys(gone)})
        self._reads_done = wanted
        self._has_read.set()
        self._has_read = trio.Event()

    async def _get_many(self, paths: Sequence[str]) -> Mapping[str, Znode | None]:
        """Read entries. The deadline is for each portion: reading 110,000 takes half a minute, and comes forward."""
        found: dict[str, Znode | None] = {}
        for start in range(0, len(paths), PORTION):
            with trio.fail_after(to_seconds(self._tunables.read_within)):
                found.update(await self._registry.get_many(paths[start : start + PORTION]))
        return found

    async def _list(self) -> list[str]:
        layout = self._layout
        paths = [layout.anchor, *self._hearers]
        names = await self._children_of(self._flat_parents)
        paths += [f"{parent}/{name}" for parent in self._flat_parents for name in names[parent]]
        for service in await self._children(layout.services):
            parent = f"{layout.services}/{service}"
            paths += [f"{parent}/{name}" for name in await self._children(parent)]
        return paths

    async def _children_of(self, parents: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """List several parents at once: a slow registry takes its time for each."""
        names: dict[str, tuple[str, ...]] = {}
        errors: list[PortError] = []

        async def look(parent: str) -> None:
            try:
                names[parent] = await self._children(parent)
            except PortError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for parent in parents:
                nursery.start_soon(look, parent)
        if errors:
            raise errors[0]
        return names

    async def _children(self, path: str) -> tuple[str, ...]:
        try:
            return await self._registry.children(path)
        except Missing:
            return ()

    async def _resync_regularly(self) -> None:
        """List the names, and what is rewritten, once a minute: what a watch has missed is read, told and counted."""
        while True:
            await trio.sleep(to_seconds(self._tunables.resync_every))
            if not self._is_in_step:
                continue
            try:
                with trio.fail_after(to_seconds(self._tunables.read_within)):
                    missed = await self._list_missed()
                found = await self._get_many(missed)
            except (Transient, Fenced, trio.TooSlowError):
                continue
            # By now a watch that works has told of what changed in the meantime.
            drifted = [path for path in missed if not self._mirror.is_in_step(path, found[path])]
            if drifted:
                self._sink.emit("registry", ResyncFoundDrift(entries=len(drifted), words=", ".join(drifted[:5])))
                self._apply(found)
                self._watch_anew()

    def _watch_anew(self) -> None:
        """Ask for the watch again, and read the tree whole: one that has missed something may have been forgotten (Z5).

        It would be the rest of the session, else, in which everything is seen a minute late.
        """
        self._watch.close()
        self._watch = self._registry.watch(self._layout.root)
        if self._waiting is not None:
            self._waiting.cancel(reason="there is another watch")

    async def _list_missed(self) -> list[str]:
        """Name the entries that are listed and not known, or the other way round, or say something else by now.

        A parent whose children have not changed since they agreed is not listed again: thousands of names, a
        thousand calls. Nor is what they say read again, where there may be thousands: of those that are rewritten the
        name tells nothing, and a rollout would wait for ever for a proxy that follows it.
        """
        layout, missed = self._layout, list[str]()
        services = await self._children(layout.services)
        parents = {*self._flat_parents, *(f"{layout.services}/{name}" for name in services)}
        listed = sorted(parents.union(self._mirror.parents()))
        rewritten = [path for parent in self._rewritten for path in self._mirror.paths_below(parent)]
        found = await self._registry.get_many((*listed, *rewritten))
        missed += [path for path in rewritten if not self._mirror.is_in_step(path, found[path])]
        already = frozenset(missed)
        for parent in listed:
            znode = found[parent]
            if znode is not None and self._agreed.get(parent) == znode.pzxid:
                continue
            unlike = self._mirror.unlike(parent, await self._children(parent))
            missed += [path for name in unlike if (path := f"{parent}/{name}") not in already]
            if znode is not None and not unlike:
                self._agreed[parent] = znode.pzxid
        return missed

    def _apply(self, found: Mapping[str, Znode | None]) -> None:
        for path, hear in self._hearers.items():
            if path in found:
                hear(found[path])
        self._mirror.take(found, self._clock.now())
        revision = max((znode.mzxid for znode in found.values() if znode is not None), default=0)
        self._revision = max(self._revision, revision)
        view = self._mirror.view(synced_at=self._synced_at, removals_believed_at=self._removals_believed_at)
        if view is not self._view:
            self._view = view
            self._mark()

    def _mark(self) -> None:
        for dirty in self._dirty:
            dirty.mark()

"""The desired state in force: read from its registry entry, changed only by a write with a version check.

The entry holds the operator's own TOML. It is checked again whenever it is read: a bad one is refused, told, and the
former one stays in force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.config import ConfigError, differences, load_text, overridden
from hfs_appliance.mcp.shrink import in_words, shrinks
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.events import DesiredChanged, DesiredRefused
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.reports import Applied, Change
from hfs_appliance.model.rollout import Strategy
from hfs_appliance.model.stored import StoredDesired
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Conflict, Missing, Rejected, Unconfirmed
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import CreateOp, Entries, Operation, SetOp, Znode
from hfs_appliance.registry.formats import FormatError, read_desired, write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.history import History

WRITE_WITHIN: Final = seconds(10)


class DesiredStore:
    """The desired state of one environment."""

    def __init__(
        self, registry: Entries, layout: Layout, *, clock: Clock, sink: EventSink, dirty: tuple[Dirty, ...]
    ) -> None:
        self._registry = registry
        self._path = layout.desired
        self.history: Final = History(registry, layout)
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._mzxid = -1
        self._closing = trio.Event()
        self._is_there = False
        self.stored: StoredDesired | None = None
        self.current: DesiredState | None = None

    def hear(self, znode: Znode | None) -> None:
        """Take the entry as the registry has it now."""
        if znode is None:
            self._mzxid, self._is_there = -1, False  # hfs down, or an emptied registry: what is in force stays
            return
        if znode.mzxid == self._mzxid:
            return
        try:
            stored = read_desired(znode.value)
            self._demand_newer(stored)
            current = effective(stored) if not stored.is_closing else None
        except (FormatError, ConfigError) as error:
            self._mzxid = znode.mzxid
            self._sink.emit("desired", DesiredRefused(words=str(error)))
            return
        self._mzxid, self._is_there = znode.mzxid, True
        self.stored = stored
        if current is None:
            # Whoever was started after that (it knows of nothing yet) begins anew.
            if self.current is not None:
                self.obey_closing()
            return
        before, self.current = self.current, current
        words = describe(differences(before, current)) if before is not None else stored.file
        event = DesiredChanged(generation=stored.generation, author=stored.author, words=words)
        self._sink.emit("desired", event)
        for dirty in self._dirty:
            dirty.mark()

    def obey_closing(self) -> None:
        """Take it as meant for us, too, if everything is to be retired."""
        stored = self.stored
        if stored is not None and stored.is_closing and not self.is_closing:
            words = "everything is to be retired"
            self._sink.emit("desired", DesiredChanged(generation=stored.generation, author=stored.author, words=words))
            self._closing.set()
            for dirty in self._dirty:
                dirty.mark()

    @property
    def is_closing(self) -> bool:
        """Whether everything is to be retired."""
        return self._closing.is_set()

    async def wait_closing(self) -> None:
        """Wait until everything is to be retired."""
        await self._closing.wait()

    def is_news(self, source: str) -> bool:
        """Tell whether something is stored, and a file is neither what was offered nor what was applied last."""
        stored = self.stored
        return (
            stored is not None
            and not stored.is_closing
            and source != stored.source
            and _digest(source) != stored.offered
        )

    def _demand_newer(self, stored: StoredDesired) -> None:
        if self._is_there and self.stored is not None and stored.generation < self.stored.generation:
            in_force = f"generation {stored.generation} is older than {self.stored.generation}, which is in force"
            raise FormatError(f"{in_force}: the registry was rolled back")

    async def offer(self, source: str, file: str, author: str, *, is_late: bool = False) -> None:
        """Make the file that `hfs run` was started with the desired state, if it is news.

        A file that was offered before is not: what was applied and scaled since then stays. One that comes late, after
        others have led, is news only where nothing was ever stored.

        Errors: ConfigError, PortError, TooSlowError; Unconfirmed when it removes much.
        """
        await self._read()
        stored = self.stored
        if stored is None or (not is_late and (stored.is_closing or _digest(source) != stored.offered)):
            await self._apply(source, file, author, offered=_digest(source))

    async def apply(
        self, source: str, file: str, author: str, base_generation: int | None, *, is_confirmed: bool = False
    ) -> Applied:
        """Store a source as the next generation.

        Errors: ConfigError; Conflict: `base_generation` is not in force; Unconfirmed: it removes much.
        """
        await self._read()
        self._demand_base(base_generation)
        return await self._apply(source, file, author, offered=None, is_confirmed=is_confirmed)

    async def restore_generation(
        self, generation: int, author: str, base_generation: int | None, *, is_confirmed: bool = False
    ) -> Applied:
        """Make a former generation the next one. Errors: as of `apply`; Rejected: it is not kept, or ended all."""
        former = await self.history.find(generation)
        if former.is_closing:
            raise Rejected(f"generation {generation} is the end of everything: that is `hfs down`")
        await self._read()
        self._demand_base(base_generation)

        def change(stored: StoredDesired | None) -> StoredDesired:
            number = stored.generation + 1 if stored is not None else 1
            offered = stored.offered if stored is not None else ""
            words = f"as generation {generation} was"
            return replace(former, generation=number, author=author, at=self._clock.now(), offered=offered, words=words)

        return await self._change(change, is_confirmed=is_confirmed)

    def _demand_base(self, base_generation: int | None) -> None:
        """Refuse a change that was made of a generation which is in force no longer. Errors: Conflict."""
        stored = self.stored
        generation = stored.generation if stored is not None else 0
        if base_generation is not None and base_generation != generation:
            by = f", by {stored.author}" if stored is not None and stored.author else ""
            raise Conflict(f"generation {generation} is in force{by}, not {base_generation}: plan again")

    def _demand_versions(self, service: ServiceName, seen: Mapping[Version, int] | None) -> None:
        """Refuse a change of versions that nobody wants by now: it would bring one of them back beside the new ones.

        Errors: Conflict.
        """
        known = self.current.services.get(service) if self.current is not None else None
        if seen is not None and (known is None or known.versions != seen):
            by = f", by {self.stored.author}" if self.stored is not None and self.stored.author else ""
            raise Conflict(f"{service} has been changed meanwhile{by}: look again")

    async def _apply(
        self, source: str, file: str, author: str, *, offered: str | None, is_confirmed: bool = False
    ) -> Applied:
        def change(stored: StoredDesired | None) -> StoredDesired:
            return StoredDesired(
                generation=stored.generation + 1 if stored is not None else 1,
                author=author,
                at=self._clock.now(),
                file=file,
                source=source,
                offered=offered or (stored.offered if stored is not None else ""),
                words=f"{'hfs run' if offered else 'hfs apply'} {Path(file).name}",
            )

        return await self._change(change, is_confirmed=is_confirmed)

    async def scale(
        self,
        service: ServiceName,
        version: Version,
        instances: int,
        author: str,
        *,
        seen: Mapping[Version, int] | None = None,
        is_confirmed: bool = False,
    ) -> Applied:
        """Store another count of one version. Errors: ConfigError, Conflict (`seen` is not in force), Unconfirmed."""

        def change(stored: StoredDesired | None) -> StoredDesired:
            assert stored is not None
            self._demand_versions(service, seen)
            words = f"hfs scale {service} {version} to {instances}"
            return self._counted(stored, service, {version: instances}, author, words)

        return await self._change(change, is_confirmed=is_confirmed)

    async def change_versions(
        self,
        service: ServiceName,
        versions: Mapping[Version, int],
        author: str,
        words: str,
        *,
        seen: Mapping[Version, int],
        strategy: Strategy | None = None,
    ) -> Applied:
        """Store other versions of a service, and how they replace those that run, made of those that were `seen`.

        Errors: ConfigError; Conflict: `seen` is not in force.
        """

        def change(stored: StoredDesired | None) -> StoredDesired:
            assert stored is not None
            self._demand_versions(service, seen)
            changed = self._counted(stored, service, versions, author, words)
            strategies = {name: known for name, known in stored.strategies.items() if name != service}
            return replace(changed, strategies=strategies | ({service: strategy} if strategy is not None else {}))

        return await self._change(change, is_confirmed=True)  # as many instances as before

    async def going_back(
        self, service: ServiceName, versions: Mapping[Version, int], author: str, words: str
    ) -> Sequence[Operation]:
        """Give the writes by which a service goes back to the versions that it had, for a transaction.

        Errors: Missing, PortError; ConfigError when that cannot be in force.
        """
        znode = await self._registry.get(self._path)
        self.hear(znode)
        assert self.stored is not None
        stored = self._counted(self.stored, service, versions, author, words)
        stored = replace(stored, former=formers(self.current, effective(stored), self.stored))
        written = SetOp(path=self._path, value=write(stored), version=znode.version)
        return (written, *await self.history.writing(stored))

    def _counted(
        self, stored: StoredDesired, service: ServiceName, versions: Mapping[Version, int], author: str, words: str
    ) -> StoredDesired:
        counts = {name: dict(known) for name, known in stored.counts.items()}
        counts[service] = {**counts.get(service, {}), **versions}
        number, now = stored.generation + 1, self._clock.now()
        return replace(stored, generation=number, author=author, at=now, counts=counts, words=words)

    async def close(self, author: str) -> None:
        """Have everything retired; what was applied and scaled is forgotten. Errors: PortError."""

        def change(stored: StoredDesired | None) -> StoredDesired:
            generation = stored.generation + 1 if stored is not None else 1
            now = self._clock.now()
            return StoredDesired(
                generation=generation, author=author, at=now, file="", source="", is_closing=True, words="hfs down"
            )

        await self._store(change)

    async def restore(self) -> None:
        """Write what is in force when the registry has lost it, or has an older one. Errors: PortError."""
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            found = (await self._registry.get_many((self._path,)))[self._path]
            if self.stored is None:
                return
            if found is None:
                await self._registry.create(self._path, write(self.stored))
            elif _generation(found) < self.stored.generation:
                await self._registry.set(self._path, write(self.stored), version=found.version)
        await self._read()

    async def _read(self) -> Znode | None:
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                znode = await self._registry.get(self._path)
            except Missing:
                return None
        self.hear(znode)
        return znode

    async def _change(self, change: Callable[[StoredDesired | None], StoredDesired], *, is_confirmed: bool) -> Applied:
        changes: tuple[Change, ...] = ()

        def judged(stored: StoredDesired | None) -> StoredDesired:
            nonlocal changes
            changed = change(stored)
            wanted = effective(changed)  # what cannot be in force is not stored
            removed = shrinks(self.current, wanted)
            if removed and not is_confirmed:
                raise Unconfirmed(in_words(removed))
            changes = differences(self.current, wanted)
            return replace(changed, former=formers(self.current, wanted, stored))

        stored = await self._store(judged)
        return Applied(generation=stored.generation, changes=changes)

    async def _store(self, change: Callable[[StoredDesired | None], StoredDesired]) -> StoredDesired:
        znode = await self._read()
        stored = change(self.stored)
        content, path = write(stored), self._path
        writing: Operation = CreateOp(path=path, value=content)
        if znode is not None:
            writing = SetOp(path=path, value=content, version=znode.version)
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                await self._registry.transact((writing, *await self.history.writing(stored)))
            except Conflict:
                await self._read()
                self._demand_base(stored.generation - 1)
                raise
        await self._read()
        return stored


def _generation(znode: Znode) -> int:
    """Give the generation of an entry; one that cannot be read is older than any."""
    try:
        return read_desired(znode.value).generation
    except FormatError:
        return 0


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def effective(stored: StoredDesired) -> DesiredState:
    """Give what a stored entry asks for. Errors: ConfigError."""
    desired = load_text(
        stored.source, stored.file, generation=stored.generation, base=Path(stored.file).absolute().parent
    )
    wanted = overridden(desired, _counts(stored))
    changed = {name: _upgraded(service, stored) for name, service in wanted.services.items()}
    return replace(wanted, services=changed) if stored.former or stored.strategies else wanted


def _upgraded(service: Service, stored: StoredDesired) -> Service:
    """Give a service with what is stored about its upgrades."""
    strategy, former = stored.strategies.get(service.name), stored.former.get(service.name)
    if strategy is not None:
        service = replace(service, rollout=replace(service.rollout, strategy=strategy))
    return replace(service, former=former) if former is not None else service


def formers(
    before: DesiredState | None, after: DesiredState, stored: StoredDesired | None
) -> Mapping[ServiceName, Mapping[Version, int]]:
    """Give what services ran before the set of their versions changed the last time, with the change to `after`."""
    found: dict[ServiceName, Mapping[Version, int]] = {}
    for name, service in sorted(after.services.items()):
        was = _running(before.services[name]) if before is not None and name in before.services else {}
        if was and was.keys() != _running(service).keys():
            found[name] = was
        elif stored is not None and name in stored.former:
            found[name] = stored.former[name]
    return found


def _running(service: Service) -> Mapping[Version, int]:
    return {version: count for version, count in sorted(service.versions.items()) if count}


def _counts(stored: StoredDesired) -> Mapping[tuple[ServiceName, Version], int]:
    return {
        (service, version): instances
        for service, versions in stored.counts.items()
        for version, instances in versions.items()
    }


def describe(changes: Iterable[Change], *, limit: int = 5) -> str:
    """Say changes in one line, the first `limit` of them."""
    told = [f"{change.path}: {change.before or 'nothing'} → {change.after or 'nothing'}" for change in changes]
    return "; ".join(told[:limit]) + (f" and {len(told) - limit} more" if len(told) > limit else "")

"""The ledger's place in the registry: one small entry, written before the actions that rely on it.

Only the leader writes it, so an entry that is older than what the leader wrote last tells that the registry was rolled
back (or emptied) under it: nothing may be done then, and least of all may the evidence be overwritten.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import trio

from hfs_appliance.model.events import EntryRefused
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.ports.errors import Missing, PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Entries, Znode
from hfs_appliance.registry.formats import FormatError, read_ledger, write_ledger
from hfs_appliance.registry.paths import Layout

WRITE_WITHIN: Final = seconds(10)


class LedgerStore:
    """The ledger: whoever leads loads it at the beginning of its term and then is the only one who writes it.

    Whoever stands by hears what is written.
    """

    def __init__(self, registry: Entries, layout: Layout, sink: EventSink) -> None:
        self._registry = registry
        self._path = layout.ledger
        self._sink = sink
        self._is_ours = False
        self._version = 0
        """Of the entry as we wrote or read it last."""
        self._is_doubted = False
        self._writing = trio.Lock()
        self.is_behind = False
        """Whether the registry's entry is older than ours."""
        self.ledger = Ledger()
        """As last read or written; an empty one until then."""

    def hear(self, znode: Znode | None) -> None:
        """Take the entry as an observer found it, which may be older than what a leader has written itself."""
        if self._is_ours:
            self._is_doubted = self._is_doubted or znode is None or znode.version < self._version
            return
        if znode is None:
            return
        try:
            self.ledger = read_ledger(znode.value)
        except FormatError as error:
            self._sink.emit("ledger", EntryRefused(path=self._path, words=str(error)))

    async def load(self) -> None:
        """Read the ledger for a term, making an empty one in a new environment. Errors: PortError, FormatError."""
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                znode = await self._registry.get(self._path)
            except Missing:
                await self._registry.create(self._path, write_ledger(Ledger()))
                znode = await self._registry.get(self._path)
        try:
            self.ledger = read_ledger(znode.value)
        except FormatError as error:
            raise FormatError(f"{self._path}: {error}") from None
        self._version = znode.version
        self._is_ours, self._is_doubted, self.is_behind = True, False, False

    def leave(self) -> None:
        """End the term: another one writes from now on."""
        self._is_ours = self.is_behind = False

    async def look(self) -> None:
        """When there is doubt, see whether the registry is still as new as what we wrote. Errors: PortError."""
        if self._is_ours and self._is_doubted:
            # Our own reads see our own writes: what is older now will not become newer by itself.
            with trio.fail_after(to_seconds(WRITE_WITHIN)):
                found = (await self._registry.get_many((self._path,)))[self._path]
            self.is_behind = found is None or found.version < self._version
            self._is_doubted = False

    async def keep(self, ledger: Ledger) -> None:
        """Write the ledger when it has changed; its serial never goes back. Errors: PortError, TooSlowError."""
        async with self._writing:
            ledger = replace(ledger, next_serial=max(ledger.next_serial, self.ledger.next_serial))
            if ledger == self.ledger:
                return
            try:
                with trio.fail_after(to_seconds(WRITE_WITHIN)):
                    await self._registry.set(self._path, write_ledger(ledger), version=self._version)
            except (PortError, trio.TooSlowError):
                await self._recount()
                raise
            self._version += 1
            self.ledger = ledger

    async def raise_serial(self, next_serial: int) -> None:
        """Write the ledger whatever the registry holds, never to make a lower serial from now on. Errors: PortError."""
        async with self._writing:
            ledger = replace(self.ledger, next_serial=max(next_serial, self.ledger.next_serial))
            with trio.fail_after(to_seconds(WRITE_WITHIN)):
                found = (await self._registry.get_many((self._path,)))[self._path]
                if found is None:
                    await self._registry.create(self._path, write_ledger(ledger))
                else:
                    await self._registry.set(self._path, write_ledger(ledger), version=found.version)
            self._version = found.version + 1 if found is not None else 0
            self.ledger, self._is_doubted, self.is_behind = ledger, False, False

    async def _recount(self) -> None:
        """After a write that may have happened: read what stands there, if it is not older than ours."""
        self._is_doubted = True
        with trio.move_on_after(to_seconds(WRITE_WITHIN)):
            try:
                znode = await self._registry.get(self._path)
                if znode.version > self._version:
                    self.ledger, self._version = read_ledger(znode.value), znode.version
            except (PortError, FormatError):
                return  # looked at again before the next plan

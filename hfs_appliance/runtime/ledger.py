"""The ledger's place in the registry: one small entry, written before the actions that rely on it."""

from __future__ import annotations

from typing import Final

import trio

from hfs_appliance.model.events import EntryRefused
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.ports.errors import Missing
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
        self.ledger = Ledger()
        """As last read or written; an empty one until then."""

    def hear(self, znode: Znode | None) -> None:
        """Take the entry as an observer found it, which may be older than what a leader has written itself."""
        if znode is None or self._is_ours:
            return
        try:
            self.ledger = read_ledger(znode.value)
        except FormatError as error:
            self._sink.emit("ledger", EntryRefused(path=self._path, words=str(error)))

    async def load(self) -> None:
        """Read the ledger for a term, making an empty one in a new environment. Errors: PortError, FormatError."""
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                content = (await self._registry.get(self._path)).value
            except Missing:
                await self._registry.create(self._path, write_ledger(Ledger()))
                self.ledger, self._is_ours = Ledger(), True
                return
        try:
            self.ledger = read_ledger(content)
        except FormatError as error:
            raise FormatError(f"{self._path}: {error}") from None
        self._is_ours = True

    def leave(self) -> None:
        """End the term: another one writes from now on."""
        self._is_ours = False

    async def keep(self, ledger: Ledger) -> None:
        """Write the ledger when it has changed. Errors: PortError, TooSlowError."""
        if ledger == self.ledger:
            return
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            await self._registry.set(self._path, write_ledger(ledger))
        self.ledger = ledger

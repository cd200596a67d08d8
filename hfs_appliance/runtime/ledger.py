"""The ledger's place in the registry: one small entry, written before the actions that rely on it."""

from __future__ import annotations

from typing import Final

import trio

from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.formats import FormatError, read_ledger, write_ledger
from hfs_appliance.registry.paths import Layout

WRITE_WITHIN: Final = seconds(10)


class LedgerStore:
    """The ledger, as it stands in the registry."""

    def __init__(self, registry: Registry, layout: Layout) -> None:
        self._registry = registry
        self._path = layout.ledger
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger as last read or written."""
        assert self._ledger is not None, "load() comes first"
        return self._ledger

    async def load(self) -> None:
        """Read the ledger, making an empty one in a new environment. Errors: PortError, FormatError."""
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            try:
                content = (await self._registry.get(self._path)).value
            except Missing:
                self._ledger = Ledger()
                await self._registry.create(self._path, write_ledger(self._ledger))
                return
        try:
            self._ledger = read_ledger(content)
        except FormatError as error:
            raise FormatError(f"{self._path}: {error}") from None

    async def keep(self, ledger: Ledger) -> None:
        """Write the ledger when it has changed. Errors: PortError, TooSlowError."""
        if ledger == self._ledger:
            return
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            await self._registry.set(self._path, write_ledger(ledger))
        self._ledger = ledger

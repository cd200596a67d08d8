"""The history of the desired state: each generation as it was stored, with its author, its time and what made it.

An entry is written in the transaction that puts its generation in force, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hfs_appliance.model.stored import StoredDesired
from hfs_appliance.ports.errors import Rejected
from hfs_appliance.ports.registry import CreateOp, DeleteOp, Entries, Operation, SetOp
from hfs_appliance.registry.formats import FormatError, read_desired, write
from hfs_appliance.registry.paths import Layout

KEPT: Final = 50
"""Generations: each may hold half a MiB, and what is older is in somebody's version control."""


class History:
    """The generations of one environment."""

    def __init__(self, registry: Entries, layout: Layout) -> None:
        self._registry = registry
        self._layout = layout

    async def writing(self, stored: StoredDesired) -> Sequence[Operation]:
        """Give the writes that belong to a new generation, for its transaction. Errors: PortError."""
        layout, number = self._layout, stored.generation
        entry, old = layout.generation(number), layout.generation(max(0, number - KEPT))
        found = await self._registry.get_many((layout.history, entry, old))
        operations: list[Operation] = []
        if found[layout.history] is None:
            operations.append(CreateOp(path=layout.history, value=b""))
        content, known, outdated = write(stored), found[entry], found[old]
        if known is None:
            operations.append(CreateOp(path=entry, value=content))
        else:  # of a registry that was set back, or lost its desired state and began anew
            operations.append(SetOp(path=entry, value=content, version=known.version))
        if outdated is not None:
            operations.append(DeleteOp(path=old, version=outdated.version))
        return operations

    async def until(self, newest: int) -> Sequence[StoredDesired]:
        """Give the generations that are kept, the newest first. Errors: PortError."""
        paths = [self._layout.generation(number) for number in range(newest, max(0, newest - KEPT), -1)]
        found = await self._registry.get_many(paths)
        return [stored for path in paths if (znode := found[path]) is not None for stored in _read(znode.value)]

    async def find(self, generation: int) -> StoredDesired:
        """Give one generation. Errors: PortError; Rejected when it is not kept."""
        path = self._layout.generation(generation)
        znode = (await self._registry.get_many((path,)))[path]
        for stored in _read(znode.value) if znode is not None else ():
            return stored
        raise Rejected(f"generation {generation} is not kept: `hfs history` lists those that are")


def _read(content: bytes) -> Iterator[StoredDesired]:
    """Read an entry; one that cannot be read is of another version of hfs, or somebody's mistake."""
    try:
        yield read_desired(content)
    except FormatError:
        return

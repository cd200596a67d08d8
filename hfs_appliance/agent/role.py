"""The role that MCP gives to this server: follows `assignments/<id>`.

Its three facts only ever become true: taken, leaving, removed. Not being able to read changes nothing.
"""

from __future__ import annotations

from typing import Final, Never

import trio

from hfs_appliance.agent.log import Log
from hfs_appliance.agent.site import Site, TakenRole
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.ids import ServerId, serial_of
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.registry import Registry, Znode
from hfs_appliance.registry.formats import FormatError, read_assignment, read_ledger
from hfs_appliance.registry.paths import Layout

_RETRY: Final = seconds(0.5)
_VERIFY: Final = seconds(30)


class Role:
    """What this server is to be. Events are set once and stay set."""

    def __init__(self, registry: Registry, site: Site, log: Log) -> None:
        self._registry: Final = registry
        self._site: Final = site
        self._log: Final = log
        self._layout: Final = Layout(site.identity.environment)
        self._role = site.role()
        self.taken: Final = trio.Event()
        self.leaving: Final = trio.Event()
        """The instance must leave traffic: it is drained, or the role was removed."""
        self.removed: Final = trio.Event()
        self._tell()

    @property
    def assignment(self) -> Assignment:
        """The role; only once it was taken."""
        assert self._role is not None, "no role was taken yet"
        return self._role.assignment

    async def follow(self) -> Never:
        """Read the role whenever it may have changed."""
        watch = self._registry.watch(self._layout.assignment(self._site.identity.server))
        try:
            while True:
                patience = _VERIFY
                try:
                    await self._look()
                except FormatError as error:
                    self._log.say(f"the assignment cannot be read: {error}")
                except PortError:
                    patience = _RETRY
                with trio.move_on_after(to_seconds(patience)):
                    await watch.wait_dirty()
        finally:
            watch.close()

    async def _look(self) -> None:
        server = self._site.identity.server
        await self._registry.sync()  # what is read may end a service: not from a server that lags behind (K17)
        root, record, place = self._layout.root, self._layout.record(server), self._layout.assignment(server)
        found = await self._registry.get_many([root, record, place, self._layout.ledger])
        anchor, entry = found[root], found[place]
        if anchor is None:
            return
        if entry is None:
            # An emptied or rolled-back registry takes nobody's role away: it does not count as far as our number yet.
            is_same = self._role is not None and self._role.anchor == anchor.czxid
            if is_same and found[record] is None:
                self._hear_removed(is_rolled_back=not _counts_beyond(found[self._layout.ledger], server))
            return
        assignment = read_assignment(entry.value)
        if assignment.nonce != self._site.identity.nonce:
            self._log.say("the assignment is meant for another server of this name; left alone")
            return
        role = TakenRole(assignment=assignment, anchor=anchor.czxid)
        if role != self._role:
            self._site.save_role(role)
            self._role = role
            self._tell()

    def _hear_removed(self, *, is_rolled_back: bool) -> None:
        if is_rolled_back:
            self._log.say("its record is gone, but the registry does not know of its number yet: goes on")
            return
        self._log.say("the role was removed")
        self.leaving.set()
        self.removed.set()

    def _tell(self) -> None:
        if self._role is not None:
            self.taken.set()
            if self._role.assignment.drain_at is not None:
                self.leaving.set()


def _counts_beyond(ledger: Znode | None, server: ServerId) -> bool:
    """Tell whether a registry remembers servers of higher numbers: only then it can have forgotten this one."""
    return ledger is not None and read_ledger(ledger.value).next_serial > serial_of(server)

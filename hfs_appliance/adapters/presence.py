"""One ephemeral entry of ours in the registry, kept as it is wanted.

Level-triggered: whatever happened (session lost, entry removed by somebody, left over from our own earlier session),
the same step compares what stands there with what is wanted and does the one thing that brings it closer, until a
reading shows that it is right and owned by the present session (K16). Without a connection nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.registry import CreateOp, DeleteOp, Registry, Session, SessionState

_RETRY: Final = seconds(0.2)
_VERIFY: Final = seconds(30)
"""How often an entry is looked at when nothing was heard of it: marks are a hint, not a promise."""


class Presence:
    """Keeps the entry at `path`. Until something is wanted for the first time it leaves alone what stands there."""

    def __init__(self, registry: Registry, path: str, say: Callable[[str], None]) -> None:
        self._registry: Final = registry
        self._path: Final = path
        self._say: Final = say
        self._wanted: bytes | None = None
        self._is_decided = False
        self._trouble = ""
        self._wake = trio.Event()
        self._settling: Final = trio.Lock()

    def want(self, content: bytes | None) -> None:
        """Say what should stand there from now on; None for nothing."""
        if not self._is_decided or content != self._wanted:
            self._wanted = content
            self._is_decided = True
            self._wake.set()

    async def keep(self) -> None:
        """Keep the entry as it is wanted, for as long as the task lives."""
        watch = self._registry.watch(self._path)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._settle_when_woken)
                while True:
                    with trio.move_on_after(to_seconds(_VERIFY)):
                        await watch.wait_dirty()
                    self._wake.set()
        finally:
            watch.close()

    async def withdraw(self) -> None:
        """Want nothing there and wait until it is so; needs no task that keeps it."""
        self.want(None)
        await self._settle()

    async def _settle_when_woken(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            if self._is_decided:
                await self._settle()

    async def _settle(self) -> None:
        async with self._settling:
            is_right = False
            while not is_right:
                session = self._registry.session()
                if session.state is not SessionState.CONNECTED:
                    await self._registry.wait_session_change(session)
                    continue
                try:
                    is_right = await self._step(session)
                except PortError as error:
                    if error.words != self._trouble:
                        self._say(f"registry entry {self._path}: {error.words}")
                    self._trouble = error.words
                    with trio.move_on_after(to_seconds(_RETRY)):
                        await self._registry.wait_session_change(session)

    async def _step(self, session: Session) -> bool:
        """Do one thing towards what is wanted; tell whether there was nothing left to do."""
        wanted = self._wanted
        found = (await self._registry.get_many([self._path]))[self._path]
        if found is None:
            if wanted is None:
                return True
            await self._registry.create(self._path, wanted, is_ephemeral=True)
        elif wanted is None:
            await self._registry.delete(self._path, version=found.version)
        elif found.ephemeral_owner != session.session_id:
            # Our own entry of an earlier session would die with it: replaced at one instant, nobody sees a gap.
            await self._registry.transact(
                [
                    DeleteOp(path=self._path, version=found.version),
                    CreateOp(path=self._path, value=wanted, is_ephemeral=True),
                ]
            )
        elif found.value != wanted:
            await self._registry.set(self._path, wanted, version=found.version)
        else:
            return True
        return False

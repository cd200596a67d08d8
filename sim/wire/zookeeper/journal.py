"""Group commit: transactions queue up while the disk is busy, and share the next fsync. Now and then, a snapshot."""

from __future__ import annotations

import trio

from sim.wire.zookeeper.core import Core
from sim.wire.zookeeper.effects import Transaction
from sim.wire.zookeeper.records import write_transaction
from sim.wire.zookeeper.snapshot import Picture, picture_of
from sim.wire.zookeeper.storage import Storage


class Journal:
    """Makes a core's transactions durable, in order. Each must be appended in the same breath as it is carried out."""

    def __init__(self, storage: Storage, core: Core) -> None:
        self._storage = storage
        self._core = core
        self._queue: list[bytes] = []
        self._durable_zxid = core.zxid
        self._queued = trio.Event()
        self._progress = trio.Event()
        self._is_turning = False

    def append(self, transaction: Transaction) -> None:
        """Queue a transaction. Never waits."""
        self._queue.append(write_transaction(transaction))
        self._queued.set()

    async def wait_durable(self, zxid: int) -> None:
        """Wait until everything up to a transaction is on disk."""
        while self._durable_zxid < zxid:
            await self._progress.wait()

    async def run(self) -> None:
        """Write for ever. Errors: OSError, after which nothing may be acknowledged any more."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._queued.wait()
                await self._write(nursery)

    async def _write(self, nursery: trio.Nursery) -> None:
        self._queued = trio.Event()
        batch, self._queue = b"".join(self._queue), []
        zxid = self._core.zxid
        is_due = self._storage.is_due and not self._is_turning
        picture = picture_of(self._core) if is_due else None
        await trio.to_thread.run_sync(self._storage.append, batch)
        self._durable_zxid = zxid
        progress, self._progress = self._progress, trio.Event()
        progress.set()
        if picture is not None:
            self._is_turning = True
            await trio.to_thread.run_sync(self._storage.turn, zxid + 1)
            nursery.start_soon(self._keep, picture)

    async def _keep(self, picture: Picture) -> None:
        await trio.to_thread.run_sync(self._storage.keep, picture)
        self._is_turning = False

"""Group commit: transactions queue up while the disk is busy, and share the next fsync."""

from __future__ import annotations

import trio

from sim.wire.zookeeper.records import write_transaction
from sim.wire.zookeeper.storage import Storage
from sim.wire.zookeeper.values import Transaction


class Journal:
    """Makes transactions durable, in order."""

    def __init__(self, storage: Storage, zxid: int) -> None:
        self._storage = storage
        self._queue: list[bytes] = []
        self._last_zxid = self._durable_zxid = zxid
        self._queued = trio.Event()
        self._progress = trio.Event()

    def append(self, transaction: Transaction) -> None:
        """Queue a transaction. Never waits."""
        self._queue.append(write_transaction(transaction))
        self._last_zxid = transaction.zxid
        self._queued.set()

    async def wait_durable(self, zxid: int) -> None:
        """Wait until everything up to a transaction is on disk."""
        while self._durable_zxid < zxid:
            await self._progress.wait()

    async def run(self) -> None:
        """Write for ever. Errors: OSError, after which nothing may be acknowledged any more."""
        while True:
            await self._queued.wait()
            self._queued = trio.Event()
            batch, self._queue = self._queue, []
            zxid = self._last_zxid
            await trio.to_thread.run_sync(self._storage.append, b"".join(batch))
            self._durable_zxid = zxid
            progress, self._progress = self._progress, trio.Event()
            progress.set()

"""The embedded registry's process: started detached, adopted when it runs already, started again when it dies.

It outlives the appliance on purpose: kill -9 of `hfs run` must not end the sessions of the instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.process import (
    ProcessId,
    read_pidfile,
    spawn_detached,
    terminate,
    wait_dead,
    write_pidfile,
)
from hfs_appliance.model.events import PartRestarted
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.events import EventSink

LISTEN_WITHIN: Final = seconds(15)
LOOK_EVERY: Final = seconds(0.05)
STOP_WITHIN: Final = seconds(5)
ADDRESS: Final = "127.0.0.1"
_LOG_TAIL: Final = 2_000


class EmbeddedRegistry:
    """The ZooKeeper server of a local environment, as a process of its own."""

    def __init__(self, directory: Path, port: int, command: Sequence[str], sink: EventSink) -> None:
        self._directory = directory
        self._port = port
        self._command = tuple(command)
        self._sink = sink
        self._pidfile = directory / "registry.pid"
        self._log = directory / "registry.log"
        self.outlives_us = False
        """Whether the server goes on when the appliance ends in order."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where clients connect."""
        return (f"{ADDRESS}:{self._port}",)

    def is_running(self) -> bool:
        """Tell whether the server runs already."""
        return read_pidfile(self._pidfile) is not None

    async def ensure_running(self) -> ProcessId:
        """Start the server if it does not run, and wait until it listens. Errors: RegistryFailed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        process = read_pidfile(self._pidfile)
        if process is None:
            process = await self._spawn()
        with trio.move_on_after(to_seconds(LISTEN_WITHIN)):
            while not await self._listens():
                if read_pidfile(self._pidfile) is None:
                    raise RegistryFailed(f"the embedded registry ended at once: {self._last_words()}")
                await trio.sleep(to_seconds(LOOK_EVERY))
            return process
        raise RegistryFailed(f"the embedded registry does not listen on {self.hosts[0]}: {self._last_words()}")

    async def keep_running(self) -> None:
        """Start the server again whenever it dies, until cancelled. Errors: RegistryFailed."""
        while True:
            process = await self.ensure_running()
            await wait_dead(process)
            self._sink.emit("supervisor", PartRestarted(part="embedded registry", words="its process had ended"))

    async def stop(self) -> None:
        """End the server."""
        process = read_pidfile(self._pidfile)
        if process is not None:
            await terminate(process, to_seconds(STOP_WITHIN))
        self._pidfile.unlink(missing_ok=True)

    async def _spawn(self) -> ProcessId:
        if await self._listens():
            raise RegistryFailed(f"{self.hosts[0]} is taken by another program; set registry.embedded_port")
        data = self._directory / "data"
        argv = (*self._command, "registry", "--address", ADDRESS, "--port", str(self._port), "--data", str(data))
        process = spawn_detached(argv, log=self._log)
        write_pidfile(self._pidfile, process)
        return process

    async def _listens(self) -> bool:
        try:
            stream = await trio.open_tcp_stream(ADDRESS, self._port)
        except OSError:
            return False
        await stream.aclose()
        return True

    def _last_words(self) -> str:
        try:
            text = self._log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        except FileNotFoundError:
            return "it wrote no log"
        return text.splitlines()[-1] if text else "it said nothing"


class RegistryFailed(Exception):
    """The embedded registry cannot run; the words say why and where."""

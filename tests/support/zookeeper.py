"""ZooKeeper servers on loopback for tests and benchmarks: Debian's (one, or an ensemble of three) and the embedded one.

Servers can be killed, started again on the same port with the same data, frozen and thawed. They die with the process
that started them, whatever happens to it. Each test process uses a loopback address of its own, so that two of them
never take each other's ports.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

JAR: Final = Path("/usr/share/java/zookeeper.jar")
TICK_MS: Final = 200
"""Sessions of 2 to 20 ticks may be asked for, and die at the tick after their timeout."""
_READY_WITHIN_SECONDS: Final = 30
_ADDRESS: Final = f"127.{64 + (os.getpid() >> 14 & 63)}.{os.getpid() >> 7 & 127}.{1 + (os.getpid() & 127)}"


class Server:
    """One server that was started by `standalone`, `ensemble` or `embedded`."""

    def __init__(self, port: int, command: Sequence[str], folder: Path) -> None:
        self.address = f"{_ADDRESS}:{port}"
        self._port = port
        self._command = command
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the server without waiting for it."""
        assert self._running is None
        with (self._folder / "log").open("ab") as log:
            # setpriv: the server dies when this process does, even by SIGKILL.
            self._running = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "KILL", *self._command],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> None:
        """Start the server and wait until it serves."""
        self.launch()
        await self.wait_serving()

    async def wait_serving(self) -> None:
        """Wait until the server serves reads and writes."""
        with trio.move_on_after(_READY_WITHIN_SECONDS):
            while self._running is not None and self._running.poll() is None:
                if await self._ask(b"isro") == b"rw":
                    return
                await trio.sleep(0.02)
        log = (self._folder / "log").read_text(errors="replace")[-2000:]
        raise AssertionError(f"{' '.join(self._command)} does not serve:\n{log}")

    async def is_leader(self) -> bool:
        """Tell whether this member leads its ensemble (real servers only)."""
        return b"Mode: leader" in await self._ask(b"srvr")

    async def _ask(self, word: bytes) -> bytes:
        """Give the answer to a four-letter word; nothing when there is none."""
        with trio.move_on_after(1), contextlib.suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_tcp_stream(_ADDRESS, self._port) as stream:
                await stream.send_all(word)
                return b"".join([chunk async for chunk in stream])
        return b""

    def kill(self) -> None:
        """Kill the server as a power failure would, and see it dead; a dead one stays dead."""
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            running.wait()

    def freeze(self) -> None:
        """Stop the server's process: its kernel still accepts connections, nobody answers."""
        assert self._running is not None
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._running is not None
        self._running.send_signal(signal.SIGCONT)


class Servers:
    """What clients connect to together: one server, or the members of an ensemble."""

    def __init__(self, members: Sequence[Server]) -> None:
        self.members = tuple(members)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Addresses of all members."""
        return tuple(member.address for member in self.members)

    async def start(self) -> None:
        """Start all members, and wait until all serve."""
        for member in self.members:
            member.launch()
        for member in self.members:
            await member.wait_serving()

    async def leader(self) -> Server:
        """Find the leader of an ensemble that serves."""
        for member in self.members:
            if await member.is_leader():
                return member
        raise AssertionError("the ensemble has no leader")

    def kill(self) -> None:
        """Kill all members."""
        for member in self.members:
            member.kill()


def prepare_standalone(folder: Path) -> Servers:
    """Lay out one real server below `folder`."""
    return Servers([_real_server(folder, free_port(), [])])


def prepare_ensemble(folder: Path, size: int = 3) -> Servers:
    """Lay out an ensemble of real servers below `folder`."""
    quorum = [f"server.{n}={_ADDRESS}:{free_port()}:{free_port()}" for n in range(1, size + 1)]
    return Servers([_real_server(folder / str(n), free_port(), quorum, n) for n in range(1, size + 1)])


def prepare_embedded(folder: Path, *, tick_ms: int = TICK_MS) -> Servers:
    """Lay out the embedded server below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "sim.wire.zookeeper", "--address", _ADDRESS, "--port", str(port)]
    options = ["--data", str(folder / "data"), "--tick-ms", str(tick_ms)]
    return Servers([Server(port, [*command, *options], folder)])


@asynccontextmanager
async def serving(servers: Servers) -> AsyncIterator[Servers]:
    """Have servers serve for as long as the block lasts."""
    try:
        await servers.start()
        yield servers
    finally:
        servers.kill()


def standalone(folder: Path) -> AbstractAsyncContextManager[Servers]:
    """Run one real server."""
    return serving(prepare_standalone(folder))


def ensemble(folder: Path) -> AbstractAsyncContextManager[Servers]:
    """Run a real ensemble of three."""
    return serving(prepare_ensemble(folder))


def embedded(folder: Path) -> AbstractAsyncContextManager[Servers]:
    """Run the embedded server."""
    return serving(prepare_embedded(folder))


def _real_server(folder: Path, port: int, quorum: Iterable[str], number: int = 0) -> Server:
    java = shutil.which("java")
    assert JAR.exists(), f"{JAR} is missing: install Debian's packages zookeeper and default-jre-headless"
    assert java is not None, "java is missing: install Debian's package default-jre-headless"
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "myid").write_text(str(number))
    settings = {
        "tickTime": TICK_MS,
        "initLimit": 50,
        "syncLimit": 10,
        "dataDir": data,
        "clientPort": port,
        "clientPortAddress": _ADDRESS,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "srvr,isro",
        "maxClientCnxns": 0,
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    (folder / "zoo.cfg").write_text("\n".join([*lines, *quorum, ""]))
    (folder / "log4j.properties").write_text("")
    # A small heap and only the quick compiler: the tests are over before the slow one pays. The disk is not on trial.
    machine = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no"]
    files = ["-Dzookeeper.preAllocSize=4096", "-cp", f"{folder}:{JAR}"]
    return Server(
        port, [java, *machine, *files, "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"], folder
    )


def free_port() -> int:
    """Give a port that is free on this process's loopback address."""
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port

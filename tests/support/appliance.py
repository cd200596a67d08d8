"""A whole environment for tests: `hfs run` as a process, on free ports and a loopback network of its own.

What belongs to it is known by its state directory, not by what hfs says: that is how tests find processes to kill, and
how nothing is left behind whatever hfs did.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "configs" / "local.toml"
LOOK_EVERY_S = 0.05

Json = dict[str, Any]


@dataclass
class Appliance:
    """`hfs run` with its environment."""

    command: Sequence[str | Path]
    file: Path
    state: Path
    admin: str
    endpoint: str
    _run: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def prepare(cls, command: Sequence[str | Path], directory: Path, source: str) -> Appliance:
        """Make a directory with a copy of a TOML source that fits beside other environments of this machine."""
        endpoint, admin, registry = free_addresses(3)
        port = registry.rsplit(":")[-1]
        network = f"127.{random.randint(100, 250)}.{random.randint(1, 250)}.0/24"
        places = {
            r'(?<=^\[endpoint\]\nlisten = )"[^"]*"': f'"{endpoint}"',
            r'(?<=^\[admin\]\nlisten = )"[^"]*"': f'"{admin}"',
            r"(?<=^\[registry\]\n)": f"embedded_port = {port}\n",
            r'(?<=^network = )"[^"]*"': f'"{network}"',
        }
        for pattern, value in places.items():
            source, count = re.subn(pattern, value, source, flags=re.MULTILINE)
            assert count == 1, pattern
        file = directory / "environment.toml"
        file.write_text(source.replace('directory = "', f'directory = "{LOCAL.parent}/'))
        return cls(command, file, directory / "state", f"http://{admin}/api/v1", f"http://{endpoint}")

    @classmethod
    def of_checkout(cls, directory: Path, source: str, endpoint: str, admin: str) -> Appliance:
        """Have the hfs of this checkout run a TOML source, which names these two addresses."""
        file = directory / "environment.toml"
        file.write_text(source)
        command = [sys.executable, "-m", "hfs_appliance"]
        return cls(command, file, directory / "state", f"http://{admin}/api/v1", f"http://{endpoint}")

    @property
    def log(self) -> Path:
        """What `hfs run` printed, over all its starts."""
        return self.file.with_name("run.log")

    def start(self, *options: str) -> None:
        """Start `hfs run`; it goes on starting while this returns."""
        with self.log.open("ab") as log:
            command = [*self.command, "run", self.file, "--state", self.state, *options]
            self._run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def end(self, with_signal: signal.Signals = signal.SIGTERM, within_s: float = 60) -> int:
        """Send `hfs run` a signal, wait until it has ended, give its exit status."""
        assert self._run is not None
        self._run.send_signal(with_signal)
        with trio.fail_after(within_s):
            return await trio.to_thread.run_sync(self._run.wait, abandon_on_cancel=True)

    async def hfs(self, *arguments: str | Path, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run another command of hfs against this environment."""

        def run() -> subprocess.CompletedProcess[str]:
            environment = {**os.environ, "HFS_API": self.admin.removesuffix("/api/v1")}
            return subprocess.run(
                [*self.command, *arguments], input=answer, env=environment, capture_output=True, text=True, timeout=60
            )

        return await trio.to_thread.run_sync(run)

    async def confirmed(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command that removes much; where it is refused, give it the hash that it asks for."""
        done = await self.hfs(*arguments)
        asked = re.search(r"--confirm ([0-9a-f]+)", done.stderr)
        return done if asked is None else await self.hfs(*arguments, "--confirm", asked.group(1))

    async def get(self, path: str) -> Any:
        """Ask the admin API. Errors: httpx.HTTPError."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            response = await client.get(f"{self.admin}{path}")
            return response.raise_for_status().json()

    async def post(self, path: str, **body: object) -> Any:
        """Tell the admin API. Errors: httpx.HTTPError."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            response = await client.post(f"{self.admin}{path}", json=body)
            return response.raise_for_status().json()

    async def events(self, after: int = 0) -> list[Json]:
        """Give what happened since an event. Errors: httpx.HTTPError."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            response = await client.get(f"{self.admin}/events", params={"after": after})
            return [json.loads(line) for line in response.raise_for_status().text.splitlines()]

    async def told(self, kind: str, after: int, within_s: float = 30, **fields: object) -> Json:
        """Wait for an event of that kind and with those fields, later than another one, and give it."""
        found: list[Json] = []

        async def look() -> bool:
            with suppress(httpx.HTTPError):
                events = await self.events(after)
                found.extend(
                    event for event in events if event["kind"] == kind and fields.items() <= event["fields"].items()
                )
            return bool(found)

        await self._wait(look, within_s, lambda: f"no {kind}")
        return found[0]

    async def until(self, condition: Callable[[Json], bool], within_s: float) -> Json:
        """Wait for a status for which `condition` holds, and give it. Errors: AssertionError, which tells all."""
        status: Json = {}

        async def look() -> bool:
            nonlocal status
            with suppress(httpx.HTTPError):
                status = await self.get("/status")
                return condition(status)
            return False

        await self._wait(look, within_s, lambda: json.dumps(status, indent=1))
        return status

    async def happens(self, condition: Callable[[], bool], within_s: float = 30) -> None:
        """Wait for something that can be seen from outside. Errors: AssertionError, which tells all."""

        async def look() -> bool:
            return condition()

        await self._wait(look, within_s, lambda: "")

    async def _wait(self, look: Callable[[], Awaitable[bool]], within_s: float, seen: Callable[[], str]) -> None:
        with trio.move_on_after(within_s):
            while not await look():
                assert self._run is None or self._run.poll() is None, f"hfs run has ended\n{self.story()}"
                await trio.sleep(LOOK_EVERY_S)
            return
        raise AssertionError(f"not within {within_s} s; {seen()}\n{self.story()}")

    async def wavers(self, within_s: float) -> bool:
        """Tell whether it stops being converged at any time."""
        with trio.move_on_after(within_s):
            await self.until(lambda status: not status["converged"], within_s=math.inf)
            return True
        return False

    async def converged(self, within_s: float = 60) -> Json:
        """Wait until what runs is what shall run, and the endpoint serves it."""
        return await self.until(lambda status: status["converged"], within_s)

    def story(self) -> str:
        """Give the ends of all logs."""
        logs = [self.log, *sorted(self.state.rglob("*.log")), *sorted(self.state.glob("journal/*"))]
        return "\n".join(f"--- {log}\n{tail(log)}" for log in logs if log.is_file())

    def server(self, service: str) -> Path:
        """Give the directory of some server with a running instance of that service."""
        for role in sorted(self.state.glob("servers/*/role.json")):
            if json.loads(role.read_bytes())["assignment"]["service"] == service and read_pid(
                role.with_name("service.pid")
            ):
                return role.parent
        raise AssertionError(f"no server runs {service}")

    def agent(self, server: Path) -> int | None:
        """Give the agent of the server with that directory, if it runs."""
        init = read_pid(server / "init.pid")
        return next((pid for pid in children(init) if names(pid, server)), None) if init else None

    def processes(self) -> list[int]:
        """Find all processes of this environment: those that name its directory, or live in it, and their children."""
        found = {pid for pid in all_processes() if names(pid, self.state) or lives_in(pid, self.state)}
        parents = {pid: parent(pid) for pid in all_processes()}
        while more := {pid for pid, above in parents.items() if above in found and pid not in found}:
            found |= more
        return sorted(found)

    def clean(self) -> None:
        """Kill all that is left."""
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self._run is not None:
                self._run.wait()


def free_addresses(count: int) -> list[str]:
    """Give so many `127.0.0.1:PORT` on which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{found.getsockname()[1]}" for found in sockets]
    for found in sockets:
        found.close()
    return addresses


def read_pid(path: Path) -> int | None:
    """Give the process that a pid file names, in hfs's form or nginx's, if it runs."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    pid = int(content["pid"]) if isinstance(content, dict) else int(content)
    return pid if runs(pid) else None


def children(pid: int) -> list[int]:
    """Give the processes that a process started."""
    return [found for found in all_processes() if parent(found) == pid]


def all_processes() -> list[int]:
    """Give the processes that run."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if runs(pid)]


def runs(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    return (stat(pid) or ["Z"])[0] != "Z"


def parent(pid: int) -> int:
    """Give the process that started a process, 0 for one that is gone."""
    fields = stat(pid)
    return int(fields[1]) if fields else 0


def stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat behind the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def names(pid: int, directory: Path) -> bool:
    """Tell whether a process's command line names a directory."""
    try:
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def lives_in(pid: int, directory: Path) -> bool:
    """Tell whether a process's working directory lies within a directory."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory)
    except OSError:
        return False


def tail(path: Path, lines: int = 30) -> str:
    """Give the last lines of a file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

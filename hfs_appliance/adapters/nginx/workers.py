"""The processes of one nginx, found by what they are (title, working directory) and not by what we remember of them.

So nothing is lost when we are killed at any instant, and workers whose master was killed are found as well.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.process import ProcessId, identify

_MASTER: Final = b"nginx: master process"
_WORKER: Final = b"nginx: worker process"
_LEAVING: Final = b"nginx: worker process is shutting down"
_ANSWER_MAX: Final = 1024
_ANSWER_WITHIN_S: Final = 1.0
_IDLE: Final = re.compile(r"Waiting: (\d+)")
"""Of ngx_http_stub_status_module: connections on which no request is under way, of all workers together."""


def find_master(root: Path, pid_file: Path) -> ProcessId | None:
    """Give the running master process; its own pid file is checked, for a pid may be anybody's by now."""
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return None  # never started, or checked only: `nginx -t` leaves an empty file
    return identify(pid) if _title(pid).startswith(_MASTER) and _is_in(pid, root) else None


def find_workers(root: Path) -> list[ProcessId]:
    """Give the worker processes, of a living master or of a dead one, those that finish their last requests too."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = (identify(pid) for pid in pids if _title(pid).startswith(_WORKER) and _is_in(pid, root))
    return [worker for worker in found if worker is not None]


def find_below(directory: Path) -> tuple[ProcessId, ...]:
    """Give every process of every nginx that runs below a directory, masters first: they start new workers."""
    inside = f"{directory.resolve()}/"
    pids = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    titled = [(pid, title) for pid in pids if (title := _title(pid)).startswith((_MASTER, _WORKER))]
    ordered = sorted(titled, key=lambda each: (each[1].startswith(_WORKER), each[0]))
    found = (identify(pid) for pid, _ in ordered if _working_directory(pid).startswith(inside))
    return tuple(process for process in found if process is not None)


def is_accepting(worker: ProcessId) -> bool:
    """Tell whether a worker takes new connections: it changes its title as it closes its listening sockets."""
    return identify(worker.pid) == worker and not _title(worker.pid).startswith(_LEAVING)


async def ask_revision(root: Path) -> str | None:
    """Ask whichever worker answers for the revision that it serves; None when none does."""
    return await _ask(root, "/revision")


async def ask_idle(root: Path) -> int | None:
    """Ask how many clients keep a connection without asking anything now; None when nobody can say."""
    found = _IDLE.search(await _ask(root, "/connections") or "")
    return int(found[1]) if found is not None else None


async def _ask(root: Path, target: str) -> str | None:
    # The path of a socket has 107 bytes at most; by way of a descriptor the directory may lie as deep as it likes.
    with suppress(OSError), trio.move_on_after(_ANSWER_WITHIN_S):
        directory = os.open(root, os.O_PATH)
        try:
            with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
                await control.connect(f"/proc/self/fd/{directory}/control.sock")
                await control.send(f"GET {target} HTTP/1.0\r\n\r\n".encode())
                answer = b""
                while len(answer) < _ANSWER_MAX and (part := await control.recv(_ANSWER_MAX)):
                    answer += part
                return answer.rpartition(b"\r\n\r\n")[2].decode() or None
        finally:
            os.close(directory)
    return None


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _working_directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:  # gone, or somebody else's
        return ""


def _is_in(pid: int, root: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(root)
    except OSError:  # gone, or somebody else's
        return False

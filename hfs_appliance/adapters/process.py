"""Processes of this machine that outlive us: start them detached, know them again, wait for their end.

A process is known by (pid, start time), so that a reused pid is never taken for it. Waiting uses a pidfd: no polling,
and it works for processes that are not our children.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal as signals
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A process that was really there once."""

    pid: int
    started: int
    """Start time in clock ticks after boot: field 22 of /proc/<pid>/stat (proc(5))."""


def identify(pid: int) -> ProcessId | None:
    """Give the identity of a running process; None when there is none (a zombie counts as none)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name (field 2) may hold spaces and parentheses: fields count from the last ')'.
    state, *rest = stat[stat.rindex(b")") + 2 :].split()
    if state in (b"Z", b"X"):
        _reap(pid)
        return None
    return ProcessId(pid=pid, started=int(rest[18]))


def is_alive(process: ProcessId) -> bool:
    """Tell whether that very process still runs."""
    return identify(process.pid) == process


def _reap(pid: int) -> None:
    """Collect a dead child; other people's zombies are theirs."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def spawn_detached(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    inherited: Sequence[int] = (),
    stays_in_group: bool = False,
) -> ProcessId:
    """Start a process that outlives us, its output appended to `log`.

    It gets a session (and process group) of its own, unless it is to end with our group; of our file descriptors those
    `inherited`. Errors: OSError when it cannot be started.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if environment is None else dict(environment),
            cwd=directory,
            pass_fds=inherited,
            start_new_session=not stays_in_group,
        )
    # The object is dropped on purpose: the process belongs to nobody. identify() reaps it if it dies as our child.
    child.returncode = 0
    found = identify(child.pid)
    return found if found is not None else ProcessId(pid=child.pid, started=0)


async def wait_dead(process: ProcessId) -> None:
    """Wait until that process has ended."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(process):
            await trio.lowlevel.wait_readable(fd)
            _reap(process.pid)
    finally:
        os.close(fd)


def send_signal(process: ProcessId, signal: signals.Signals) -> bool:
    """Signal that very process; False when it is gone."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(process):
            return False
        signals.pidfd_send_signal(fd, signal)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


async def terminate(process: ProcessId, grace_seconds: float) -> None:
    """Ask a process to end (SIGTERM), and make it (SIGKILL) when it has not within `grace_seconds`."""
    if not send_signal(process, signals.SIGTERM):
        return
    with trio.move_on_after(grace_seconds):
        await wait_dead(process)
        return
    send_signal(process, signals.SIGKILL)
    await wait_dead(process)


def write_pidfile(path: Path, process: ProcessId) -> None:
    """Remember a process on disk, atomically."""
    replace_file(path, json.dumps({"pid": process.pid, "started": process.started}).encode())


def read_pidfile(path: Path) -> ProcessId | None:
    """Give the process that a pidfile names, if it still runs; None for no file, a broken one or a dead process."""
    try:
        content = json.loads(path.read_bytes())
        process = ProcessId(pid=int(content["pid"]), started=int(content["started"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return process if is_alive(process) else None


def replace_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that readers, and a crash at any instant, see the old content or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes that work on the same directory out; it is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def own_command() -> tuple[str, ...]:
    """Give the command line that starts this same hfs: the zipapp when we run from one, else the module."""
    if sys.argv and zipapp_path() is not None:
        return (str(zipapp_path()),)
    return (sys.executable, "-m", "hfs_appliance")


def zipapp_path() -> Path | None:
    """Give the path of the executable file that we run from; None when we run from a source tree."""
    import __main__  # the running program: only known at run time

    candidate = Path(sys.argv[0]).absolute()
    is_zipapp = getattr(__main__, "__file__", "").startswith(f"{candidate}/")
    return candidate if is_zipapp and candidate.is_file() else None

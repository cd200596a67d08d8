"""NginxProxy: the Proxy port over Debian's nginx, which outlives us and is known again.

A configuration is written beside the present one, checked by `nginx -t`, put in place by one rename, and counts as
served when a worker says so and no former worker accepts connections any more; otherwise the former file is put back.

A reload closes idle connections, and what a client sends on one at that moment is lost to it. So clients are told to
leave first (`Connection: close`), and are waited for where nothing else is at stake: see `is_urgent`.

We listen, nginx inherits the socket and we keep ours: when nginx dies, new connections wait in the kernel until the
next nginx takes them, and a port in use shows before anything is changed.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal as signals
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters import process
from hfs_appliance.adapters.nginx.files import Files
from hfs_appliance.adapters.nginx.workers import ask_idle, ask_revision, find_master, find_workers, is_accepting
from hfs_appliance.adapters.process import ProcessId
from hfs_appliance.ports.errors import Rejected, Transient
from hfs_appliance.proxy.render import Host, Rendered, endpoint_of, render
from hfs_appliance.proxy.table import OddField, RouteTable, is_urgent

CHECK_WITHIN_S: Final = 20.0
SERVE_WITHIN_S: Final = 20.0
"""1,000 APIs take 0.2 s on an idle machine."""
STOP_WITHIN_S: Final = 10.0
"""Requests that are open when the proxy is stopped have this long to end."""
LEAVE_WITHIN_S: Final = 0.5
"""Clients that ask more often than that, each on its connection, never meet one that a reload closes."""
HOUSEKEEPING_EVERY_S: Final = 60.0

_POLL_S: Final = 0.005
"""Neither a worker's title nor its first answer can be waited for."""
_WORDS_MAX: Final = 64 * 1024
_COMPLAINT_MAX: Final = 1000
_REASON: Final = re.compile(r"\[(?:emerg|alert)\] (?:\d+#\d+: )?(.+)")
_BACKLOG: Final = 511
_OPEN_FILES_MAX: Final = 16384
"""4,096 requests under way for each worker; a reload pays for every possible connection, 0.4 KiB."""


class _Log:
    """A log, from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size

    def read(self) -> bytes:
        """Give what was written since, the end of it when that is much."""
        with self._path.open("rb") as file:
            file.seek(max(self._start, self._path.stat().st_size - _WORDS_MAX))
            return file.read(_WORDS_MAX)


class NginxProxy:
    """One nginx on this host, with all its files below one directory."""

    def __init__(
        self,
        directory: Path,
        executable: str = "nginx",
        *,
        listen: tuple[str, int] | None = None,
        stays_in_group: bool = False,
        leave_within_s: float = LEAVE_WITHIN_S,
    ) -> None:
        self._files = Files(directory)
        self._leave_within_s = leave_within_s
        self._stays_in_group = stays_in_group
        """Whether nginx ends with the process group that we are in: with the server, where that is one."""
        self._listen = listen
        """Where this host's nginx listens, if not where the tables say."""
        self._executable = executable
        self._listener: socket.socket | None = None
        """Ours, when nginx runs on it; None after we adopted an nginx."""
        self._last_good: RouteTable | None = None
        """As on disk, once it is known."""
        self._lock = trio.Lock()
        self._was_served = trio.Event()

    async def publish(self, table: RouteTable) -> None:
        """Serve `table`; see the port."""
        if self._listen is not None:
            table = replace(table, address=self._listen[0], port=self._listen[1])
        async with self._lock:
            with _disk_trouble_is_transient():
                await self._serve(table)

    async def publish_files(self, files: Mapping[str, bytes]) -> None:
        """Replace the static files; `swagger.json` is the only one there is."""
        if odd := sorted(files.keys() - {"swagger.json"}):
            raise Rejected(f"the endpoint has no static file {odd[0]!r}")
        with _disk_trouble_is_transient():
            self._files.prepare()
            for content in files.values():
                self._files.publish_document(content)

    async def ensure_running(self) -> bool:
        """Have the last good table served; True when nginx did not run. Without such a table there is nothing to do.

        An nginx that runs may serve another file: we were killed while publishing, or are of another version by now.
        """
        async with self._lock:
            if (table := self.last_good()) is None:
                return False
            was_dead = self._master() is None
            with _disk_trouble_is_transient():
                await self._serve(table)
            return was_dead

    async def wait_dead(self) -> None:
        """Wait until nginx has died, and keep its logs short meanwhile; before the first start, wait for that too."""
        if self.last_good() is None:
            await self._was_served.wait()
        while (master := self._master()) is not None:
            with trio.move_on_after(HOUSEKEEPING_EVERY_S):
                await process.wait_dead(master)
            self.rotate_logs(master)

    def rotate_logs(self, master: ProcessId) -> None:
        """Put logs that have grown too long aside and have nginx open new ones."""
        if self._files.rotate_logs():
            process.send_signal(master, signals.SIGUSR1)

    async def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Let open requests end and stop nginx; whatever is left after `within_s` is killed."""
        async with self._lock:
            self._hold(None)
            master = self._master()
            # The master comes first, lest it starts new workers.
            members = [*([] if master is None else [master]), *find_workers(self._files.root)]
            for member in members:
                process.send_signal(member, signals.SIGQUIT)
            with trio.move_on_after(within_s):
                for member in members:
                    await process.wait_dead(member)
            for member in members:
                process.send_signal(member, signals.SIGKILL)

    def last_good(self) -> RouteTable | None:
        """Give the table that was served last, by this appliance or the one before it."""
        if self._last_good is None:
            self._last_good = self._files.last_good()
        return self._last_good

    def _master(self) -> ProcessId | None:
        return find_master(self._files.root, self._files.pid)

    async def _serve(self, table: RouteTable) -> None:
        try:
            rendered = render(table, _host())
        except OddField as error:
            raise Rejected(f"route table refused: {error}") from None
        self._files.prepare()
        master = self._master()
        served = await ask_revision(self._files.root) if master is not None else None
        if served != rendered.revision:
            await self._check(rendered)
            if master is None:
                await self._start(table, rendered)
            else:
                await self._reload(master, table, rendered, former=served or self._files.current())
        self._files.keep_last_good(table)
        self._last_good = table
        self._was_served.set()

    async def _check(self, rendered: Rendered) -> None:
        """Have nginx read the new file. Errors: Rejected, with its words; Transient when it takes too long."""
        path = self._files.write(rendered)
        try:
            with trio.fail_after(CHECK_WITHIN_S):
                command = self._command("-t", "-c", str(path.relative_to(self._files.root)))
                done = await trio.run_process(
                    command, cwd=self._files.root, check=False, capture_stderr=True, stdin=b""
                )
        except trio.TooSlowError:
            path.unlink()
            raise Transient(f"nginx did not check its configuration within {CHECK_WITHIN_S:.0f} s") from None
        if done.returncode:
            path.unlink()
            raise Rejected(f"nginx refuses the configuration: {_complaint(done.stderr)}")

    async def _start(self, table: RouteTable, rendered: Rendered) -> None:
        orphans = find_workers(self._files.root)
        if self._listener is None or _bound_to(self._listener) != (table.address, table.port):
            await _retire(orphans)  # they hold the port, and go on serving until here
            self._hold(_listen(table.address, table.port))
        assert self._listener is not None
        (self._files.root / "control.sock").unlink(missing_ok=True)
        self._files.start_log.write_bytes(b"")
        self._files.switch(rendered.revision)
        log = _Log(self._files.start_log)
        # NGINX names the sockets that a master hands to its successor (nginx(8), upgrading on the fly).
        master = process.spawn_detached(
            self._command("-c", "nginx.conf"),
            log=self._files.start_log,
            environment={**os.environ, "NGINX": f"{self._listener.fileno()};"},
            directory=self._files.root,
            inherited=(self._listener.fileno(),),
            stays_in_group=self._stays_in_group,
        )
        if not await self._is_served(rendered.revision, (), by=master, log=log):
            self._hold(None)
            await process.terminate(master, 1.0)
            raise Transient(f"nginx does not start: {_complaint(log.read())}")
        await _retire(orphans)

    async def _reload(self, master: ProcessId, table: RouteTable, rendered: Rendered, *, former: str | None) -> None:
        known = self.last_good()
        is_moved = known is not None and (known.address, known.port) != (table.address, table.port)
        if is_moved:
            _listen(table.address, table.port).close()  # nginx would try for 2.5 s, and only its log would tell why
        if former is not None:
            self._files.leave(former)
        try:
            if not is_urgent(known, table):
                await self._wait_until_clients_have_left()
            workers = [worker for worker in find_workers(self._files.root) if is_accepting(worker)]
            log = _Log(self._files.errors)
            self._files.switch(rendered.revision)
            # The master gives the new workers 100 ms before it sends the old ones away: so long do all clients have.
            process.send_signal(master, signals.SIGHUP)
            is_served = await self._is_served(rendered.revision, workers, by=master, log=log)
        finally:
            if former is not None:
                self._files.stay(former)
        if not is_served:
            if former is not None:
                self._files.switch(former)
            words = log.read()
            error = Rejected if b"[emerg]" in words else Transient
            raise error(f"nginx does not take the configuration: {_complaint(words)}")
        if is_moved:
            self._hold(None)
        self._files.forget_all_but(rendered.revision, former)

    async def _wait_until_clients_have_left(self) -> None:
        """Wait until no connection is idle, but not for those who ask seldom: they hardly meet a closing."""
        with trio.move_on_after(self._leave_within_s):
            while await ask_idle(self._files.root) != 0:  # noqa: ASYNC110  # see _POLL_S
                await trio.sleep(_POLL_S)

    async def _is_served(self, revision: str, former: Sequence[ProcessId], *, by: ProcessId, log: _Log) -> bool:
        """Wait until new connections are served by that revision alone; False when it comes to nothing in time."""
        root = self._files.root
        is_served = False
        with trio.move_on_after(SERVE_WITHIN_S):
            while process.is_alive(by) and b"[emerg]" not in log.read():
                is_served = is_served or await ask_revision(root) == revision
                if is_served and not any(is_accepting(worker) for worker in former):
                    break
                await trio.sleep(_POLL_S)
        # A former worker that is frozen does not get in the way of the new ones: it accepts nothing.
        return is_served and process.is_alive(by)

    def _hold(self, listener: socket.socket | None) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = listener

    def _command(self, *arguments: str) -> tuple[str, ...]:
        # Debian keeps nginx where an ordinary user's PATH does not look.
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin"
        found = shutil.which(self._executable, path=path)
        if found is None:
            raise Rejected(f"no executable {self._executable!r} here; nginx comes with: apt-get install nginx-light")
        return (found, "-p", str(self._files.root), *arguments)


@contextmanager
def _disk_trouble_is_transient() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Transient(f"the files of nginx: {error}") from None


def _host() -> Host:
    # Workers of a root's nginx stay root: an account of their own could not read below /root, where the state of a
    # root's environment lies by default. Whoever wants less starts hfs as an ordinary user; nothing here needs root.
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return Host(
        user="root" if os.geteuid() == 0 else None,
        open_files=_OPEN_FILES_MAX if hard_limit == resource.RLIM_INFINITY else min(hard_limit, _OPEN_FILES_MAX),
    )


def _listen(address: str, port: int) -> socket.socket:
    """Open the endpoint's socket. Errors: Rejected."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # nginx's own default
        listener.settimeout(0)  # nginx takes an inherited socket as it is, and would sleep in accept()
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Rejected(f"cannot listen on {endpoint_of(address, port)}: {os.strerror(error.errno or 0)}") from None
    return listener


def _bound_to(listener: socket.socket) -> tuple[str, int]:
    address, port, *_ = listener.getsockname()
    return address, port


async def _retire(workers: Sequence[ProcessId]) -> None:
    """Make workers without a master give up their listening sockets; requests that they have begun go on."""
    for worker in workers:
        process.send_signal(worker, signals.SIGQUIT)
    with trio.move_on_after(STOP_WITHIN_S):
        while any(is_accepting(worker) for worker in workers):  # noqa: ASYNC110  # see _POLL_S
            await trio.sleep(_POLL_S)
        return
    for worker in workers:
        process.send_signal(worker, signals.SIGKILL)


def _complaint(output: bytes) -> str:
    """Give the line that says why, out of nginx's words."""
    text = output[:_WORDS_MAX].decode(errors="replace")
    reason = _REASON.search(text)
    return (reason[1] if reason else text.strip() or "without a word")[:_COMPLAINT_MAX]

"""One server of the local provider: a directory, and a process group led by its init.

    server.json     what the server is (`Facts`); complete before anything is started, never changed
    identity.json   what its agent starts from
    init.pid        the leader of its session and process group
    agent.log       output of the agent and of its service
    deleting        deletion was accepted; holds the instant at which patience ends
    home/, venv/    made by the agent

A machine outlives the appliance; all that is known about it can be read again from here. Functions block (files,
/proc): call them in a thread.
"""

from __future__ import annotations

import os
import shutil
import signal as signals
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from hfs_appliance.adapters.marks import SERVER_MARK, find_marked, kill_marked
from hfs_appliance.adapters.nginx.workers import find_below
from hfs_appliance.adapters.process import (
    ProcessId,
    identify,
    is_alive,
    read_pidfile,
    replace_file,
    send_signal,
    spawn_detached,
    write_pidfile,
)
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import (
    NO_UUID,
    AvailabilityZone,
    EnvironmentName,
    EnvironmentUuid,
    Nonce,
    PoolName,
    ServerId,
)
from hfs_appliance.model.instants import Instant
from hfs_appliance.registry import formats

_TAIL: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Content of server.json."""

    environment: EnvironmentName
    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    address: str
    created_at: Instant
    uuid: EnvironmentUuid = NO_UUID

    @property
    def mark(self) -> str:
        """Value of SERVER_MARK in the environment of everything that runs on this server."""
        return f"{self.environment}/{self.server}/{self.nonce}"


_FACTS: Final = TypeAdapter(Facts)


@dataclass(frozen=True, slots=True)
class Machine:
    """The server whose directory is `place`."""

    place: Path
    facts: Facts

    def start(self, command: Sequence[str]) -> None:
        """Start the init, or take over one that runs."""
        if self.take_over():
            return
        init = spawn_detached(
            command,
            log=self.place / "agent.log",
            environment={**os.environ, SERVER_MARK: self.facts.mark},
            directory=self.place,
        )
        write_pidfile(self._pidfile, init)

    def take_over(self) -> bool:
        """Find the init that an appliance left without its init.pid when it was killed; tell whether there is one."""
        init = next(filter(_leads_session, self._members()), None)
        if init is not None:
            write_pidfile(self._pidfile, init)
        return init is not None

    @property
    def identity_file(self) -> Path:
        """What the agent is started with."""
        return self.place / "identity.json"

    @property
    def was_started(self) -> bool:
        """Tell whether there ever was an init."""
        return self._pidfile.exists()

    @property
    def is_running(self) -> bool:
        """Tell whether the init lives."""
        return read_pidfile(self._pidfile) is not None

    @property
    def is_deleting(self) -> bool:
        """Tell whether deletion was accepted."""
        return self._deleting.exists()

    def kill(self) -> None:
        """Cut the power: the whole process group at one instant, then whatever has left the group."""
        init = read_pidfile(self._pidfile)
        if init is not None:
            _kill_group(init)
        kill_marked(SERVER_MARK, self.facts.mark)
        for process in find_below(self.place):
            send_signal(process, signals.SIGKILL)

    def begin_deletion(self, patience_ends: Instant) -> None:
        """Accept deletion, and ask all processes to end."""
        replace_file(self._deleting, str(patience_ends).encode())
        for process in self._members():
            send_signal(process, signals.SIGTERM)

    def continue_deletion(self, now: Instant) -> bool:
        """Take the deletion as far as it goes now; tell whether the machine is gone."""
        if self._members():
            if now < int(self._deleting.read_bytes()):
                return False
            self.kill()
            if self._members():
                return False
        # Out of the listing in one step: a removal cut short leaves nothing that looks like a server.
        trash = self.place.with_name(f".gone-{self.place.name}")
        shutil.rmtree(trash, ignore_errors=True)
        self.place.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def tail(self, lines: int) -> str:
        """Give the last lines of the log."""
        try:
            with (self.place / "agent.log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
                content = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(content.splitlines()[-lines:]) if lines > 0 else ""

    @property
    def _pidfile(self) -> Path:
        return self.place / "init.pid"

    @property
    def _deleting(self) -> Path:
        return self.place / "deleting"

    def _members(self) -> tuple[ProcessId, ...]:
        # nginx writes its title over its environment, mark and all.
        return (*find_marked(SERVER_MARK, self.facts.mark), *find_below(self.place))


def make_machine(root: Path, facts: Facts, identity: Identity) -> Machine:
    """Make the directory of a server, whole or not at all."""
    for rest_of_a_crash in root.glob(".*-*"):
        shutil.rmtree(rest_of_a_crash, ignore_errors=True)
    draft = root / f".new-{facts.server}"
    draft.mkdir()
    replace_file(draft / "server.json", _FACTS.dump_json(facts))
    replace_file(draft / "identity.json", formats.write(identity))
    place = root / facts.server
    draft.rename(place)
    return Machine(place, facts)


def read_facts(place: Path) -> Facts:
    """Read what a server is. Errors: FileNotFoundError, ValueError."""
    return _FACTS.validate_json((place / "server.json").read_bytes())


def _leads_session(process: ProcessId) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def _kill_group(leader: ProcessId) -> None:
    # The leader lives and a pid in use as a group's number is not given out again: the group is ours.
    try:
        if is_alive(leader):
            os.killpg(leader.pid, signals.SIGKILL)
            identify(leader.pid)  # reaps it, should it be our child
    except ProcessLookupError:
        return

"""The process of a service: started once, known again by the next agent, ended within a bounded time.

It runs in the agent's own process group and writes to the agent's own output. It knows nothing of hfs: it finds its
place in the environment (HOST, PORT, VERSION, SERVICE, SERVER, SLOT) or in its arguments.
"""

from __future__ import annotations

import errno
import os
import re
import signal as signals
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import trio

from hfs_appliance.adapters.marks import kill_marked
from hfs_appliance.adapters.process import ProcessId, identify, own_command, terminate, wait_dead
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import outer_environment
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.instants import MILLISECOND
from hfs_appliance.registry.paths import Layout

INSTANCE_MARK: Final = "HFS_INSTANCE"
OURSELVES: Final = "{hfs}"
"""Stands for hfs itself in a command."""

_GRACE_SECONDS: Final = 5.0
"""How long a service may take to end after SIGTERM."""


class StartError(Exception):
    """The service cannot be started; the words say why."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    process: ProcessId
    child: trio.Process | None
    """None when an earlier agent started it: then nobody can tell how it ended."""

    @property
    def boot(self) -> str:
        """Token that changes with every start."""
        return f"{self.process.started:x}-{self.process.pid:x}"

    async def wait(self) -> str:
        """Wait until it has ended, and say how."""
        if self.child is None:
            await wait_dead(self.process)
            return "ended"
        status = await self.child.wait()
        return f"ended with status {status}" if status >= 0 else f"was ended by {signals.Signals(-status).name}"


def running_service(site: Site) -> Service | None:
    """Give the service that an earlier agent started, if it still runs."""
    process = site.service()
    return None if process is None else Service(process, None)


async def start_service(site: Site, assignment: Assignment) -> Service:
    """Start the service, after ending whatever an earlier start of it left behind. Errors: StartError."""
    await trio.to_thread.run_sync(kill_marked, INSTANCE_MARK, site.mark)
    address, port = site.identity.address, assignment.port
    if assignment.run.command[0] != OURSELVES:  # hfs knows its own nginx, which serves on while hfs is started again
        _demand_free(address, port)
    places = _placeholders(site, assignment)
    argv = [word for part in assignment.run.command for word in _words(part, places)]
    # What steers our own interpreter is right for hfs itself.
    outer = dict(os.environ) if assignment.run.command[0] == OURSELVES else outer_environment()
    environment = {
        **outer,
        "HOST": address,
        "PORT": str(port),
        "VERSION": assignment.version,
        "SERVICE": assignment.service,
        "SERVER": assignment.server,
        "SLOT": str(assignment.slot),
        # For services that look into the registry or register themselves: where, and as what.
        "HFS_ENVIRONMENT": site.identity.environment,
        "HFS_SESSION_TIMEOUT_MS": str(site.identity.session_timeout // MILLISECOND),
        "HFS_REGISTRY": ",".join(site.identity.registry_hosts),
        "HFS_REGISTRATION": Layout(site.identity.environment).registration(assignment.service, assignment.server),
        **{name: _expand(value, places) for name, value in assignment.run.environment.items()},
        INSTANCE_MARK: site.mark,
    }
    try:
        child = await trio.lowlevel.open_process(argv, stdin=subprocess.DEVNULL, cwd=site.home, env=environment)
    except OSError as error:
        raise StartError(f"cannot run {' '.join(argv)}: {error.strerror}") from None
    process = identify(child.pid)
    if process is None:
        raise StartError(f"{' '.join(argv)} ended at once")
    site.save_service(process)
    return Service(process, child)


async def stop_service(site: Site) -> None:
    """End the service and all that it started: asked first, made to after a grace."""
    process = site.service()
    if process is not None:
        await terminate(process, _GRACE_SECONDS)
    await trio.to_thread.run_sync(kill_marked, INSTANCE_MARK, site.mark)


def _placeholders(site: Site, assignment: Assignment) -> Mapping[str, str]:
    return {
        "address": site.identity.address,
        "port": str(assignment.port),
        "version": assignment.version,
        "service": assignment.service,
        "server": assignment.server,
        "venv": str(site.venv),
        "directory": str(site.home),
    }


def _words(part: str, places: Mapping[str, str]) -> tuple[str, ...]:
    """Give what a part of a command stands for; hfs itself may be more than one word."""
    return own_command() if part == OURSELVES else (_expand(part, places),)


def _expand(text: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: places.get(match[1], match[0]), text)


def _demand_free(address: str, port: int) -> None:
    # Somebody else's answer on this port would pass for our service's.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(f"port {port} of {address} is in use by another process") from None
            raise StartError(f"cannot use port {port} of {address}: {error.strerror}") from None

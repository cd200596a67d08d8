"""`hfs proxy`: the composition root of an edge, which the agent of a server with the role of a proxy runs.

It finds its place in the environment, as every service does. It ends nginx with itself; after kill -9 nginx goes on,
and the next life takes it over.
"""

from __future__ import annotations

import os
import signal as signals
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.http import HttpSpecSource
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.worker import ThreadWorker
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.event import Severity
from hfs_appliance.model.events import Recorded
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import MILLISECOND, Duration, format_instant, seconds, to_seconds
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.runtime.edge import Edge, EdgeParts
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.words import words

STOP_WITHIN_S: Final = 3.0
"""Requests have had the server's time to drain; the agent gives its service 5 s before it makes it end."""
LEAVE_WITHIN: Final = seconds(1)
"""A registry that is away may not hold up the end: the entry then goes with the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the agent has put into the environment of its service."""

    environment: EnvironmentName
    server: str
    hosts: tuple[str, ...]
    session_timeout: Duration
    place: Place


def surroundings(variables: Mapping[str, str]) -> Surroundings:
    """Read it. Errors: KeyError, ValueError."""
    return Surroundings(
        environment=EnvironmentName(variables["HFS_ENVIRONMENT"]),
        server=variables["SERVER"],
        hosts=tuple(variables["HFS_REGISTRY"].split(",")),
        session_timeout=Duration(int(variables["HFS_SESSION_TIMEOUT_MS"]) * MILLISECOND),
        place=Place(variables["HOST"], int(variables["PORT"])),
    )


def main(arguments: Sequence[str]) -> int:
    """Be the proxy of this server until SIGTERM; give the exit status. It takes no arguments."""
    if arguments:
        sys.stderr.write("hfs proxy: takes no arguments\n")
        return os.EX_USAGE
    try:
        found = surroundings(os.environ)
    except (KeyError, ValueError) as error:
        sys.stderr.write(f"hfs proxy: {error} is missing or wrong; the agent of a server with that role sets it\n")
        return os.EX_CONFIG
    trio.run(_run, found, Path.cwd() / "nginx")
    return os.EX_OK


async def _run(found: Surroundings, directory: Path) -> None:
    clock = SystemClock()
    bus = EventBus(clock)
    bus.subscribe("log", _log)
    nginx = NginxProxy(directory, listen=(found.place.address, found.place.port), stays_in_group=True)
    async with connect(found.hosts, session_timeout=found.session_timeout, clock=clock) as registry:
        parts = EdgeParts(
            registry=registry,
            proxy=nginx,
            last_good=nginx.last_good(),
            specs=HttpSpecSource(),
            worker=ThreadWorker(),
            clock=clock,
            sink=bus,
            us=Candidate(appliance=found.server, name=found.server, address=""),
            place=found.place,
        )
        edge = Edge(parts, found.environment, found.session_timeout)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(edge.run)
            with trio.open_signal_receiver(signals.SIGTERM, signals.SIGINT) as received:
                async for _ in received:
                    break
            nursery.cancel_scope.cancel()
        with trio.move_on_after(to_seconds(LEAVE_WITHIN)):
            await edge.leave()
        await nginx.stop(STOP_WITHIN_S)


def _log(recorded: Recorded) -> None:
    """Write what happened into the server's log."""
    if recorded.event.severity is not Severity.DEBUG:
        sys.stdout.write(f"{format_instant(recorded.at)} {words(recorded.event)}\n")
        sys.stdout.flush()

"""What hfs takes of memory with 55,000 servers: the control plane of `hfs run`, in a process of its own.

Everything is there before it starts: another process has written the records and holds the registrations, in a registry
that is a third one. All code of hfs is loaded; the cloud answers at once with what its adapter would have made of its
list; the proxy's file is rendered, with all instances in it, and given to no nginx. Journal, decision journal and
metrics run as they do. Measured is what the operating system counts: after everything was read, after it was read anew
as by a leader that takes over, and the most that there ever was.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

import trio

from bench.proxy import HOST
from bench.standing import StandingCloud, StandingProxy, backends, hosts, stand
from hfs_appliance import app
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.worker import ThreadWorker
from hfs_appliance.config import load_text
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.plan import Plan
from hfs_appliance.proxy.render import render
from hfs_appliance.proxy.table import RouteTable
from hfs_appliance.runtime.collector import collecting_seldom
from hfs_appliance.runtime.plane import ControlPlane
from hfs_appliance.runtime.recording import Recording
from hfs_appliance.telemetry.bus import EventBus
from hfs_appliance.telemetry.decisions import DecisionLog
from hfs_appliance.telemetry.journal import Journal
from hfs_appliance.telemetry.metrics import Metrics
from sim.desired import configuration
from tests.support.registries import connected
from tests.support.zookeeper import prepare_embedded, serving

SERVERS: Final = 55_000
PER_SERVICE: Final = 50
TICK_MS: Final = 6_000
SESSION = seconds(60)
"""Long: nobody is to lose a session on a busy machine."""
QUIET_S: Final = 20
"""From when everything is as desired until it is looked at: routes and documents follow."""
TARGET_MIB: Final = 500
MODULE: Final = "bench.memory"


def source() -> str:
    """Write the environment."""
    counts = {f"service-{number:04d}": {"1.0.0": PER_SERVICE} for number in range(SERVERS // PER_SERVICE)}
    return configuration(counts, session_timeout="60s")


async def run() -> Mapping[str, object]:
    """Have an environment stand, and a control plane look at it."""
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as folder:
        async with serving(prepare_embedded(Path(folder), tick_ms=TICK_MS)) as servers, trio.open_nursery() as nursery:
            command = [sys.executable, "-m", MODULE]
            standing = await nursery.start(
                partial(trio.run_process, [*command, "stand", *servers.hosts], stdin=DEVNULL, stdout=PIPE, check=False)
            )
            await _line(standing)
            found = await trio.run_process([*command, folder, *servers.hosts], capture_stdout=True)
            nursery.cancel_scope.cancel()
    return {**json.loads(found.stdout), "target (MiB)": TARGET_MIB}


async def _line(process: trio.Process) -> None:
    """Wait for the first word of a process."""
    assert process.stdout is not None
    if not await process.stdout.receive_some():
        raise AssertionError("the process that holds the registrations has ended")


async def hold(*registry_hosts: str) -> None:
    """Write all that there is to be seen, and hold the registrations until killed."""
    clock = SystemClock()
    async with connected(*registry_hosts, session_timeout=SESSION) as registry:
        await stand(registry, StandingCloud(clock), load_text(source(), "bench"), clock.now())
        sys.stdout.write("it stands\n")
        sys.stdout.flush()
        await trio.sleep_forever()


class RenderingProxy(StandingProxy):
    """Keeps what nginx would be given, and what it was given before."""

    def __init__(self) -> None:
        self._kept: deque[str] = deque(maxlen=2)

    async def publish(self, table: RouteTable) -> None:
        """Take a table."""
        self._kept.append((await trio.to_thread.run_sync(render, table, HOST)).text)


async def look(folder: Path, *registry_hosts: str) -> Mapping[str, object]:
    """Run the control plane, and say what the process takes."""
    found: dict[str, object] = {"code alone (MiB)": _resident_mib()}
    desired, clock = load_text(source(), "bench"), SystemClock()
    bus, cloud, metrics, is_converged = EventBus(clock), StandingCloud(clock), Metrics(), trio.Event()
    deque(hosts(cloud, desired), maxlen=0)
    bus.subscribe("journal", Journal(folder / app.JOURNAL))
    bus.subscribe("metrics", metrics)
    recording = Recording(DecisionLog(folder / app.DECISIONS), worker=ThreadWorker(), clock=clock, sink=bus)

    def observe(plan: Plan) -> None:
        metrics.observe_plan(plan)
        if plan.is_converged:
            is_converged.set()

    async with connected(*registry_hosts, session_timeout=SESSION) as registry, trio.open_nursery() as nursery:
        around = backends(registry, cloud, RenderingProxy(), clock, bus)
        plane = ControlPlane(around, desired, observe_plan=observe, record=recording)
        nursery.start_soon(recording.run)
        nursery.start_soon(plane.run, source(), "bench")
        await is_converged.wait()
        await trio.sleep(QUIET_S)
        found["everything read (MiB)"] = _resident_mib()
        await plane.view.read_anew()
        await trio.sleep(QUIET_S)
        found["read anew (MiB)"] = _resident_mib()
        nursery.cancel_scope.cancel()
    found["peak (MiB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def _resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def main(what: str, *registry_hosts: str) -> None:
    """Be one of the two processes."""
    if what == "stand":
        trio.run(hold, *registry_hosts)
    with collecting_seldom():
        sys.stdout.write(json.dumps(trio.run(look, Path(what), *registry_hosts)))


if __name__ == "__main__":
    main(*sys.argv[1:])

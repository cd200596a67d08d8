"""How fast a simulated fleet lives, and what it takes: nothing happens to it, or a server dies every ten minutes.

The whole control plane and the world around it share one core. Each case is a process of its own, so that its memory is
its own: that of the standing world, and what the control plane adds to it. With what a process has that has loaded
`hfs run` and does nothing yet, that is the memory of the whole process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hfs_appliance.model.instants import HOUR, MINUTE, SECOND, Duration
from sim.desired import even
from sim.fleet import Simulation, simulate
from sim.standing import let_stand

FLEETS: Final = (1_000, 10_000, 55_000)
LASTS: Final = Duration(6 * HOUR)
PAUSE: Final = Duration(10 * MINUTE)
"""Between two deaths."""
DAY_S: Final = 86_400
LOADED: Final = """
import resource, pathlib, hfs_appliance.app
print(int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20)
"""
TARGET_MIB: Final = 500
"""Memory target of the design, for the whole process and the largest fleet."""


def run() -> dict[str, object]:
    """Measure fleets of three sizes, quiet ones and such with sparse failures."""
    findings: dict[str, object] = {}
    loaded_mib = int(_output("-c", LOADED))
    for servers in FLEETS:
        for name, is_dying in (("quiet", False), ("a death each 10 min", True)):
            found = json.loads(_output("-m", "bench.fleet", str(servers), *(["dying"] if is_dying else [])))
            process_mib = loaded_mib + found["control plane (MiB)"]
            findings[f"{servers:,} servers, {name}"] = {**found, "whole process (MiB)": process_mib}
    findings["hfs loaded, and nothing done (MiB)"] = loaded_mib
    findings["target, whole process (MiB)"] = TARGET_MIB
    return findings


def _output(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def measure(servers: int, *, is_dying: bool) -> Mapping[str, float]:
    """Play one fleet."""
    sim = Simulation(1, even(servers))
    found: dict[str, float] = {}

    async def story(sim: Simulation) -> None:
        let_stand(sim)
        # Agents connect and register; only then is it a world to look at.
        await sim.pass_time(Duration(MINUTE))
        world_mib = resident_mib()
        began = time.process_time()
        sim.start()
        await sim.converged(Duration(10 * MINUTE))
        await sim.pass_time(Duration(10 * MINUTE))
        found["taken over in (CPU s)"] = time.process_time() - began
        found["world (MiB)"] = world_mib
        found["control plane (MiB)"] = resident_mib() - world_mib
        began = time.process_time()
        stream = sim.streams.named("deaths")
        for _ in range(LASTS // PAUSE):
            if is_dying:
                sim.datacentre.kill(stream.choice(list(sim.datacentre.machines)))
            await sim.pass_time(PAUSE)
        spent = time.process_time() - began
        found["times real time"] = round(LASTS / SECOND / spent)
        found["a day (CPU s)"] = spent * DAY_S / (LASTS / SECOND)
        found["peak (MiB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    simulate(sim, story)
    return found


def resident_mib() -> int:
    """Tell how much memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), is_dying="dying" in sys.argv[2:])))

"""The scenario fleet-day at 10,000 and 55,000 servers, all checkers on: CPU time, memory, and who used it.

Each case is a process of its own: the day as it is, and the same day with nothing going wrong. Shares are sampled:
where the program was at every hundredth of a CPU second, by the innermost room on the stack. What trio and Python's
own library do counts for the room that called them, and for trio where it was nobody's.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

import trio

from sim.play import play
from sim.scenarios import load, scaled

FLEETS: Final = (10_000, 55_000)
HOURS: Final = 24
SEED: Final = 1
EVERY_S: Final = 0.01
POLICY: Final = frozenset({"mcp", "factory", "proxy", "swagger"})
SHARES: Final = ("policy", "runtime", "world and checkers", "trio")
_ROOT: Final = f"{Path(__file__).parents[1]}/"


def run() -> dict[str, object]:
    """Play both fleets through both days."""
    findings: dict[str, object] = {}
    for servers in FLEETS:
        for name, options in (("fleet-day", ()), ("the same without faults", ("calm",))):
            command = [sys.executable, "-m", "bench.day", str(servers), str(HOURS), *options]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            findings[f"{servers:,} servers, {HOURS} h, {name}"] = json.loads(done.stdout)
    return findings


def measure(servers: int, hours: float, *, is_calm: bool) -> Mapping[str, float]:
    """Play one day."""
    story = scaled(load("fleet-day"), servers=servers, hours=hours)
    if is_calm:
        story = replace(story, faults=(), repetitions=(), chances=())
    sampler = Sampler()
    outcome = play(story, SEED, instruments=[sampler])
    counts = sampler.counts
    return {
        "CPU s": outcome.cpu_seconds,
        "times real time": round(outcome.virtual_seconds / outcome.cpu_seconds),
        "peak (MiB)": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "events": outcome.events,
        "violations": outcome.violations_total,
        **{f"{share} (%)": round(100 * counts[share] / max(1, counts.total())) for share in SHARES},
    }


class Sampler(trio.abc.Instrument):
    """Counts, while a run lasts, where it is."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def before_run(self) -> None:
        """Look at each tick of the process's own clock. trio must not wake for that: it would be another run."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def after_run(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        self.counts[room_of(frame)] += 1


def room_of(frame: FrameType | None) -> str:
    """Tell on whose account the innermost frame of ours runs; values (`model/`) are worked on for somebody."""
    while frame is not None:
        package, _, rest = frame.f_code.co_filename.removeprefix(_ROOT).partition("/")
        room = rest.partition("/")[0]
        if package == "sim" and rest not in ("determinism.py", "play.py", "fleet.py"):
            return "world and checkers"
        if package == "hfs_appliance" and room != "model":
            return "policy" if room in POLICY else "runtime"
        frame = frame.f_back
    return "trio"


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]), is_calm="calm" in sys.argv[3:])))

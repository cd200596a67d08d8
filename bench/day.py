"""Days of 10,000 and 55,000 simulated servers, all checkers on: CPU time, memory, and who used it.

Each case is a process of its own: fleet-day as it is, the same day with nothing going wrong, and a fleet of which a
server dies every ten minutes while nobody asks for anything. What takes many times longer than it may is broken off,
and tells how far it got. Shares are sampled: where the program was at every hundredth of a CPU second, by the
innermost room on the stack. What trio and Python's own library do counts for the room that called them, and for trio
where it was nobody's.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

import trio

from hfs_appliance.model.instants import HOUR
from sim.clock import EPOCH
from sim.play import Playing, play
from sim.scenario import Chance, Scenario, Traffic
from sim.scenarios import load, scaled
from sim.truth import StoryBegun

STORIES: Final[Mapping[str, Callable[[Scenario], Scenario]]] = {
    "fleet-day": lambda story: story,
    "without-faults": lambda story: replace(story, faults=(), repetitions=(), chances=()),
    "sparse-failures": lambda story: replace(
        story, traffic=Traffic(), chances=(Chance(kind="server-dies", per_day=144),)
    ),
}
"""What is made of fleet-day."""
CASES: Final[Sequence[tuple[int, str, Mapping[str, int]]]] = (
    (10_000, "fleet-day", {"at most (CPU s)": 60}),
    (10_000, "without-faults", {}),
    (10_000, "sparse-failures", {"at least (times)": 5_000}),
    (55_000, "fleet-day", {"at most (CPU s)": 600, "at most (MiB)": 2_048}),
    (55_000, "without-faults", {}),
)
"""With the cost targets of the design."""
HOURS: Final = 24
SEED: Final = 1
PATIENCE_S: Final[Mapping[int, int]] = {10_000: 600, 55_000: 3_000}
"""CPU seconds after which a case is broken off, by its servers."""
EVERY_S: Final = 0.01
POLICY: Final = frozenset({"mcp", "factory", "proxy", "swagger"})
SHARES: Final = ("policy", "runtime", "world and checkers", "trio")
_ROOT: Final = f"{Path(__file__).parents[1]}/"


def run() -> dict[str, object]:
    """Play all cases."""
    findings: dict[str, object] = {}
    for servers, story, targets in CASES:
        command = [sys.executable, "-m", "bench.day", str(servers), str(HOURS), story, str(PATIENCE_S[servers])]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        findings[f"{servers:,} servers, {HOURS} h, {story}"] = {**json.loads(done.stdout), **targets}
    return findings


def measure(servers: int, hours: float, name: str, patience_s: int) -> None:
    """Play one day, and print what it took; for as long as there is patience for it."""
    story = STORIES[name](scaled(load("fleet-day"), servers=servers, hours=hours))
    sampler = Sampler()
    playing: list[Playing] = []
    began_s: list[float] = []

    def watch(run: Playing) -> None:
        playing.append(run)
        run.sim.truth.listen(lambda _now, _fact: began_s.append(time.process_time()), (StoryBegun,))

    def tell(violations: int) -> None:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s, sim = spent.ru_utime + spent.ru_stime, playing[0].sim
        span = (sim.clock.now() - EPOCH) / HOUR
        stood_s = began_s[0] if began_s else cpu_s
        found = {
            "CPU s": cpu_s,
            "of which until the fleet stands": stood_s,
            "hours played": span,
            "times real time": round(3600 * span / cpu_s),
            "times real time, once it stands": round(3600 * span / max(EVERY_S, cpu_s - stood_s)),
            "peak (MiB)": spent.ru_maxrss // 1024,
            "events": sim.journal.count,
            "violations": violations,
            **{
                f"{share} (%)": round(100 * count / max(1, sampler.counts.total())) for share, count in sampler.shares()
            },
        }
        sys.stdout.write(json.dumps(found))
        sys.stdout.flush()

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        tell(playing[0].docket.total)
        os._exit(0)  # in the midst of whatever it is: nothing of it is needed any more

    signal.signal(signal.SIGXCPU, give_up)
    resource.setrlimit(resource.RLIMIT_CPU, (patience_s, resource.RLIM_INFINITY))
    outcome = play(story, SEED, watch=watch, instruments=[sampler])
    tell(outcome.violations_total)


class Sampler(trio.abc.Instrument):
    """Counts, while a run lasts, where it is."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def shares(self) -> list[tuple[str, int]]:
        """Give how often it was where."""
        return [(share, self.counts[share]) for share in SHARES]

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
    measure(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4]))

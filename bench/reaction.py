"""From an event to the action that answers it: a registration goes, a spare is claimed, on a real ZooKeeper.

5,000 instances are registered; the cloud, the proxy and what else there is answer at once (bench/standing.py), so that
hfs and its registry are measured. Instances lose their registrations one by one, and services have no grace: each is
replaced as soon as that is seen. The clock starts before the registration is taken away and stops when the claim
starts; the shares of the way between are told.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from bench.measure import Spread
from bench.standing import StandingCloud, StandingProxy, backends, stand
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.config import load_text
from hfs_appliance.model.events import ActionStarted, PhaseChanged, Recorded
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import to_seconds
from hfs_appliance.model.plan import Plan
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.collector import collecting_seldom
from hfs_appliance.runtime.plane import ControlPlane
from hfs_appliance.telemetry.bus import EventBus
from sim.desired import configuration
from tests.support.registries import connected
from tests.support.zookeeper import standalone

SERVICES: Final = 100
INSTANCES: Final = 50
PAUSE_S: Final = 0.3
"""Between two events: more than all that one of them brings about."""
TARGET_MS: Final = 50.0
"""99 of 100 events are answered within this, on a machine that does nothing else."""
STEPS: Final = ("taken away → watch told", "→ entry read", "→ decided and told", "→ action started")


class Watcher(trio.abc.Instrument):
    """Notes when what is measured came by: a fold over the events, and an eye on trio's steps."""

    def __init__(self) -> None:
        self.service: ServiceName | None = None
        self.marks: list[int] = []
        self.is_started = trio.Event()
        self._looked_at = 0

    def begin(self, service: ServiceName) -> None:
        """Wait for the claim of a service from now on."""
        self.service, self.marks, self.is_started = service, [time.perf_counter_ns()], trio.Event()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """See the observer hear of the event, and the reconciler begin to look."""
        if len(self.marks) == 1 and task.name.endswith("RegistryObserver._follow"):
            self.marks.append(time.perf_counter_ns())
        elif task.name.endswith("reconciler"):
            self._looked_at = time.perf_counter_ns()

    def hear(self, recorded: Recorded) -> None:
        """Take an event."""
        match recorded.event:
            case PhaseChanged(service=service, before="serving") if service == self.service and len(self.marks) == 2:
                self.marks += (self._looked_at, time.perf_counter_ns())
            case ActionStarted(action="claim", service=service) if service == self.service and len(self.marks) == 4:
                self.marks.append(time.perf_counter_ns())
                self.is_started.set()


async def run() -> Mapping[str, object]:
    """Let an instance of each service lose its registration."""
    counts = {f"service-{number:04d}": {"1.0.0": INSTANCES} for number in range(SERVICES)}
    source = configuration(counts, pool_size=SERVICES)
    source = source.replace('pool = "small"\n', 'pool = "small"\nsuspect_grace = "0s"\n')
    with tempfile.TemporaryDirectory(prefix="hfs-bench-") as folder, collecting_seldom():
        async with (
            standalone(Path(folder)) as servers,
            connected(*servers.hosts) as agents,
            connected(*servers.hosts) as registry,
        ):
            return await measure(source, agents, registry)


async def measure(source: str, agents: Registry, registry: Registry) -> Mapping[str, object]:
    """Run a control plane on one session, and take registrations away on the other."""
    desired, clock, watcher = load_text(source, "bench"), SystemClock(), Watcher()
    cloud, bus = StandingCloud(clock), EventBus(clock)
    await stand(agents, cloud, desired, clock.now())
    is_converged = trio.Event()

    def observe(plan: Plan) -> None:
        if plan.is_converged:
            is_converged.set()

    plane = ControlPlane(backends(registry, cloud, StandingProxy(), clock, bus), desired, observe_plan=observe)
    bus.subscribe("bench", watcher.hear)
    ways: list[list[int]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(plane.run, source, "bench")
        with trio.fail_after(120):
            await is_converged.wait()
        await trio.sleep(to_seconds(desired.registry.session_timeout) * 2)  # absence is not believed before that
        trio.lowlevel.add_instrument(watcher)
        layout = Layout(desired.environment)
        for name in sorted(desired.services):
            await trio.sleep(PAUSE_S)
            victim = (await agents.children(f"{layout.services}/{name}"))[0]
            watcher.begin(name)
            await agents.delete(layout.registration(name, victim))
            with trio.fail_after(30):
                await watcher.is_started.wait()
            ways.append(watcher.marks)
        trio.lowlevel.remove_instrument(watcher)
        nursery.cancel_scope.cancel()
    return findings(ways)


def findings(ways: list[list[int]]) -> Mapping[str, object]:
    """Fold the ways: the whole, each step, and the share of each in the whole."""
    whole = Spread.of([marks[-1] - marks[0] for marks in ways])
    steps = {name: [marks[at + 1] - marks[at] for marks in ways] for at, name in enumerate(STEPS)}
    total = sum(map(sum, steps.values()))
    return {
        f"event → action started, {SERVICES * INSTANCES:,} registrations": whole,
        **{name: Spread.of(spans) for name, spans in steps.items()},
        **{f"{name}: share (%)": round(100 * sum(spans) / total, 1) for name, spans in steps.items()},
        "target (ms, p99)": TARGET_MS,
    }

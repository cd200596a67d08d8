"""The fleet rung: the whole real control plane over a simulated world, in virtual time, as one value of a seed.

    simulate(seed, source, story)

builds the world, runs the async `story` with a `Simulation` in its hand, and gives what it gave. The story starts the
control plane, waits for conditions, hurts the world, kills the control plane and starts it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hashlib import blake2b
from typing import Final, TypeVar

import trio

from hfs_appliance.config import load_text
from hfs_appliance.model.events import ApplianceStarted, Event, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, format_duration, to_seconds
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.probes import Answer, Target
from hfs_appliance.ports.mischief import PEACE
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.control import ApplianceControl
from hfs_appliance.runtime.plane import Backends, ControlPlane
from hfs_appliance.runtime.supervise import restarting
from hfs_appliance.runtime.tunables import PRODUCTION
from hfs_appliance.telemetry import canonical
from hfs_appliance.telemetry.bus import EventBus
from sim.asking import Request, ask
from sim.clock import SkewedClock, WorldClock
from sim.cloud import SimCloud
from sim.datacentre import Datacentre
from sim.determinism import run
from sim.ensemble import Ensemble
from sim.machine import Life, Machine, Pace
from sim.mischief import SimMischief, perturbed
from sim.overlaps import Overlaps
from sim.pace import ServerPace
from sim.prober import SimProber
from sim.proxy import SimProxy, SimSpecs, SimWorker
from sim.registry import SimRegistry
from sim.servers import SimServer
from sim.servicefaults import ServiceFaults
from sim.streams import SimEntropy, Streams
from sim.traffic.flows import Flows
from sim.traffic.source import SimLoad
from sim.truth import ControlPlaneKilled, ControlPlaneStarted, Truth
from sim.uplink import Uplink

T = TypeVar("T")

FILE: Final = "simulated.toml"


class TooLate(AssertionError):
    """Something that a story waits for did not come in time."""


class Journal:
    """A fold over the events: a rolling hash over their canonical lines, and the lines themselves if asked."""

    def __init__(self, *, keeps_lines: bool) -> None:
        self._hash = blake2b(digest_size=16)
        self._keeps_lines = keeps_lines
        self._followers: list[Callable[[str], None]] = []
        self.lines: list[str] = []
        self.count = 0

    def follow(self, follower: Callable[[str], None]) -> None:
        """Call `follower` with each line from now on."""
        self._followers.append(follower)

    def __call__(self, recorded: Recorded) -> None:
        """Take an event."""
        self.note(canonical.write(recorded))

    def note(self, line: str) -> None:
        """Take a line of the world's own, too: what was done to it."""
        self.count += 1
        self._hash.update(f"{line}\n".encode())
        if self._keeps_lines:
            self.lines.append(line)
        for follower in self._followers:
            follower(line)

    @property
    def digest(self) -> str:
        """Give the hash of all lines so far."""
        return self._hash.hexdigest()


class Incarnation:
    """One life of the control plane, from its start to its kill -9."""

    def __init__(self, simulation: Simulation) -> None:
        sim = simulation
        settings = load_text(sim.source, FILE)
        self._bus = sim.bus
        self.is_alive = True
        self.scope = trio.CancelScope()
        clock = SkewedClock(sim.clock, sim.clock_error)
        self.registry = SimRegistry(
            sim.ensemble,
            session_timeout=settings.registry.session_timeout,
            uplink=sim.uplink,
            ahead=sim.clock_error,
        )
        self.cloud = SimCloud(sim.datacentre, settings.environment)
        self.environment = settings.environment
        self.source = sim.source
        backends = Backends(
            registry=self.registry,
            registry_hosts=("registry:2181",),
            cloud=self.cloud,
            proxy=sim.proxy,
            last_good=sim.proxy.table,
            prober=sim.prober,
            load=sim.load,
            specs=sim.specs,
            worker=SimWorker(sim.clock),
            clock=clock,
            entropy=sim.entropy,
            sink=self,
            us=Candidate(appliance="mcp-1", name="mcp-1", address="http://mcp-1:8081"),
            tunables=sim.tunables,
            mischief=sim.mischief,
        )
        self.plane = ControlPlane(backends, settings, observe_plan=sim.observe_plan)
        self.control = ApplianceControl(self.plane, registry=self.registry, bus=sim.bus, clock=clock)

    def emit(self, actor: str, event: Event, *, cause: int | None = None) -> int:
        """Tell the stream; implements the port's EventSink. The dead tell nothing."""
        return self._bus.emit(actor, event, cause=cause) if self.is_alive else self._bus.last_seq

    async def live(self, clock: WorldClock) -> None:
        """Run as the composition root does, until killed."""
        with self.scope:
            self.emit("appliance", ApplianceStarted(version="simulated", environment=self.environment))
            part = partial(self.plane.run, self.source, FILE)
            await restarting("control plane", part, sink=self, clock=clock)()

    def kill(self) -> None:
        """End at once: what was sent arrives, nothing else is sent, the session ends by itself."""
        self.is_alive = False
        self.registry.sever()
        self.cloud.sever()
        self.scope.cancel(reason="killed")


class KillAtStep(trio.abc.Instrument):
    """X1: kills the control plane after so many steps of the scheduler since it was started; 0 only counts them."""

    def __init__(self, step: int, simulation: Simulation) -> None:
        self._step = step
        self._simulation = simulation
        self.steps = 0
        self.is_over = False

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # trio's signature
        """Count."""
        if self.is_over or self._simulation.now is None:
            return
        self.steps += 1
        if self.steps == self._step:
            self.is_over = True
            self._simulation.kill()


class Simulation:
    """The world and the control plane in it."""

    def __init__(
        self,
        seed: int,
        source: str,
        *,
        pace: Pace | None = None,
        server_pace: ServerPace | None = None,
        keeps_lines: bool = False,
        has_mischief: bool = False,
    ) -> None:
        self.streams: Final = Streams(seed)
        self.mischief: Final = SimMischief(self.streams.named("mischief")) if has_mischief else PEACE
        self.tunables: Final = perturbed(self.streams) if has_mischief else PRODUCTION
        self.clock: Final = WorldClock()
        self.source = source
        """What the next control plane is started with."""
        self.desired: Final = load_text(source, FILE)
        """What that says; operators may have changed it since."""
        self.layout: Final = Layout(self.desired.environment)
        self.clock_error = Duration(0)
        """How far the clock of the control plane's host is ahead, for those that start now."""
        self.uplink: Final = Uplink()
        """The control plane's way to the registry."""
        self.truth: Final = Truth(self.clock.now)
        self.ensemble: Final = Ensemble(self.clock, self.streams.named("registry"), self.truth)
        self._server_stream = self.streams.named("servers")
        self._server_pace = server_pace or ServerPace()
        self.service_faults: Final = ServiceFaults()
        self.datacentre: Final = Datacentre(
            self.clock, self.streams.named("cloud"), self._give_life, pace=pace, truth=self.truth
        )
        self.overlaps: Final = Overlaps()
        self.flows: Final = Flows(
            self.clock, self.streams.named("traffic"), self.truth, self.service_faults, self._find
        )
        self.load: Final = SimLoad(self.clock, self.flows)
        self.entropy: Final = SimEntropy(self.streams.named("entropy"))
        self.journal: Final = Journal(keeps_lines=keeps_lines)
        self.bus: Final = EventBus(self.clock)
        self.bus.subscribe("journal", self.journal)
        self.prober: Final = SimProber(self.clock, self.streams.named("probes"), self._answer)
        self.specs: Final = SimSpecs(self.clock, self.streams.named("documents"), self._whose, self.truth)
        self.proxy: SimProxy
        self.now: Incarnation | None = None
        self._nursery: trio.Nursery
        self._looked = trio.Event()
        self.reconciles = 0

    # Stories

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let tasks run in the block, and end them with it."""
        self.proxy = SimProxy(self.clock, self.truth)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            yield
            if self.now is not None:
                self.now.kill()
            nursery.cancel_scope.cancel()

    def start(self) -> None:
        """Start the control plane."""
        assert self.now is None or not self.now.is_alive
        self.now = Incarnation(self)
        self.truth.tell(ControlPlaneStarted())
        self._nursery.start_soon(self.now.live, self.clock)

    def kill(self) -> None:
        """Kill the control plane as kill -9 does."""
        assert self.now is not None
        self.note("killed")
        self.now.kill()
        self.truth.tell(ControlPlaneKilled())
        self._look()

    def restart(self) -> None:
        """Kill the control plane and start it again, if it lives."""
        if self.now is not None and self.now.is_alive:
            self.kill()
            self.start()

    def ask(self, what: str, request: Request) -> None:
        """Ask the control plane for something, as an operator does; its answer is noted in the journal."""
        self._nursery.start_soon(ask, self, what, request)

    def calm(self) -> None:
        """Let no mischief strike any more."""
        if isinstance(self.mischief, SimMischief):
            self.mischief.calm()

    def note(self, words: str) -> None:
        """Write into the journal what is done to the world."""
        self.journal.note(f"- {self.clock.now()} world {words}")

    async def converged(self, within: Duration) -> None:
        """Wait until the control plane believes that everything is as desired and the proxy serves it."""
        await self.until(self.is_converged, within, "not converged")

    def is_converged(self) -> bool:
        """Tell whether the control plane believes so."""
        assert self.now is not None
        plan = self.now.plane.reconciler.plan
        return plan is not None and plan.is_converged and self.now.control.status().converged

    async def until(self, condition: Callable[[], bool], within: Duration, words: str) -> None:
        """Wait until a condition holds, looked at after each reconcile. Errors: TooLate."""
        with trio.move_on_after(to_seconds(within)):
            while not condition():
                await self._looked.wait()
            return
        raise TooLate(f"{words} after {format_duration(within)}: {self.describe()}")

    async def pass_time(self, span: Duration) -> None:
        """Let time pass."""
        await trio.sleep(to_seconds(span))

    def observe_plan(self, _: Plan) -> None:
        """Hear that the control plane has decided."""
        self.reconciles += 1
        self._look()

    def _look(self) -> None:
        self._looked.set()
        self._looked = trio.Event()

    # The truth

    def server(self, server: ServerId) -> SimServer:
        """Give what runs on a server."""
        life = self.datacentre.find(server).life
        assert isinstance(life, SimServer)
        return life

    def servers(self) -> Iterable[SimServer]:
        """Give what runs on every server, in the order in which they were made; ghosts come last."""
        datacentre = self.datacentre
        machines = (*datacentre.machines.values(), *datacentre.ghosts.values())
        return [life for machine in machines if isinstance(life := machine.life, SimServer)]

    def serving(self, service: str, version: str = "1.0.0") -> list[ServerId]:
        """List the servers that serve a version in truth."""
        wanted = (ServiceName(service), Version(version))
        return sorted(
            server.machine.spec.server
            for server in self.servers()
            if server.assignment is not None
            and (server.assignment.service, server.assignment.version) == wanted
            and server.is_serving
        )

    def records(self) -> list[str]:
        """List the servers that the registry holds a record of."""
        znode = self.ensemble.core.tree.znodes.get(self.layout.servers)
        return sorted(znode.children) if znode is not None else []

    def describe(self) -> str:
        """Say in one line how things stand."""
        plan = self.now.plane.reconciler.plan if self.now is not None else None
        statuses = [machine.listed.status for machine in self.datacentre.machines.values()]
        machines = {str(status): statuses.count(status) for status in CloudStatus if status in statuses}
        believed = "nothing planned" if plan is None else f"actions {len(plan.actions)}, holds {plan.holds}"
        return f"machines {machines}, records {len(self.records())}, {believed}"

    def _give_life(self, machine: Machine) -> Life:
        return SimServer(
            machine, self.ensemble, self._server_stream, self._server_pace, self.service_faults, self.truth
        )

    def _find(self, server: ServerId) -> SimServer | None:
        machine = self.datacentre.machines.get(server)
        return machine.life if machine is not None and isinstance(machine.life, SimServer) else None

    def _whose(self, address: str, port: int) -> ServiceName | None:
        server = self._living_at(address)
        if server is None or not server.is_serving or server.assignment is None:
            return None
        return server.assignment.service if server.assignment.port == port else None

    def _answer(self, target: Target) -> Answer | None:
        server = self._living_at(target.address)
        return server.answer(target.port) if server is not None else None

    def _living_at(self, address: str) -> SimServer | None:
        machine = self.datacentre.at_address.get(address)
        return machine.life if machine is not None and isinstance(machine.life, SimServer) else None


def simulate(
    simulation: Simulation,
    story: Callable[[Simulation], Awaitable[T]],
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """Play a story in a simulation. Errors: the story's, Deadlock."""

    async def main() -> T:
        async with simulation.open():
            return await story(simulation)
        raise AssertionError("unreachable")

    return run(simulation.streams, simulation.clock, main, instruments)

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
from hfs_appliance.model.balancer import Place as At
from hfs_appliance.model.events import Recorded
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Duration, format_duration, to_seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.model.plan import Plan
from hfs_appliance.model.probes import Answer, Pulse, Target
from hfs_appliance.model.strain import Strain
from hfs_appliance.model.world import World
from hfs_appliance.ports.mischief import PEACE
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.tunables import PRODUCTION
from hfs_appliance.telemetry import canonical
from hfs_appliance.telemetry.bus import EventBus
from sim.asking import Request, ask
from sim.balancer import Octavia
from sim.balancer_facts import ProxyAnswers
from sim.believed import Believed
from sim.clock import WorldClock
from sim.datacentre import Datacentre
from sim.determinism import run
from sim.ensemble import Ensemble
from sim.incarnation import FILE, FIRST, Incarnation, Place
from sim.machine import Life, Machine, Pace
from sim.mischief import SimMischief, perturbed
from sim.overlaps import Overlaps
from sim.pace import ServerPace
from sim.prober import SimProber
from sim.proxy import SimProxy, SimSpecs
from sim.servers import SimServer
from sim.servicefaults import ServiceFaults
from sim.strain import SimStrain
from sim.streams import SimEntropy, Streams
from sim.traffic.flows import Flows
from sim.traffic.source import LoadFaults
from sim.truth import ControlPlaneKilled, ControlPlaneStarted, Truth
from sim.uplink import Uplink

T = TypeVar("T")


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
        self.load_faults: Final = LoadFaults()
        self.amends: Final[dict[object, Callable[[], None]]] = {}
        """What people put right once the story is over, by what it is about."""
        self.octavia: Final = Octavia(self.clock, self.streams.named("balancer"), self._is_proxy_at, self.truth)
        self.entropy: Final = SimEntropy(self.streams.named("entropy"))
        self.journal: Final = Journal(keeps_lines=keeps_lines)
        self.bus: Final = EventBus(self.clock)
        self.bus.subscribe("journal", self.journal)
        self.believed: Final = Believed()
        self.bus.subscribe("believed", self.believed.hear)
        self.prober: Final = SimProber(self.clock, self.streams.named("probes"), self._answer)
        self.strain: Final = SimStrain(self.clock, self.streams.named("strain"), self._strain)
        self.specs: Final = SimSpecs(self.clock, self.streams.named("documents"), self._whose, self.truth)
        self.proxy: SimProxy
        self.places: Final[dict[str, Place]] = {}
        """Where appliances run or have run, by name."""
        self.appliances: Final[dict[str, Incarnation]] = {}
        """The last life of each."""
        self._nursery: trio.Nursery
        self._looked = trio.Event()
        self.reconciles = 0

    # Stories

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let tasks run in the block, and end them with it."""
        at = _place_of(FIRST)
        self.proxy = SimProxy(self.clock, self.truth, hears=partial(self._tell_answering, at))
        self.places[FIRST] = Place(FIRST, at, self.proxy, self.entropy, self.uplink)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            yield
            for appliance in self.appliances.values():
                appliance.kill()
            nursery.cancel_scope.cancel()

    @property
    def now(self) -> Incarnation | None:
        """Give the last life of the first appliance."""
        return self.appliances.get(FIRST)

    def start(self, name: str = FIRST) -> None:
        """Start an appliance."""
        assert name not in self.appliances or not self.appliances[name].is_alive
        appliance = self.appliances[name] = Incarnation(self, self._place(name))
        self.truth.tell(ControlPlaneStarted())
        self._nursery.start_soon(appliance.live, self.clock)

    def kill(self, name: str = FIRST) -> None:
        """Kill an appliance as kill -9 does."""
        self.note("killed" if name == FIRST else f"{name} killed")
        self.appliances[name].kill()
        self.truth.tell(ControlPlaneKilled())
        self._look()

    def restart(self) -> None:
        """Kill the first appliance and start it again, if it lives."""
        if self.now is not None and self.now.is_alive:
            self.kill()
            self.start()

    def freeze(self, name: str = FIRST) -> None:
        """X5: let an appliance stand still, as under SIGSTOP."""
        self.note(f"{name} frozen")
        self.appliances[name].freeze()

    def resume(self, name: str = FIRST) -> None:
        """Let an appliance go on."""
        self.note(f"{name} goes on")
        self.appliances[name].resume()

    def acting(self) -> Incarnation | None:
        """Give the appliance that believes that it may act; of several, the one of the highest epoch."""
        believers = [appliance for appliance in self.appliances.values() if appliance.is_acting]
        return max(believers, key=lambda one: one.plane.leadership.leader.epoch, default=None)

    def leading(self) -> str:
        """Name the appliance that leads; when nobody believes that it does, the first one."""
        acting = self.acting()
        return acting.place.name if acting is not None else FIRST

    def _place(self, name: str) -> Place:
        if name not in self.places:
            entropy = SimEntropy(self.streams.named(f"entropy/{name}"))
            # A proxy of its own: the endpoint that is judged is the first one's, but all are behind the load balancer.
            at = _place_of(name)
            proxy = SimProxy(self.clock, hears=partial(self._tell_answering, at))
            self.places[name] = Place(name, at, proxy, entropy, Uplink())
        return self.places[name]

    def ask(self, what: str, request: Request, *, insists: bool = False, whom: str = FIRST) -> None:
        """Ask an appliance for something, as an operator does; its answer is noted in the journal."""
        self._nursery.start_soon(partial(ask, self, what, request, insists=insists, whom=whom))

    def calm(self) -> None:
        """Let no mischief strike any more, and people put right what only they can."""
        if isinstance(self.mischief, SimMischief):
            self.mischief.calm()
        for amend in self.amends.values():
            amend()

    def note(self, words: str) -> None:
        """Write into the journal what is done to the world."""
        self.journal.note(f"- {self.clock.now()} world {words}")

    async def converged(self, within: Duration) -> None:
        """Wait until the control plane believes that everything is as desired and the proxy serves it."""
        await self.until(self.is_converged, within, "not converged")

    def is_converged(self) -> bool:
        """Tell whether the control plane believes so, and no service waits for the time to take another size."""
        acting = self.acting()
        plan = acting.plane.reconciler.plan if acting is not None else None
        if acting is None or plan is None or not plan.is_converged:
            return False
        return acting.control.status().converged and not any(each.is_waiting for each in (plan.demands or {}).values())

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

    def record(self, world: World, plan: Plan) -> None:
        """Hear a decision; whoever wants to keep them has a Simulation of its own kind."""

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
        acting = self.acting() or self.now
        plan = acting.plane.reconciler.plan if acting is not None else None
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

    def _tell_answering(self, place: At, *, is_answering: bool) -> None:
        self.truth.tell(ProxyAnswers(place=place, is_answering=is_answering))

    def _is_proxy_at(self, place: At) -> bool:
        return any(each.at == place and each.proxy.is_running for each in self.places.values())

    def _answer(self, target: Target) -> Answer | None:
        server = self._living_at(target.address)
        if server is not None:  # most of them, and no proxy has the address of a server
            return server.answer(target.port)
        return (
            Answer(pulse=Pulse.ALIVE, words="status 200")
            if self._is_proxy_at(At(target.address, target.port))
            else None
        )

    def _strain(self, address: str) -> Strain | None:
        server = self._living_at(address)
        used = self.flows.utilisation(server) if server is not None else None
        return Strain(cpu=min(used, 1000), load=used) if used is not None else None

    def _living_at(self, address: str) -> SimServer | None:
        machine = self.datacentre.at_address.get(address)
        return machine.life if machine is not None and isinstance(machine.life, SimServer) else None


def _place_of(name: str) -> At:
    """Give where the proxy of an appliance listens: `mcp-3` at 10.255.0.3."""
    return At(f"10.255.0.{name.rpartition('-')[2]}", 8080)


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

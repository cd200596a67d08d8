"""Parts of the runtime over the simulated ports, in virtual time: one world for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from hfs_appliance.config import load_text
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.events import Event
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId
from hfs_appliance.model.plan import Action, Cause, Create, Reason
from hfs_appliance.ports.mischief import PEACE, Mischief
from hfs_appliance.ports.registry import SessionState
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.acts import Parts
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.execute import Executor
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables
from sim import determinism
from sim.clock import WorldClock
from sim.cloud import SimCloud
from sim.datacentre import PROJECT, Datacentre
from sim.desired import configuration
from sim.ensemble import Ensemble
from sim.registry import SimRegistry
from sim.standing import UUID
from sim.streams import SimEntropy, Streams
from tests.support.registries import wait_state

ENVIRONMENT = EnvironmentName("sim")
SOURCE = configuration({"dns": {"1.0.0": 2}}, poll="1s")
ANCHOR = Anchor(uuid=UUID, project=PROJECT, incarnation=Nonce("1"))
REASON = Reason(cause=Cause.MEET_DEMAND, words="a test wants it")


@dataclass
class Sink:
    """Keeps what it is told."""

    told: list[Event] = field(default_factory=list)
    woken: trio.Event = field(default_factory=trio.Event)

    def emit(self, _actor: str, event: Event, *, cause: int | None = None) -> int:  # noqa: ARG002  # the port's
        self.told.append(event)
        self.woken.set()
        self.woken = trio.Event()
        return len(self.told)

    async def wait(self, kind: str, count: int = 1) -> list[Event]:
        """Wait until so many events of a kind were told, and give them."""
        while len(found := [event for event in self.told if event.kind == kind]) < count:
            await self.woken.wait()
        return found


class Bench:
    """The observers, the desired store and the executor, wired as the control plane wires them."""

    def __init__(self, clock: WorldClock) -> None:
        streams = Streams(1)
        self.clock = clock
        self.desired = load_text(SOURCE, "test.toml")
        self.layout = Layout(ENVIRONMENT)
        self.ensemble = Ensemble(clock, streams.named("registry"))
        for path in ("/hfs", self.layout.root):
            self.ensemble.put(path, b"")
        self.ensemble.put(self.layout.anchor, write(ANCHOR))
        self.datacentre = Datacentre(clock, streams.named("cloud"), lambda _: None)
        self.registry = SimRegistry(self.ensemble, session_timeout=self.desired.registry.session_timeout)
        self.other = SimRegistry(self.ensemble, session_timeout=self.desired.registry.session_timeout)
        self.cloud = SimCloud(self.datacentre, ENVIRONMENT)
        self.sink = Sink()
        self.dirty = Dirty()
        self.view = self.observer()
        self.store = DesiredStore(self.registry, self.layout, clock=clock, sink=self.sink, dirty=(self.dirty,))
        self.view.on_entry(self.layout.desired, self.store.hear)
        self.servers = CloudObserver(
            self.cloud, self.desired.cloud.poll, clock=clock, sink=self.sink, dirty=(self.dirty,)
        )
        self.parts = Parts(
            registry=self.registry,
            cloud=self.cloud,
            layout=self.layout,
            clock=clock,
            entropy=SimEntropy(streams.named("entropy")),
            sink=self.sink,
            anchor=lambda: ANCHOR,
            view=self.view,
            servers=self.servers,
        )
        self.executor = Executor(self.parts, ("registry:2181",), self.dirty)

    def observer(self, *, tunables: Tunables = PRODUCTION, mischief: Mischief = PEACE) -> RegistryObserver:
        """Give another observer of the registry."""
        return RegistryObserver(
            self.registry,
            self.layout,
            self.desired.registry.session_timeout,
            clock=self.clock,
            sink=self.sink,
            dirty=(self.dirty,),
            tunables=tunables,
            mischief=mischief,
        )

    def submit(self, *actions: Action) -> None:
        self.executor.submit(actions, self.desired, {})


def create(serial: int, *, is_retry: bool = False) -> Create:
    """Ask for a server."""
    return Create(
        server=ServerId(f"small-{serial:04d}"),
        pool=PoolName("small"),
        az=AvailabilityZone("az1"),
        reason=REASON,
        is_retry=is_retry,
    )


async def pass_time(virtual_seconds: float) -> None:
    """Let virtual time pass: nobody waits for it."""
    assert isinstance(trio.lowlevel.current_clock(), WorldClock)
    await trio.sleep(virtual_seconds)


@asynccontextmanager
async def running(*parts: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run parts for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        for part in parts:
            nursery.start_soon(part)
        await trio.sleep(0.001)  # virtual: they have begun
        yield
        nursery.cancel_scope.cancel()


def simulated(test: Callable[[Bench], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of an async function that is played on a bench of its own."""

    def run() -> None:
        clock = WorldClock()

        async def play() -> None:
            bench = Bench(clock)
            for registry in (bench.registry, bench.other):
                await wait_state(registry, SessionState.CONNECTED)
            with trio.fail_after(3600):
                await test(bench)

        determinism.run(Streams(1), clock, play)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run

"""One appliance in the simulation: the place where it runs, and its lives there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from hfs_appliance.config import load_text
from hfs_appliance.model.balancer import Place as At
from hfs_appliance.model.events import ApplianceStarted, Event
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.leadership import Candidate
from hfs_appliance.runtime.control import ApplianceControl
from hfs_appliance.runtime.plane import Backends, ControlPlane
from hfs_appliance.runtime.supervise import restarting
from sim.balancer import SimBalancer
from sim.clock import SkewedClock, WorldClock
from sim.cloud import SimCloud
from sim.process import Process
from sim.proxy import SimProxy, SimWorker
from sim.registry import SimRegistry
from sim.streams import SimEntropy
from sim.traffic.source import SimLoad
from sim.uplink import Uplink

if TYPE_CHECKING:
    from sim.fleet import Simulation

FILE: Final = "simulated.toml"
FIRST: Final = "mcp-1"
"""The appliance that is always there; in most stories the only one."""


class Place:
    """The host of one appliance: what outlives its process."""

    def __init__(self, name: str, at: At, proxy: SimProxy, entropy: SimEntropy, uplink: Uplink) -> None:
        self.name: Final = name
        self.at: Final = at
        """Where a load balancer reaches its proxy."""
        self.proxy: Final = proxy
        self.entropy: Final = entropy
        self.uplink: Final = uplink
        """Its way to the registry."""
        self.clock_error = Duration(0)
        """How far its clock is ahead, for a process that starts now."""


class Incarnation:
    """One life of an appliance, from its start to its kill -9."""

    def __init__(self, simulation: Simulation, place: Place) -> None:
        sim = simulation
        settings = load_text(sim.source, FILE)
        self._bus = sim.bus
        self._prefix = "" if place.name == FIRST else f"{place.name}/"
        self.place: Final = place
        self.is_alive = True
        self.scope = trio.CancelScope()
        self.process: Final = Process(sim.clock)
        clock = SkewedClock(sim.clock, place.clock_error)
        self.registry = SimRegistry(
            sim.ensemble,
            session_timeout=settings.registry.session_timeout,
            uplink=place.uplink,
            ahead=place.clock_error,
        )
        self.cloud = SimCloud(sim.datacentre, settings.environment, client=self.registry.link.number)
        self.balancer = SimBalancer(sim.octavia, client=self.registry.link.number)
        self.environment = settings.environment
        self.source = sim.source
        backends = Backends(
            registry=self.registry,
            registry_hosts=("registry:2181",),
            cloud=self.cloud,
            proxy=place.proxy,
            last_good=place.proxy.table,
            prober=sim.prober,
            specs=sim.specs,
            load=SimLoad(sim.clock, sim.flows, sim.load_faults),
            strain=sim.strain,
            worker=SimWorker(sim.clock),
            clock=clock,
            entropy=place.entropy,
            sink=self,
            us=Candidate(appliance=place.name, name=place.name, address=f"http://{place.name}:8081"),
            balancer=self.balancer if settings.balancer is not None else None,
            reached_at=place.at if settings.balancer is not None else None,
            tunables=sim.tunables,
            mischief=sim.mischief,
        )
        self.plane = ControlPlane(backends, settings, observe_plan=sim.observe_plan, record=sim.record)
        self.control = ApplianceControl(self.plane, registry=self.registry, bus=sim.bus, clock=clock)

    @property
    def is_acting(self) -> bool:
        """Tell whether it believes that it may act."""
        return self.is_alive and self.plane.leadership.acting is not None

    def emit(self, actor: str, event: Event, *, cause: int | None = None) -> int:
        """Tell the stream; implements the port's EventSink. The dead tell nothing."""
        return self._bus.emit(f"{self._prefix}{actor}", event, cause=cause) if self.is_alive else self._bus.last_seq

    async def live(self, clock: WorldClock) -> None:
        """Run as the composition root does, until killed."""
        self.process.adopt()
        with self.scope:
            self.emit("appliance", ApplianceStarted(version="simulated", environment=self.environment))
            part = partial(self.plane.run, self.source, FILE)
            await restarting("control plane", part, sink=self, clock=clock)()

    def kill(self) -> None:
        """End at once: what was sent arrives, nothing else is sent, the session ends by itself."""
        self.is_alive = False
        self.registry.sever()
        self.cloud.sever()
        self.balancer.sever()
        self.scope.cancel(reason="killed")
        self.process.go_on()  # the dead only unwind

    def freeze(self) -> None:
        """X5: stand still, as under SIGSTOP."""
        self.process.stop()
        self.registry.link.stop()

    def resume(self) -> None:
        """Go on, as under SIGCONT; the network tells a moment later what has become of it."""
        self.process.go_on()
        self.registry.link.go_on()

"""The Proxy, SpecSource and Worker ports, simulated: they take their measured time, and documents are small."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

import trio

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import MILLISECOND, SECOND, Duration, Instant, format_duration
from hfs_appliance.ports.errors import Missing, Rejected, Transient
from hfs_appliance.proxy.table import RouteTable
from sim.clock import Reply, WorldClock, spend
from sim.streams import Stream, Table
from sim.truth import DocumentGiven, FilesServed, ProxyStarted, ProxyStopped, RoutesAsked, RoutesServed, Truth

T = TypeVar("T")

KEPT: Final = 100
RELOAD_FLOOR: Final = 30 * MILLISECOND
RELOAD_A_SERVICE: Final = 220_000
"""Nanoseconds. nginx 1.22.1: render, -t and HUP to serving take 30 to 50 ms for 100 services, 180 to 270 ms for 1,000
(shared/design/measured-floors.md)."""
FETCH: Final = Table.of_ms((0, 1), (500, 4), (990, 60), (1000, 500))
"""An assumption: a document over HTTP within one datacentre."""

GIVEN_UP: Final = Duration(5 * SECOND)
"""The product's own bound for one document (hfs_appliance/adapters/http/specs.py)."""

WORK: Final = 5 * MILLISECOND
"""An assumption: reading, checking and renaming one small document."""


class Hears(Protocol):
    """Whoever wants to know whether a proxy answers."""

    def __call__(self, *, is_answering: bool) -> None:
        """Hear that it does from now on, or does not."""
        ...


def _nobody(*, is_answering: bool) -> None:
    """Hear nothing."""


class SimProxy:
    """The proxy on the control plane's host, which outlives the control plane; implements the port's Proxy."""

    def __init__(self, clock: WorldClock, truth: Truth | None = None, *, hears: Hears = _nobody) -> None:
        self._clock: Final = clock
        self._hears = hears
        self._truth: Final = truth or Truth(clock.now)
        self._death = trio.Event()
        self.is_running = False
        self.refuses = False
        """G2: whether it refuses every configuration."""
        self.cannot_start = False
        """G4: whether its process ends at once, whenever it is started."""
        self.slowness = 1
        """G3: factor on the time of a reload."""
        self._hang: trio.Event | None = None
        self.table: RouteTable | None = None
        self.files: dict[str, bytes] = {}
        self.history: deque[tuple[Instant, RouteTable]] = deque(maxlen=KEPT)
        self.reloads = 0

    def die(self) -> None:
        """G6: end the proxy's process."""
        self.is_running = False
        self._death.set()
        self._truth.tell(ProxyStopped())
        self._hears(is_answering=False)

    def hang(self) -> None:
        """G3: let no reload end."""
        self._hang = trio.Event()

    def go_on(self) -> None:
        """End what has hung."""
        assert self._hang is not None
        self._hang.set()
        self._hang = None

    async def publish(self, table: RouteTable) -> None:
        """Serve a table. Errors: Rejected."""
        self._truth.tell(RoutesAsked())
        span = RELOAD_FLOOR + RELOAD_A_SERVICE * len(table.routes)
        await spend(self._clock, span * self.slowness).wait()
        if self._hang is not None:
            await self._hang.wait()
        if self.refuses:
            raise Rejected("nginx: configuration file test failed")
        self.table = table
        self.reloads += 1
        self.history.append((self._clock.now(), table))
        self._truth.tell(RoutesServed(table=table))

    async def publish_files(self, files: Mapping[str, bytes]) -> None:
        """Replace static files."""
        await trio.lowlevel.checkpoint()
        self.files.update(files)
        self._truth.tell(FilesServed(files=files))

    async def ensure_running(self) -> bool:
        """Start the proxy if it does not run."""
        if self.is_running:
            await trio.lowlevel.checkpoint()
            return False
        await spend(self._clock, RELOAD_FLOOR).wait()
        if self.cannot_start:
            raise Transient("nginx: its process ended at once: no space left on device")
        self.is_running = True
        self._death = trio.Event()
        self._truth.tell(ProxyStarted())
        self._hears(is_answering=True)
        return True

    async def wait_dead(self) -> None:
        """Wait until the proxy has died."""
        await self._death.wait()

    async def stop(self) -> None:
        """Stop the proxy."""
        await trio.lowlevel.checkpoint()
        self.die()


class SimSpecs:
    """Implements the port's SpecSource: asks who has the address now."""

    def __init__(
        self,
        clock: WorldClock,
        stream: Stream,
        whose: Callable[[str, int], ServiceName | None],
        truth: Truth | None = None,
    ) -> None:
        self._clock: Final = clock
        self._truth: Final = truth or Truth(clock.now)
        self._stream: Final = stream
        self._whose: Final = whose
        """The service that answers at an address and port now."""
        self.contents: dict[ServiceName, bytes] = {}
        """W2, W4, W6: what some services answer in place of a good document."""
        self.absent: set[ServiceName] = set()
        """W1: services that answer 404."""
        self.silent: set[ServiceName] = set()
        """W5: services that never end their answer; whoever asks gives up."""
        self.huge: set[ServiceName] = set()
        """W2: services that answer with more than anybody reads."""
        self.extra: dict[ServiceName, int] = {}
        """W4: services whose documents have grown by so many paths."""
        self.is_away = False
        self.fetches = 0

    async def fetch(self, url: str) -> bytes:
        """Read a document. Errors: Transient, Missing."""
        reply: Reply[bytes] = Reply()
        self.fetches += 1

        def arrive() -> None:
            service = self._whose(*_place(url))
            if self.is_away or service is None:
                reply.fail(Transient(f"{url}: no answer"))
            elif service in self.absent:
                reply.fail(Missing(f"{url}: 404"))
            elif service in self.silent:
                gone = Transient(f"{url}: no whole answer within {format_duration(GIVEN_UP)}")
                self._clock.after(GIVEN_UP, lambda: reply.fail(gone))
            elif service in self.huge:
                reply.fail(Rejected(f"{url}: more than can be read"))
            else:
                content = self.contents.get(service) or document(service, self.extra.get(service, 0))
                self._truth.tell(DocumentGiven(service=service, content=content))
                reply.give(content)

        self._clock.after(self._stream.draw(FETCH), arrive)
        return await reply.wait()


class SimWorker:
    """Implements the port's Worker: the work is done at once, at the end of the time that it takes."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock: Final = clock

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work`."""
        await spend(self._clock, WORK).wait()
        return work()


def document(service: ServiceName, extra: int = 0) -> bytes:
    """Write a small OpenAPI document."""
    answers = {"responses": {"200": {"description": "fine"}}}
    paths = {f"/{name}": {"get": answers} for name in ("items", *(f"more-{n}" for n in range(extra)))}
    return json.dumps({"openapi": "3.0.3", "info": {"title": service, "version": "1"}, "paths": paths}).encode()


def _place(url: str) -> tuple[str, int]:
    host = url.removeprefix("http://").partition("/")[0]
    address, _, port = host.rpartition(":")
    return address.strip("[]"), int(port)

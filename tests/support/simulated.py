"""The simulated registry and cloud in the place of real ones, for the contract suites: in virtual time, by address.

A test process has one simulated ensemble; what connects to the address SIMULATED, or to that of a breakable network
before it, gets a session of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import trio

from hfs_appliance.model.instants import Duration
from sim import determinism
from sim.clock import WorldClock
from sim.ensemble import Ensemble
from sim.link import Link
from sim.registry import SimRegistry
from sim.streams import Streams

T = TypeVar("T")

SIMULATED: Final = "simulated"
_STREAMS: Final = Streams(1)
CLOCK: Final = WorldClock()
_ENSEMBLE: Final = Ensemble(CLOCK, _STREAMS.named("registry"))
_USUAL_LATENCY_SECONDS: Final = 0.0005


def in_virtual_time(
    test: Callable[[], Awaitable[T]], clock: None = None, instruments: Sequence[trio.abc.Instrument] = ()
) -> T:
    """Run a test: pytest-trio's `run`."""
    assert clock is None
    return determinism.run(_STREAMS, CLOCK, test, instruments)


class SimulatedNetwork:
    """The network between clients and the ensemble, to break; has the methods of TcpProxy."""

    def __init__(self) -> None:
        self.address = f"{SIMULATED}/{id(self)}"
        self._links: list[Link] = []
        self._is_cut = False

    def carry(self, link: Link) -> None:
        """Stand between a client and its server."""
        self._links.append(link)
        if self._is_cut:
            link.cut()

    def cut(self) -> None:
        """Cut all connections, and let no new one live."""
        self._is_cut = True
        for link in self._links:
            link.cut()

    def black_hole(self) -> None:
        """Let nothing pass any more."""
        for link in self._links:
            link.go_silent()

    def hold_answers(self) -> None:
        """Let requests pass and hold back what the servers say."""
        for link in self._links:
            link.go_silent(requests=False)

    def heal(self) -> None:
        """Let everything pass, first what was held back."""
        self._is_cut = False
        _ENSEMBLE.slowness = 1
        for link in self._links:
            link.heal()

    def slow(self, seconds: float) -> None:
        """Delay what passes from now on."""
        _ENSEMBLE.slowness = round(seconds / _USUAL_LATENCY_SECONDS)


_NETWORKS: Final[dict[str, SimulatedNetwork]] = {}


@asynccontextmanager
async def simulated_network() -> AsyncIterator[SimulatedNetwork]:
    """Stand before the ensemble for as long as the block lasts."""
    network = SimulatedNetwork()
    _NETWORKS[network.address] = network
    try:
        yield network
    finally:
        network.heal()
        del _NETWORKS[network.address]


@asynccontextmanager
async def connect_simulated(hosts: Iterable[str], *, session_timeout: Duration) -> AsyncIterator[SimRegistry]:
    """Open a session with the ensemble, as the adapter's `connect` does with real servers."""
    (address,) = set(hosts)
    registry = SimRegistry(_ENSEMBLE, session_timeout=session_timeout)
    if address in _NETWORKS:
        _NETWORKS[address].carry(registry.link)
    try:
        yield registry
    finally:
        with trio.CancelScope(shield=True):
            await registry.aclose()


class SimulatedServers:
    """The ensemble as the contract suite handles servers: one member."""

    def __init__(self) -> None:
        self.members = (self,)
        self.address = SIMULATED

    @property
    def hosts(self) -> tuple[str, ...]:
        """Give the address."""
        return (self.address,)

    async def start(self) -> None:
        """Serve."""
        _ENSEMBLE.start()

    def kill(self) -> None:
        """Break every connection and be away."""
        _ENSEMBLE.stop()

    def freeze(self) -> None:
        """Stand still."""
        _ENSEMBLE.freeze()

    def thaw(self) -> None:
        """Go on."""
        _ENSEMBLE.thaw()

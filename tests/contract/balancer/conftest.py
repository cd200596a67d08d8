"""The load balancers that the contract is tested over. A provider joins by one more parameter; tests know none."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from hfs_appliance.model.balancer import BalancerState
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.errors import Conflict, Missing
from sim.balancer import Octavia, SimBalancer
from sim.streams import Streams
from sim.wire.openstack.whole import openstack
from tests.support.openstacks import REAL, REAL_MARKS, REAL_SETTINGS, octavia, serving
from tests.support.simulated import CLOCK as SIMULATED_CLOCK
from tests.support.simulated import in_virtual_time

ENVIRONMENT = EnvironmentName("contract")

Door: TypeAlias = Callable[[], LoadBalancer]
"""Opens one more client, as another process or a restarted one would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where no load balancer of ours is."""

    door: Door
    stick: Callable[[], None]
    """Let no change end …"""
    go_on: Callable[[], None]
    """… until this: where a change takes a second by itself, both may do nothing."""


@asynccontextmanager
async def _simulated(_state: Path) -> AsyncIterator[Site]:
    world = Octavia(SIMULATED_CLOCK, Streams(1).named("balancer"), lambda _: True)
    yield Site(door=lambda: SimBalancer(world), stick=world.stick, go_on=world.go_on)


@asynccontextmanager
async def _octavia(directory: Path) -> AsyncIterator[Site]:
    fake = openstack()
    async with serving(fake, directory) as clouds_file:
        yield Site(
            door=lambda: octavia(clouds_file, ENVIRONMENT), stick=fake.balancers.stick, go_on=fake.balancers.go_on
        )


@asynccontextmanager
async def _real(_directory: Path) -> AsyncIterator[Site]:
    clouds_file = Path(os.environ[REAL])
    # What carries changes out; while it is stopped, Octavia accepts them and they stay pending.
    worker = int((clouds_file.parent / "run" / "octavia-worker.pid").read_text())  # nobody waits

    def door() -> LoadBalancer:
        return octavia(clouds_file, ENVIRONMENT, cloud=REAL_SETTINGS)

    try:
        yield Site(
            door=door,
            stick=partial(os.killpg, worker, signal.SIGSTOP),
            go_on=partial(os.killpg, worker, signal.SIGCONT),
        )
    finally:
        with trio.CancelScope(shield=True):
            await _remove(door())


async def _remove(balancer: LoadBalancer) -> None:
    while (await balancer.look()).state is not BalancerState.ABSENT:
        with suppress(Conflict, Missing):
            await balancer.delete()
        await trio.sleep(0.2)


@pytest.fixture(
    params=[
        *([pytest.param(_real, id="real", marks=REAL_MARKS)] if REAL in os.environ else []),
        pytest.param(_octavia, id="octavia"),
        pytest.param(_simulated, id="simulated", marks=pytest.mark.trio(run=in_virtual_time)),
    ]
)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """Give the way to where no load balancer of ours is."""
    provider: Callable[[Path], AbstractAsyncContextManager[Site]] = request.param
    async with provider(tmp_path) as opened:
        yield opened


@pytest.fixture
def door(site: Site) -> Door:
    """Give what opens clients."""
    return site.door


@pytest.fixture
def still(site: Site) -> Callable[[], AbstractContextManager[None]]:
    """Give a block in which no change ends."""

    @contextmanager
    def stuck() -> Iterator[None]:
        site.stick()
        try:
            yield
        finally:
            site.go_on()

    return stuck


@pytest.fixture
def balancer(door: Door) -> LoadBalancer:
    """Give a client."""
    return door()

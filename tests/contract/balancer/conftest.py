"""The load balancers that the contract is tested over. A provider joins by one more parameter; tests know none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from hfs_appliance.ports.balancer import LoadBalancer
from sim.balancer import Octavia, SimBalancer
from sim.streams import Streams
from tests.support.simulated import CLOCK as SIMULATED_CLOCK
from tests.support.simulated import in_virtual_time

Door: TypeAlias = Callable[[], LoadBalancer]
"""Opens one more client, as another process or a restarted one would."""


@asynccontextmanager
async def _simulated() -> AsyncIterator[Door]:
    octavia = Octavia(SIMULATED_CLOCK, Streams(1).named("balancer"), lambda _: True)
    yield lambda: SimBalancer(octavia)


@pytest.fixture(params=[pytest.param(_simulated, id="simulated", marks=pytest.mark.trio(run=in_virtual_time))])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """Give the way to where no load balancer of ours is."""
    provider: Callable[[], AbstractAsyncContextManager[Door]] = request.param
    async with provider() as opened:
        yield opened


@pytest.fixture
def balancer(door: Door) -> LoadBalancer:
    """Give a client."""
    return door()

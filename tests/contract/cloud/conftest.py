"""The clouds that the contract is tested over. A provider joins by one more parameter; tests know none of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.model import desired
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import seconds
from hfs_appliance.ports.cloud import Cloud
from sim.cloud import SimCloud
from sim.datacentre import Datacentre
from sim.streams import Streams
from sim.wire.openstack.whole import openstack
from tests.support import guests
from tests.support.clouds import IDLE_AGENT, delete_all, kill_all
from tests.support.guests import GUESTS
from tests.support.openstacks import REAL, REAL_MARKS, REAL_SETTINGS, client, serving
from tests.support.simulated import CLOCK as SIMULATED_CLOCK
from tests.support.simulated import in_virtual_time

ENVIRONMENT = EnvironmentName("contract")

Door: TypeAlias = Callable[[], Cloud]
"""Opens one more client of the same cloud, as another process or a restarted one would."""


@asynccontextmanager
async def _local(state: Path) -> AsyncIterator[Door]:
    settings = desired.LocalCloud(boot=seconds(0.3))

    def door() -> Cloud:
        return LocalCloud(ENVIRONMENT, state, settings, SystemClock(), IDLE_AGENT)

    try:
        yield door
    finally:
        await kill_all(door())


@asynccontextmanager
async def _guests(state: Path) -> AsyncIterator[Door]:
    image = Path(os.environ[GUESTS])
    settings = guests.settings(image, image.parent / "saved-for-tests")

    def door() -> Cloud:
        return LocalCloud(ENVIRONMENT, state, settings, SystemClock(), (str(guests.IDLE),))

    try:
        yield door
    finally:
        await kill_all(door())


@asynccontextmanager
async def _simulated(_state: Path) -> AsyncIterator[Door]:
    datacentre = Datacentre(SIMULATED_CLOCK, Streams(1).named("cloud"), birth=lambda _: None)
    yield lambda: SimCloud(datacentre, ENVIRONMENT)


@asynccontextmanager
async def _openstack(directory: Path) -> AsyncIterator[Door]:
    async with serving(openstack(), directory) as clouds_file:
        yield lambda: client(clouds_file, ENVIRONMENT)


@asynccontextmanager
async def _real(_directory: Path) -> AsyncIterator[Door]:
    clouds_file = Path(os.environ[REAL])
    try:
        yield lambda: client(clouds_file, ENVIRONMENT, REAL_SETTINGS)
    finally:
        with trio.CancelScope(shield=True):
            await delete_all(client(clouds_file, ENVIRONMENT, REAL_SETTINGS))


@pytest.fixture(
    params=[
        *([pytest.param(_real, id="real", marks=REAL_MARKS)] if REAL in os.environ else []),
        *([pytest.param(_guests, id="qemu", marks=pytest.mark.qemu)] if GUESTS in os.environ else []),
        pytest.param(_openstack, id="openstack"),
        pytest.param(_local, id="local"),
        pytest.param(_simulated, id="simulated", marks=pytest.mark.trio(run=in_virtual_time)),
    ]
)
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    """Give the way into an empty cloud."""
    provider: Callable[[Path], AbstractAsyncContextManager[Door]] = request.param
    async with provider(tmp_path) as opened:
        yield opened


@pytest.fixture
def cloud(door: Door) -> Cloud:
    """Give a client of an empty cloud."""
    return door()

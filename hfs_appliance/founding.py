"""Composition of what stands outside of a running appliance: the way into the cloud, foundations, and their end."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.nginx.proxy import NginxProxy
from hfs_appliance.adapters.openstack.balancer import OctaviaBalancer
from hfs_appliance.adapters.openstack.cloud import OpenStackCloud
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.ground import OpenStackGround
from hfs_appliance.adapters.openstack.pieces import full_name, resolved
from hfs_appliance.adapters.openstack.session import Session
from hfs_appliance.adapters.openstack.userdata import Download
from hfs_appliance.adapters.shelf import Shelf
from hfs_appliance.adapters.zookeeper import connect
from hfs_appliance.model.desired import BalancerSettings, CloudProvider, DesiredState
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Conflict, Missing, Transient
from hfs_appliance.ports.registry import Registry, SessionState
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.founding import Estate, Founding, Holdings, forget
from hfs_appliance.telemetry.bus import EventBus, Fold

NGINX: Final = "nginx"
"""Where the proxy of this host lies in the state directory."""
REACHED_WITHIN: Final = seconds(15)
LEFT_WITHIN: Final = seconds(60)
"""Sessions of servers that are gone end by themselves, and their entries with them."""


class NoCloud(Exception):
    """The environment lives in no cloud in which anything had to be made."""


class Alive(Exception):
    """An appliance still runs the environment that is to be destroyed; the words name it."""


def estate(desired: DesiredState, clock: Clock, download: Download | None = None, shelf: Shelf | None = None) -> Estate:
    """Open one way into the cloud, with all that an environment may have there. Errors: NoCloud."""
    if desired.cloud.provider is not CloudProvider.OPENSTACK:
        raise NoCloud(f'provider "{desired.cloud.provider.value}" has no project to build in or to clear')
    environment, foundation = desired.environment, desired.cloud.openstack.foundation
    settings = resolved(environment, desired.cloud.openstack)
    door = Door(
        Session(settings.cloud, settings.clouds_file), clock, within=settings.call_within, writes=settings.writes
    )
    balancer = desired.balancer or BalancerSettings()
    if balancer.network in foundation.network:
        balancer = replace(balancer, network=full_name(environment, balancer.network))
    return Estate(
        cloud=OpenStackCloud(environment, settings, door, clock, download=download, shelf=shelf),
        balancer=OctaviaBalancer(environment, balancer, settings.networks, door, clock),
        ground=OpenStackGround(environment, foundation, door, clock),
    )


async def lay(desired: DesiredState, tell: Fold) -> None:
    """Make what is missing of the foundation. Errors: NoCloud, Rejected."""
    clock = SystemClock()
    await _founding(clock, tell).lay(estate(desired, clock).ground)


async def look(desired: DesiredState, tell: Fold) -> Holdings:
    """Look at all that the environment has in its cloud. Errors: NoCloud, Rejected."""
    clock = SystemClock()
    return await _founding(clock, tell).look(estate(desired, clock))


async def clear(desired: DesiredState, state: Path, tell: Fold) -> None:
    """Remove all that the environment has in its cloud, on this host, and in its registry.

    Errors: NoCloud, Rejected, Alive, Transient.
    """
    clock = SystemClock()
    async with _registry(desired, clock) as registry:
        layout = Layout(desired.environment)
        if living := await _living(registry, layout):
            raise Alive(", ".join(living))
        await _founding(clock, tell).clear(estate(desired, clock))
        await NginxProxy(state / NGINX).stop()
        # Its last good table would keep servers in traffic that a next environment of the name never had.
        await trio.to_thread.run_sync(partial(shutil.rmtree, state / NGINX, ignore_errors=True))
        with trio.move_on_after(to_seconds(LEFT_WITHIN)):
            while not await _is_forgotten(registry, layout):  # noqa: ASYNC110  # sessions end, and tell nobody
                await trio.sleep(0.5)
            return
        raise Transient(f"the registry still has entries below {layout.root}: somebody goes on writing there")


def _founding(clock: Clock, tell: Fold) -> Founding:
    bus = EventBus(clock)
    bus.subscribe("console", tell)
    return Founding(clock=clock, sink=bus)


@asynccontextmanager
async def _registry(desired: DesiredState, clock: Clock) -> AsyncIterator[Registry]:
    """Open a session. Errors: Transient, when nobody answers."""
    settings = desired.registry
    async with connect(settings.hosts, session_timeout=settings.session_timeout, clock=clock) as registry:
        with trio.move_on_after(to_seconds(REACHED_WITHIN)) as waiting:
            while (session := registry.session()).state is not SessionState.CONNECTED:
                await registry.wait_session_change(session)
        if waiting.cancelled_caught:
            raise Transient(f"no connection to the registry ({', '.join(settings.hosts)})")
        yield registry


async def _living(registry: Registry, layout: Layout) -> tuple[str, ...]:
    """Name the sessions of appliances that run or stand by."""
    try:
        return await registry.children(layout.candidates)
    except Missing:
        return ()


async def _is_forgotten(registry: Registry, layout: Layout) -> bool:
    try:
        await forget(registry, layout.root)
    except Conflict:
        return False  # something has come in meanwhile
    return True

"""Appliances that stand for election, for tests: the office alone, without the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import Duration
from hfs_appliance.model.leadership import Candidate, Mode
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.registry import Registry
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.leadership import Leadership
from tests.support.parts import Sink

LAYOUT = Layout(EnvironmentName("office"))


class Office:
    """One appliance's part in the election of an environment; its duties only note what is asked of them."""

    def __init__(self, name: str, registry: Registry, timeout: Duration, clock: Clock, layout: Layout = LAYOUT) -> None:
        self.registry = registry
        self.sink = Sink()
        self.barrier = trio.Event()
        self.barrier.set()
        self.idle = trio.Event()
        self.idle.set()
        self.laid_down = self.followed = 0
        us = Candidate(appliance=name, name=name, address=f"http://{name}")
        self.leadership = Leadership(registry, layout, us, timeout, self, clock=clock, sink=self.sink, dirty=())

    async def take_up(self) -> None:
        await self.barrier.wait()

    def lay_down(self) -> None:
        self.laid_down += 1

    def follow(self) -> None:
        self.followed += 1

    async def wait_idle(self) -> None:
        await self.idle.wait()

    @property
    def is_acting(self) -> bool:
        return self.leadership.acting is not None

    async def until(self, condition: Callable[[Leadership], bool]) -> None:
        """Wait for something that is told."""
        while not condition(self.leadership):
            await self.leadership.wait_change()

    async def active(self) -> None:
        """Wait until this one may act."""
        await self.until(lambda leadership: leadership.mode is Mode.ACTIVE)

    async def follows(self, name: str) -> None:
        """Wait until this one knows that another one leads."""
        await self.until(lambda leadership: leadership.leader.name == name and leadership.mode is Mode.STANDBY)

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Stand for election for as long as the block lasts."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.leadership.run)
            yield
            nursery.cancel_scope.cancel()

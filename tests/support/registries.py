"""Sessions for tests, and waiting for what a session or a watch shall show. Deadlines are the tests'."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from hfs_appliance.adapters import zookeeper
from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.model.instants import Duration, Instant, seconds
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.registry import EVERYTHING, Registry, Session, SessionState, Watch, Znode
from sim.clock import WorldClock
from tests.support.simulated import SIMULATED, connect_simulated

_MACHINE = SystemClock()


class ClockOfTheRun:
    """The clock that trio itself runs on: the machine's, or that of a simulated world, which has no threads."""

    def now(self) -> Instant:
        """Give the present instant."""
        try:
            clock = trio.lowlevel.current_clock()
        except RuntimeError:
            return _MACHINE.now()
        return clock.now() if isinstance(clock, WorldClock) else _MACHINE.now()


CLOCK = ClockOfTheRun()
LONG = seconds(4)
"""A session timeout that no cut of these tests outlasts by accident."""
SHORT = seconds(1)
"""A session timeout that tests wait for."""


def connect(hosts: Sequence[str], *, session_timeout: Duration) -> AbstractAsyncContextManager[Registry]:
    """Open a session with real servers, or with the simulated ones when their address is given."""
    if hosts[0].startswith(SIMULATED):
        return connect_simulated(hosts, session_timeout=session_timeout)
    return zookeeper.connect(hosts, session_timeout=session_timeout, clock=_MACHINE)


@asynccontextmanager
async def connected(*hosts: str, session_timeout: Duration = LONG) -> AsyncIterator[Registry]:
    """Open a session and wait for its connection."""
    async with connect(hosts, session_timeout=session_timeout) as registry:
        await wait_state(registry, SessionState.CONNECTED)
        yield registry


async def wait_session(registry: Registry, is_it: Callable[[Session], bool]) -> Session:
    """Wait until the session is as wanted."""
    session = registry.session()
    while not is_it(session):
        session = await registry.wait_session_change(session)
    return session


async def wait_state(registry: Registry, state: SessionState) -> Session:
    """Wait until the session is in `state`."""
    return await wait_session(registry, lambda session: session.state is state)


async def wait_reconnected(registry: Registry, before: Session) -> Session:
    """Wait until a connection follows the one that was there `before`; how it stood in between may pass unseen."""
    return await wait_session(
        registry, lambda session: session.state is SessionState.CONNECTED and session.since > before.since
    )


async def watch_from_now(registry: Registry, root: str) -> Watch:
    """Watch, and take the first mark away."""
    watch = registry.watch(root)
    assert await watch.wait_dirty() == {EVERYTHING}
    return watch


async def wait_marks(watch: Watch, *paths: str) -> frozenset[str]:
    """Wait until all `paths` were marked, and give all marks until then."""
    marks: frozenset[str] = frozenset()
    while not marks.issuperset(paths):
        marks |= await watch.wait_dirty()
    return marks


async def wait_gone(registry: Registry, path: str) -> None:
    """Wait until an entry is not there."""
    watch = registry.watch(path)
    while await find(registry, path) is not None:
        await watch.wait_dirty()
    watch.close()


async def find(registry: Registry, path: str) -> Znode | None:
    """Read an entry that may be absent."""
    try:
        return await registry.get(path)
    except Missing:
        return None

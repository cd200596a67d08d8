"""Founding: brings the foundation of an environment about, and takes away all that an environment has in a cloud.

Both look at what is there, ask for all that can be done at once, and look again: they go on from wherever somebody
before them was killed, and whatever a call has really done. They end when there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from hfs_appliance.model.balancer import BalancerState, BalancerView
from hfs_appliance.model.foundation import FoundationChanged, FoundationRefused
from hfs_appliance.model.instants import Duration, Instant, after, seconds, to_seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Cloud
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Missing, PortError, Rejected, Unsupported
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.foundation import Ground, GroundStep
from hfs_appliance.ports.registry import Registry

FIRST_PAUSE: Final = seconds(0.2)
LONGEST_PAUSE: Final = seconds(3)
LATE_WITHIN: Final = seconds(15)
"""A creation whose answer was lost may still happen for so long: only then is a look believed that does not show it."""
AGAIN_AFTER: Final = seconds(5)
"""What the cloud has accepted is asked for again only after so long: it takes its time."""
AT_ONCE: Final = 16
"""The cloud's client sends fewer while the cloud is slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """All that an environment may have in a cloud."""

    cloud: Cloud
    balancer: LoadBalancer
    ground: Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What of it is there, in words; `pieces` of the foundation."""

    servers: tuple[str, ...]
    balancer: tuple[str, ...]
    pieces: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Give everything, what others stand on last."""
        return (*self.servers, *self.balancer, *self.pieces)


class Founding:
    """Lays foundations and clears them away; `sink` is told of each step and each reason why one failed."""

    def __init__(self, *, clock: Clock, sink: EventSink) -> None:
        self._clock: Final = clock
        self._sink: Final = sink
        self._refused: Final[set[str]] = set()
        self._asked: Final[dict[str, Instant]] = {}
        """What was asked for last when, by its words."""
        self._late_until = Instant(0)
        self._pause = FIRST_PAUSE

    async def lay(self, ground: Ground) -> None:
        """Make all that is missing; returns when a look has shown that it is there. Errors: Rejected."""
        await self._repeat(partial(self._make, ground))

    async def clear(self, estate: Estate) -> None:
        """Remove everything; returns when looks have shown that nothing is there. Errors: Rejected."""
        await self._repeat(partial(self._remove, estate))

    async def look(self, estate: Estate) -> Holdings:
        """Look at all that the environment has in the cloud, until that succeeds. Errors: Rejected."""
        seen: list[Holdings] = []

        async def turn() -> bool:
            seen.append(await _holdings(estate))
            return True

        await self._repeat(turn)
        return seen[-1]

    async def _repeat(self, turn: Callable[[], Awaitable[bool]]) -> None:
        """Take turns until one finds nothing left to do, and nothing that was asked for can still happen unseen."""
        while True:
            try:
                is_done = await turn()
            except Rejected:
                raise
            except PortError as error:
                is_done = False
                self._pause = Duration(min(LONGEST_PAUSE, 2 * self._pause))
                self._note(error)
            late = Duration(max(0, self._late_until - self._clock.now()))
            if is_done and not late:
                return
            await trio.sleep(to_seconds(late if is_done else self._pause))

    async def _make(self, ground: Ground) -> bool:
        view = await ground.look()
        for words in view.differences:
            self._tell_refusal(words)
        await self._take(view.to_make, "make")
        return not view.to_make

    async def _remove(self, estate: Estate) -> bool:
        """Ask for the end of all that nothing stands on any more."""
        listed = await estate.cloud.servers()
        balancer = await _balancer(estate)
        going = (name for name, server in listed.servers.items() if server.status is not CloudStatus.DELETING)
        steps = [GroundStep(words=f"server {name}", take=partial(estate.cloud.delete, name)) for name in sorted(going)]
        if balancer.state in (BalancerState.ACTIVE, BalancerState.ERROR):
            steps.append(GroundStep(words=f"load balancer {balancer.name}", take=estate.balancer.delete))
        if listed.servers or not listed.is_complete or balancer.state is not BalancerState.ABSENT:
            await self._take(steps, "remove")
            return False
        ground = await estate.ground.look()
        await self._take(ground.to_remove, "remove")
        return not ground.pieces

    async def _take(self, steps: Iterable[GroundStep], verb: str) -> None:
        """Ask for all of it at once, but for what was asked for a moment ago. Errors: Rejected."""
        now = self._clock.now()
        due = [step for step in steps if now >= self._asked.get(step.words, Instant(0))]
        errors: list[PortError] = []
        limit = trio.CapacityLimiter(AT_ONCE)

        async def take(step: GroundStep) -> None:
            async with limit:
                try:
                    await step.take()
                except Missing:
                    pass  # gone already: the next look shows it
                except PortError as error:
                    errors.append(error)
                else:
                    self._asked[step.words] = after(self._clock.now(), AGAIN_AFTER)
                    self._sink.emit("founding", FoundationChanged(words=f"{verb} {step.words}"))

        async with trio.open_nursery() as nursery:
            for step in due:
                nursery.start_soon(take, step)
        self._pause = FIRST_PAUSE if due and not errors else Duration(min(LONGEST_PAUSE, 2 * self._pause))
        for error in errors:
            self._note(error)
        for error in errors:
            if isinstance(error, Rejected):
                raise error

    def _note(self, error: PortError) -> None:
        """Take an error into account; what is only in the way of something else is no news."""
        if isinstance(error, Ambiguous):
            self._late_until = after(self._clock.now(), LATE_WITHIN)
        if isinstance(error, Exhausted) and error.until is not None:
            self._pause = max(self._pause, Duration(error.until - self._clock.now()))
        if not isinstance(error, Conflict):
            self._tell_refusal(error.words)

    def _tell_refusal(self, words: str) -> None:
        if words not in self._refused:
            self._refused.add(words)
            self._sink.emit("founding", FoundationRefused(words=words))


async def _balancer(estate: Estate) -> BalancerView:
    """Look at the load balancer; a cloud without load balancers has none."""
    try:
        return await estate.balancer.look()
    except Unsupported:
        return BalancerView(state=BalancerState.ABSENT)


async def _holdings(estate: Estate) -> Holdings:
    """Look at all that an environment has in the cloud. Errors: PortError."""
    listed, view, ground = await estate.cloud.servers(), await _balancer(estate), await estate.ground.look()
    return Holdings(
        servers=tuple(f"server {name}" for name in sorted(listed.servers)),
        balancer=() if view.state is BalancerState.ABSENT else (f"load balancer {view.name}",),
        pieces=ground.pieces,
    )


async def forget(registry: Registry, path: str) -> None:
    """Delete an entry of the registry with all below it. Errors: PortError.

    What comes in meanwhile is left to the next try: agents may still be leaving.
    """
    try:
        for child in await registry.children(path):
            await forget(registry, f"{path}/{child}")
        await registry.delete(path)
    except Missing:
        return

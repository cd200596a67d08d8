"""The executor: carries out a plan's actions, one at a time per server (its lane), each under a deadline.

It never retries and never decides: what fails is told (event, Failure) and the next plan takes it from there. What each
action does is in acts.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

import trio

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.events import ActionDone, ActionFailed, ActionStarted
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import MILLISECOND, Instant, format_duration, seconds, to_seconds
from hfs_appliance.model.ledger import Failure
from hfs_appliance.model.maps import Map
from hfs_appliance.model.plan import Action, Claim, ConfirmBuilt, Create, Delete, Forget
from hfs_appliance.ports.errors import Exhausted, PortError
from hfs_appliance.ports.mischief import STRIKE_WAITS_S, Site
from hfs_appliance.registry.formats import FormatError
from hfs_appliance.runtime.acts import Acts, CloudFailed, Parts
from hfs_appliance.runtime.dirty import Dirty

WAITS_AT_MOST: Final = seconds(10)
"""What has waited longer for others to end, as where a cloud is slow, was decided by what is true no more: an instance
that was given up may be back, and its slot given away. It is left to the next plan."""


class Executor:
    """Lanes of actions."""

    def __init__(self, parts: Parts, registry_hosts: tuple[str, ...], dirty: Dirty) -> None:
        self._parts = parts
        self._acts = Acts(parts, registry_hosts)
        self._dirty = dirty
        self._in_flight: Map[ServerId, Action] = Map()
        self._answered: Map[ServerId, Instant] = Map()
        self._failures: list[Failure] = []
        self._limiter = trio.CapacityLimiter(parts.tunables.actions_at_once)
        self._cloud_limiter = trio.CapacityLimiter(parts.tunables.actions_at_once)
        """Of its own: creations on a slow cloud, which may take a minute each, must not hold up a claim or a drain."""
        self._work = trio.CancelScope()
        self._idle = Dirty()
        self._queue: trio.MemorySendChannel[tuple[Action, DesiredState, int | None]]
        self._inbox: trio.MemoryReceiveChannel[tuple[Action, DesiredState, int | None]]
        self._queue, self._inbox = trio.open_memory_channel(100_000)

    @property
    def in_flight(self) -> Map[ServerId, Action]:
        """Actions that have been accepted and are not finished."""
        return self._in_flight

    @property
    def answered(self) -> Map[ServerId, Instant]:
        """When an attempt to make or delete a server ended last; of servers that are not forgotten yet."""
        return self._answered

    def take_failures(self) -> tuple[Failure, ...]:
        """Give what failed since the last call."""
        failures, self._failures = tuple(self._failures), []
        return failures

    def submit(self, actions: Iterable[Action], desired: DesiredState, causes: Mapping[ServerId, int]) -> None:
        """Accept the actions of a plan; a server whose lane is taken must not be among them."""
        accepted = {action.server: action for action in actions}
        assert not [server for server in accepted if server in self._in_flight], "one action a lane"
        self._in_flight = self._in_flight.updated(accepted)
        for action in accepted.values():
            self._queue.send_nowait((action, desired, causes.get(action.server)))

    def abandon(self) -> None:
        """Drop what was accepted and what is under way, now: none of it outlives the term in which it was decided.

        An abandoned action is one that was cut short by a crash: its record says what it was about.
        """
        self._in_flight = Map()
        with suppress(trio.WouldBlock):
            while True:
                self._inbox.receive_nowait()
        self._work.cancel(reason="abandoned")
        self._idle.mark()

    async def wait_idle(self) -> None:
        """Wait until nothing is accepted or under way."""
        while self._in_flight:
            await self._idle.wait()

    async def run(self) -> None:
        """Carry out what is submitted, until cancelled."""
        # After a restart by the supervisor nothing is under way any more: the next plan decides anew.
        self.abandon()
        while True:
            with trio.CancelScope() as self._work:
                async with trio.open_nursery() as nursery:
                    async for action, desired, cause in self._inbox:
                        nursery.start_soon(self._carry_out, action, desired, cause)

    async def _carry_out(self, action: Action, desired: DesiredState, cause: int | None) -> None:
        parts = self._parts
        accepted_at = parts.clock.now()
        async with self._cloud_limiter if isinstance(action, Create | Delete) else self._limiter:
            if parts.clock.now() - accepted_at > WAITS_AT_MOST:
                self._free(action)
                return
            claim = action if isinstance(action, Claim) else None
            started = parts.sink.emit(
                "execute",
                ActionStarted(
                    action=action.verb,
                    server=action.server,
                    cause=action.reason.cause.value,
                    words=action.reason.words,
                    service=claim.service if claim is not None else None,
                    version=claim.version if claim is not None else None,
                ),
                cause=cause,
            )
            begun = parts.clock.now()
            try:
                with trio.fail_after(to_seconds(parts.tunables.action_within)):
                    if parts.mischief.strikes(Site.ACTION_WAITS):
                        await trio.sleep(STRIKE_WAITS_S)
                    touched = await self._acts.do(action, desired)
                    if not parts.mischief.strikes(Site.VIEW_KEPT):
                        await parts.view.refresh(touched)
            except (PortError, CloudFailed, FormatError, trio.TooSlowError) as error:
                self._note_failure(action, error, begun, started)
                await trio.sleep(to_seconds(parts.tunables.pause_after_failure))
            else:
                elapsed_ms = (parts.clock.now() - begun) // MILLISECOND
                parts.sink.emit(
                    "execute",
                    ActionDone(action=action.verb, server=action.server, elapsed_ms=elapsed_ms),
                    cause=started,
                )
            finally:
                self._note_end(action)
                self._free(action)

    def _free(self, action: Action) -> None:
        """Let the next plan decide about the server."""
        if self._in_flight.get(action.server) is action:
            self._in_flight = self._in_flight.updated({action.server: None})
        self._idle.mark()
        self._dirty.mark()

    def _note_end(self, action: Action) -> None:
        if isinstance(action, Create | Delete):
            self._answered = self._answered.updated({action.server: self._parts.clock.now()})
        elif isinstance(action, ConfirmBuilt | Forget):  # it is there, or nobody will ask for it again
            self._answered = self._answered.updated({action.server: None})

    def _note_failure(self, action: Action, error: Exception, begun: Instant, started: int) -> None:
        inner = error.error if isinstance(error, CloudFailed) else error
        words = str(inner) or f"no answer within {format_duration(self._parts.tunables.action_within)}"
        if isinstance(action, Create) and isinstance(error, CloudFailed):
            self._failures.append(
                Failure(
                    server=action.server,
                    pool=action.pool,
                    az=action.az,
                    words=words,
                    begun_at=begun,
                    until=inner.until if isinstance(inner, Exhausted) else None,
                    is_exhausted=isinstance(inner, Exhausted),
                )
            )
        event = ActionFailed(action=action.verb, server=action.server, error=type(inner).__name__, words=words)
        self._parts.sink.emit("execute", event, cause=started)

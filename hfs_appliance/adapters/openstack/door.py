"""The door: the one way of all calls to the cloud's API, for servers and load balancers alike.

Calls block, so they run in threads: a bounded number for each service, reads and writes apart (OS15). A call is sent
once (OS2, OS3), within the time that its caller still waits (OS1); a mutation asks for its permit when nothing but the
sending is left, and is not sent for a caller who has gone. What went wrong comes out as a port error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import trio

from hfs_appliance.adapters.openstack import failures
from hfs_appliance.adapters.openstack.calls import Answer, Api, Call, Lost, NoService, NotSent, Refused
from hfs_appliance.adapters.openstack.pace import Pace
from hfs_appliance.adapters.openstack.session import Session
from hfs_appliance.model.instants import Duration, Instant, format_instant, to_seconds
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Permit, unconditional
from hfs_appliance.ports.errors import Ambiguous, Exhausted, Rejected, Transient, Unsupported

T = TypeVar("T")

READS: Final = 4
"""Reads of one service under way at once: lists are few and large."""

_OVERLOADED: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.BAD_GATEWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a call was answered with."""

    body: Mapping[str, Any]
    at: Instant | None
    """The cloud's own time of it."""


class _Lane:
    """Calls of one kind: how many, and how fast."""

    def __init__(self, most: int) -> None:
        self.pace: Final = Pace(most)
        self.workers: Final = trio.CapacityLimiter(self.pace.limit)


class _Gate:
    """How far a call has come, and whether it may go on."""

    def __init__(self, permit: Permit) -> None:
        self._permit: Final = permit
        self._is_closed = False
        self.has_begun = False
        """Whether a thread is at it."""
        self.has_left = False
        """Whether it may have been sent."""

    @property
    def is_logging_in(self) -> bool:
        """Tell whether a thread is at it and has not come to the sending."""
        return self.has_begun and not self.has_left

    def close(self) -> None:
        """Let it not be sent, unless it has been."""
        self._is_closed = True

    def pass_through(self) -> None:
        """Be asked at the last instant, in the thread. Errors: NotSent; what the permit raises."""
        self.has_left = True  # first: whoever closes the gate and does not see this is sure of it
        if self._is_closed:
            raise NotSent("whoever has asked for it does not wait any more")
        self._permit()


class Door:
    """Sends calls of one account."""

    def __init__(self, session: Session, clock: Clock, *, within: Duration, writes: int) -> None:
        self._session: Final = session
        self._clock: Final = clock
        self._within: Final = within
        self._writes: Final = writes
        self._lanes: Final[dict[tuple[Api, bool], _Lane]] = {}

    async def project(self) -> str:
        """Give the id of our project. Errors: Transient, Rejected."""
        lane, gate = self._lane(Api.COMPUTE, is_write=False), _Gate(unconditional)

        def look_up(_within_s: float) -> str:
            project = self._session.project()
            gate.pass_through()
            return project

        return await self._run("keystone", look_up, lane, gate, is_mutation=False)

    async def ask(self, call: Call) -> Told:
        """Send a call that changes nothing. Errors: Transient, Exhausted, Rejected, Missing, Conflict."""
        return await self._pass(call, _Gate(unconditional), is_mutation=False)

    async def change(self, call: Call, *, permit: Permit) -> Told:
        """Send a mutation, once. Errors: those of `ask`, Ambiguous, and what the permit raises."""
        return await self._pass(call, _Gate(permit), is_mutation=True)

    async def _pass(self, call: Call, gate: _Gate, *, is_mutation: bool) -> Told:
        lane = self._lane(call.api, is_write=is_mutation)
        until = lane.pace.held_until
        if lane.pace.is_held(self._clock.now()) and until is not None:
            raise Exhausted(f"{call.words}: held back until {format_instant(until)}, as the cloud has asked", until)

        def send(within_s: float) -> Answer:
            return self._session.send(call, within_s, gate.pass_through)

        answer = await self._run(call.words, send, lane, gate, is_mutation=is_mutation)
        return self._read(call, answer, lane, is_mutation=is_mutation)

    async def _run(self, words: str, work: Callable[[float], T], lane: _Lane, gate: _Gate, *, is_mutation: bool) -> T:
        """Have a thread do what blocks, within the time that there is; say in port errors what went wrong."""
        unknown = Ambiguous if is_mutation else Transient
        with trio.move_on_after(to_seconds(self._within)):
            try:
                return await self._in_thread(work, lane, gate)
            except Lost as error:
                self._note_overload(lane)
                raise unknown(str(error)) from error
            except NotSent as error:
                raise Transient(str(error)) from error
            except Refused as error:
                raise Rejected(str(error)) from error
            except NoService as error:
                raise Unsupported(str(error)) from error
        if not gate.has_begun:
            waited = f"{words}: it waited for others for {to_seconds(self._within):g} s, and was not sent"
            # Too much was asked for at once: nobody is to blame, as for a quota.
            raise Exhausted(waited) if is_mutation else Transient(waited)
        self._note_overload(lane)
        raise (unknown if gate.has_left else Transient)(f"{words}: no answer within {to_seconds(self._within):g} s")

    async def _in_thread(self, work: Callable[[float], T], lane: _Lane, gate: _Gate) -> T:
        left_s = max(0.1, trio.current_effective_deadline() - trio.current_time())

        def begin() -> T:
            gate.has_begun = True
            return work(left_s)

        try:
            # A thread whose caller has gone keeps its place until its socket gives up: so stuck calls stay few.
            return await trio.to_thread.run_sync(begin, abandon_on_cancel=True, limiter=lane.workers)
        except trio.Cancelled:
            if gate.is_logging_in:
                # keystoneauth logs in under a lock, and a 401 at the wrong place makes it wait for itself.
                self._session.reopen()
            raise
        finally:
            gate.close()

    def _read(self, call: Call, answer: Answer, lane: _Lane, *, is_mutation: bool) -> Told:
        now = self._clock.now()
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                until = lane.pace.refused(now, failures.retry_after(answer.headers))
                self._turn(lane)
                raise Exhausted(f"{call.words}: 429, too many requests", until)
            if answer.status in _OVERLOADED:
                self._note_overload(lane)
            raise failures.refusal(
                call.words, answer.status, answer.headers, answer.content, is_mutation=is_mutation, now=now
            )
        lane.pace.succeeded()
        self._turn(lane)
        try:
            body = json.loads(answer.content) if answer.content else {}
        except ValueError as error:
            raise failures.garbled(call.words, is_mutation=is_mutation) from error
        if not isinstance(body, dict):
            raise failures.garbled(call.words, is_mutation=is_mutation)
        return Told(body=body, at=answer.told_at)

    def _lane(self, api: Api, *, is_write: bool) -> _Lane:
        if (api, is_write) not in self._lanes:
            self._lanes[api, is_write] = _Lane(self._writes if is_write else READS)
        return self._lanes[api, is_write]

    def _note_overload(self, lane: _Lane) -> None:
        lane.pace.overloaded(self._clock.now())
        self._turn(lane)

    def _turn(self, lane: _Lane) -> None:
        if lane.workers.total_tokens != lane.pace.limit:
            lane.workers.total_tokens = lane.pace.limit

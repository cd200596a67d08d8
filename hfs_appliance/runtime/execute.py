"""The executor: carries out a plan's actions, one at a time per server (its lane), each under a deadline.

It never retries and never decides: what fails is told (event, Failure) and the next plan takes it from there. Records
are written before the cloud is asked and with version checks, so that a crash between any two lines leaves an intent
that the next plan understands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

import trio

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.events import ActionDone, ActionFailed, ActionStarted
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import MILLISECOND, format_duration, to_seconds
from hfs_appliance.model.ledger import Failure
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import (
    Action,
    Adopt,
    Claim,
    Condemn,
    ConfirmBuilt,
    ConfirmReady,
    Create,
    Delete,
    Drain,
    Forget,
)
from hfs_appliance.ports.clock import Clock, Entropy
from hfs_appliance.ports.cloud import Cloud, ServerSpec
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Fenced, Missing, PortError, Rejected, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.mischief import PEACE, STRIKE_WAITS_S, Mischief, Site
from hfs_appliance.ports.registry import CheckOp, CreateOp, DeleteOp, Entries, Operation, SetOp, Znode
from hfs_appliance.registry.formats import FormatError, read_assignment, read_record, write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables

T = TypeVar("T")
RecordChange: TypeAlias = Callable[[ServerRecord], ServerRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the executor acts with."""

    registry: Entries
    """Behind the fence."""
    cloud: Cloud
    """Within the lease."""
    layout: Layout
    clock: Clock
    entropy: Entropy
    sink: EventSink
    view: RegistryObserver
    servers: CloudObserver
    tunables: Tunables = PRODUCTION
    mischief: Mischief = PEACE


class CloudFailed(Exception):  # named for what it tells
    """The cloud, not the registry, refused an action."""

    def __init__(self, error: PortError) -> None:
        super().__init__(error.words)
        self.error = error


class Executor:
    """Lanes of actions."""

    def __init__(self, parts: Parts, registry_hosts: tuple[str, ...], dirty: Dirty) -> None:
        self._parts = parts
        self._registry_hosts = registry_hosts
        self._dirty = dirty
        self._in_flight: Map[ServerId, Action] = Map()
        self._failures: list[Failure] = []
        self._limiter = trio.CapacityLimiter(parts.tunables.actions_at_once)
        self._work = trio.CancelScope()
        self._idle = Dirty()
        self._queue: trio.MemorySendChannel[tuple[Action, DesiredState, int | None]]
        self._inbox: trio.MemoryReceiveChannel[tuple[Action, DesiredState, int | None]]
        self._queue, self._inbox = trio.open_memory_channel(100_000)

    @property
    def in_flight(self) -> Map[ServerId, Action]:
        """Actions that have been accepted and are not finished."""
        return self._in_flight

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
        async with self._limiter:
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
                    touched = await self._do(action, desired)
                    if not parts.mischief.strikes(Site.VIEW_KEPT):
                        await parts.view.refresh(touched)
            except (PortError, CloudFailed, FormatError, trio.TooSlowError) as error:
                self._note_failure(action, error, started)
                await trio.sleep(to_seconds(parts.tunables.pause_after_failure))
            else:
                elapsed_ms = (parts.clock.now() - begun) // MILLISECOND
                parts.sink.emit(
                    "execute",
                    ActionDone(action=action.verb, server=action.server, elapsed_ms=elapsed_ms),
                    cause=started,
                )
            finally:
                if self._in_flight.get(action.server) is action:
                    self._in_flight = self._in_flight.updated({action.server: None})
                self._idle.mark()
                self._dirty.mark()

    def _note_failure(self, action: Action, error: Exception, started: int) -> None:
        inner = error.error if isinstance(error, CloudFailed) else error
        words = str(inner) or f"no answer within {format_duration(self._parts.tunables.action_within)}"
        if isinstance(action, Create) and isinstance(error, CloudFailed):
            until = inner.until if isinstance(inner, Exhausted) else None
            self._failures.append(Failure(server=action.server, pool=action.pool, words=words, until=until))
        event = ActionFailed(action=action.verb, server=action.server, error=type(inner).__name__, words=words)
        self._parts.sink.emit("execute", event, cause=started)

    async def _do(self, action: Action, desired: DesiredState) -> tuple[str, ...]:
        """Carry one action out; give the paths that it wrote."""
        match action:
            case Create():
                return await self._create(action, desired)
            case Claim():
                return await self._claim(action, desired)
            case ConfirmBuilt():
                return await self._change(action.server, lambda r: replace(r, built_at=self._parts.clock.now()))
            case ConfirmReady():
                return await self._change(action.server, lambda r: replace(r, ready_at=self._parts.clock.now()))
            case Condemn():
                return await self._condemn(action)
            case Drain():
                return await self._drain(action)
            case Delete():
                return await self._delete(action)
            case Forget():
                return await self._forget(action)
            case Adopt():
                return await self._adopt(action)

    async def _create(self, action: Create, desired: DesiredState) -> tuple[str, ...]:
        parts = self._parts
        path = parts.layout.record(action.server)
        if action.is_retry:
            znode = await parts.registry.get(path)
            record = read_record(znode.value)
            await self._confirm(znode)
        else:
            record = ServerRecord(
                server=action.server,
                nonce=parts.entropy.nonce(),
                pool=action.pool,
                az=action.az,
                created_at=parts.clock.now(),
                cause=action.reason.cause.value,
            )
            await parts.registry.create(path, write(record))
            await parts.view.refresh((path,))
        if parts.mischief.strikes(Site.RECORD_WRITTEN):
            raise Transient("mischief")
        spec = ServerSpec(
            environment=desired.environment,
            server=action.server,
            nonce=record.nonce,
            pool=action.pool,
            az=action.az,
            registry_hosts=self._registry_hosts,
            session_timeout_ms=desired.registry.session_timeout // MILLISECOND,
        )
        await self._ask_cloud(partial(parts.cloud.create, spec))
        return (path,)

    async def _claim(self, action: Claim, desired: DesiredState) -> tuple[str, ...]:
        parts = self._parts
        service = desired.services.get(action.service)
        if service is None:
            raise Conflict(f"service {action.service} has left the desired state meanwhile")
        path = parts.layout.record(action.server)
        znode = await parts.registry.get(path)
        now = parts.clock.now()
        record = replace(
            read_record(znode.value),
            service=action.service,
            version=action.version,
            slot=action.slot,
            assigned_at=now,
        )
        assignment = _assignment(record, service, action)
        assignment_path = parts.layout.assignment(action.server)
        # One transaction: the server is still warm, nobody else has changed its record, and the role is given.
        await parts.registry.transact(
            (
                CheckOp(path=parts.layout.pool_entry(action.server)),
                SetOp(path=path, value=write(record), version=znode.version),
                CreateOp(path=assignment_path, value=write(assignment)),
            )
        )
        return (path,)

    async def _condemn(self, action: Condemn) -> tuple[str, ...]:
        now, reason = self._parts.clock.now(), action.reason

        def failed(record: ServerRecord) -> ServerRecord:
            return replace(record, failed_at=now, leave_cause=reason.cause.value, evidence=reason.words)

        return await self._change(action.server, failed)

    async def _drain(self, action: Drain) -> tuple[str, ...]:
        parts = self._parts
        path, assignment_path = parts.layout.record(action.server), parts.layout.assignment(action.server)
        znode = await parts.registry.get(path)
        now = parts.clock.now()
        record = replace(read_record(znode.value), drain_at=now, leave_cause=action.reason.cause.value)
        operations: list[Operation] = [SetOp(path=path, value=write(record), version=znode.version)]
        role = await self._assignment_of(action.server)
        if role is not None:
            assignment = replace(read_assignment(role.value), drain_at=now)
            operations.append(SetOp(path=assignment_path, value=write(assignment), version=role.version))
        await parts.registry.transact(operations)
        return (path,)

    async def _delete(self, action: Delete) -> tuple[str, ...]:
        now = self._parts.clock.now()

        def decided(record: ServerRecord) -> ServerRecord:
            return replace(record, delete_at=record.delete_at or now, leave_cause=action.reason.cause.value)

        touched = await self._change(action.server, decided)
        with suppress(Missing):  # nothing left to delete is what the record waits for
            await self._ask_cloud(partial(self._parts.cloud.delete, action.server))
        return touched

    async def _forget(self, action: Forget) -> tuple[str, ...]:
        parts = self._parts
        with suppress(Missing):  # the second witness agrees with the list
            await self._ask_cloud(partial(parts.cloud.server, action.server))
            raise Conflict("the list of servers does not name it, but the cloud knows it by its id")
        path = parts.layout.record(action.server)
        operations: list[Operation] = [DeleteOp(path=path)]
        if await self._assignment_of(action.server) is not None:
            operations.insert(0, DeleteOp(path=parts.layout.assignment(action.server)))
        await parts.registry.transact(operations)
        return (path,)

    async def _adopt(self, action: Adopt) -> tuple[str, ...]:
        parts = self._parts
        found = await self._ask_cloud(partial(parts.cloud.server, action.server))
        now = parts.clock.now()
        record = ServerRecord(
            server=found.server,
            nonce=found.nonce,
            pool=found.pool,
            az=found.az,
            created_at=now,  # its time to announce itself begins anew: nobody knows whether it ever did
            cause=action.reason.cause.value,
        )
        role = await self._assignment_of(action.server)
        view = parts.view.observation()
        entry = view.value.registered(found.server, found.nonce) if view is not None else None
        if role is not None:
            had = read_assignment(role.value)
            if had.nonce != found.nonce:
                raise Rejected(f"{role.path} is the role of another server of that name")
            record = replace(
                record, service=had.service, version=had.version, slot=had.slot, assigned_at=had.claimed_at
            )
        elif entry is not None:
            # The registry lost the claim, but its instance lives and says what it is.
            record = replace(record, service=entry.service, version=entry.version, assigned_at=now, ready_at=now)
        path = parts.layout.record(action.server)
        known = (await parts.registry.get_many((path,)))[path]
        if known is None:
            await parts.registry.create(path, write(record))
        else:
            await parts.registry.set(path, write(record), version=known.version)
        return (path,)

    async def _ask_cloud(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call the cloud within its own deadline; what it refuses is told apart from what the registry refuses."""
        within = self._parts.tunables.cloud_within
        try:
            with trio.fail_after(to_seconds(within)):
                answer = await call()
        except (Missing, Fenced):
            raise
        except PortError as error:
            raise CloudFailed(error) from error
        except trio.TooSlowError as error:
            words = f"the cloud gave no answer within {format_duration(within)}"
            raise CloudFailed(Ambiguous(words)) from error
        finally:
            self._parts.servers.look_soon()
        if self._parts.mischief.strikes(Site.CLOUD_OBEYED):
            raise CloudFailed(Ambiguous("mischief"))
        return answer

    async def _change(self, server: ServerId, change: RecordChange) -> tuple[str, ...]:
        path = self._parts.layout.record(server)
        znode = await self._parts.registry.get(path)
        value = write(change(read_record(znode.value)))
        if value == znode.value:
            await self._confirm(znode)
            return (path,)
        try:
            await self._parts.registry.set(path, value, version=znode.version)
        except Ambiguous:
            await self._parts.view.refresh((path,))
            raise
        return (path,)

    async def _confirm(self, znode: Znode) -> None:
        """Have the registry say that an intent of earlier still stands, and that we still lead."""
        await self._parts.registry.transact((CheckOp(path=znode.path, version=znode.version),))

    async def _assignment_of(self, server: ServerId) -> Znode | None:
        try:
            return await self._parts.registry.get(self._parts.layout.assignment(server))
        except Missing:
            return None


def _assignment(record: ServerRecord, service: Service, action: Claim) -> Assignment:
    assert record.assigned_at is not None
    return Assignment(
        server=record.server,
        nonce=record.nonce,
        service=action.service,
        version=action.version,
        slot=action.slot,
        port=service.port,
        run=service.run,
        health=service.health,
        registrar=service.registrar,
        document=service.document,
        base_path=service.base_path,
        drain=service.drain,
        claimed_at=record.assigned_at,
    )

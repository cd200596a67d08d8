"""Acts: what each action writes and asks for, step by step. Lanes, deadlines and failures are the executor's business.

Records are written before the cloud is asked and with version checks, so that a crash between any two lines leaves an
intent that the next plan understands. Nothing is repeated here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import trio

from hfs_appliance.mcp.enact import adopted, changed, recorded, resumed
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import EnvironmentUuid, ServerId
from hfs_appliance.model.instants import MILLISECOND, format_duration, to_seconds
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import (
    Action,
    Adopt,
    Cause,
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
from hfs_appliance.ports.errors import Ambiguous, Conflict, Fenced, Missing, PortError, Rejected, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.mischief import PEACE, Mischief, Site
from hfs_appliance.ports.registry import CheckOp, CreateOp, DeleteOp, Entries, Operation, SetOp, Znode
from hfs_appliance.registry.formats import read_assignment, read_record, write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.observe_cloud import CloudObserver
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.runtime.tunables import PRODUCTION, Tunables

T = TypeVar("T")

_SAY_DEAD: Final = frozenset({Cause.REMEDIATION, Cause.BUILD_FAILED, Cause.OVER_QUOTA, Cause.NEVER_READY})
"""Causes that say that a server is no good: then its absence from a list is evidence, and must be true."""


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
    anchor: Callable[[], Anchor | None]
    """As the registry has it now."""
    view: RegistryObserver
    servers: CloudObserver
    tunables: Tunables = PRODUCTION
    mischief: Mischief = PEACE


class CloudFailed(Exception):  # named for what it tells
    """The cloud, not the registry, refused an action."""

    def __init__(self, error: PortError) -> None:
        super().__init__(error.words)
        self.error = error


class Acts:
    """Carries actions out, one call each."""

    def __init__(self, parts: Parts, registry_hosts: tuple[str, ...]) -> None:
        self._parts = parts
        self._registry_hosts = registry_hosts

    async def do(self, action: Action, desired: DesiredState) -> tuple[str, ...]:
        """Carry one action out; give the paths that it wrote."""
        match action:
            case Create():
                return await self._create(action, desired)
            case Claim():
                return await self._claim(action, desired)
            case ConfirmBuilt() | ConfirmReady() | Condemn():
                return await self._change(action)
            case Drain():
                return await self._drain(action)
            case Delete():
                return await self._delete(action)
            case Forget():
                return await self._forget(action)
            case Adopt():
                return await self.adopt(action)

    async def _create(self, action: Create, desired: DesiredState) -> tuple[str, ...]:
        parts = self._parts
        path = parts.layout.record(action.server)
        if action.is_retry:
            znode = await parts.registry.get(path)
            record = read_record(znode.value)
            await self._confirm(znode)
        else:
            record = recorded(action, parts.entropy.nonce(), parts.clock.now())
            await parts.registry.create(path, write(record))
            await parts.view.refresh((path,))
        if parts.mischief.strikes(Site.RECORD_WRITTEN):
            raise Transient("mischief")
        spec = ServerSpec(
            environment=desired.environment,
            uuid=self._uuid(),
            server=action.server,
            nonce=record.nonce,
            pool=action.pool,
            az=action.az,
            registry_hosts=self._registry_hosts,
            session_timeout_ms=desired.registry.session_timeout // MILLISECOND,
            recipe=action.recipe,
        )
        await self._ask_cloud(partial(parts.cloud.create, spec))
        return (path,)

    def _uuid(self) -> EnvironmentUuid:
        """Give the uuid of our fleet. Errors: Conflict."""
        anchor = self._parts.anchor()
        if anchor is None:
            raise Conflict("the registry has lost its anchor: nothing is created until it is known whose it is")
        return anchor.uuid

    async def _claim(self, action: Claim, desired: DesiredState) -> tuple[str, ...]:
        parts = self._parts
        service = desired.services.get(action.service)
        if service is None:
            raise Conflict(f"service {action.service} has left the desired state meanwhile")
        path = parts.layout.record(action.server)
        znode = await parts.registry.get(path)
        record = changed(read_record(znode.value), action, parts.clock.now())
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

    async def _drain(self, action: Drain) -> tuple[str, ...]:
        parts = self._parts
        path, assignment_path = parts.layout.record(action.server), parts.layout.assignment(action.server)
        znode = await parts.registry.get(path)
        now = parts.clock.now()
        record = changed(read_record(znode.value), action, now)
        operations: list[Operation] = [SetOp(path=path, value=write(record), version=znode.version)]
        role = await self._assignment_of(action.server)
        if role is not None:
            assignment = replace(read_assignment(role.value), drain_at=now)
            operations.append(SetOp(path=assignment_path, value=write(assignment), version=role.version))
        await parts.registry.transact(operations)
        return (path,)

    async def _delete(self, action: Delete) -> tuple[str, ...]:
        listed = self._parts.servers.observation()
        is_unlisted = listed is not None and action.server not in listed.value.servers
        if action.is_unlisted or (action.reason.cause in _SAY_DEAD and is_unlisted):
            await self._demand_absent(action.server)
        touched = await self._change(action)
        with suppress(Missing):  # nothing left to delete is what the record waits for
            await self._ask_cloud(partial(self._parts.cloud.delete, action.server))
        return touched

    async def _forget(self, action: Forget) -> tuple[str, ...]:
        parts = self._parts
        await self._demand_absent(action.server)
        path = parts.layout.record(action.server)
        operations: list[Operation] = [DeleteOp(path=path)]
        if await self._assignment_of(action.server) is not None:
            operations.insert(0, DeleteOp(path=parts.layout.assignment(action.server)))
        await parts.registry.transact(operations)
        return (path,)

    async def _demand_absent(self, server: ServerId) -> None:
        """Have the cloud say by id, too, that a server is not there: a list leaves servers out when a cell is down.

        What another project says of it means nothing, and the list may be of just before that answered for ours (O15).
        """
        anchor = self._parts.anchor()
        try:
            await self._ask_cloud(partial(self._parts.cloud.server, server))
        except Missing as missing:
            if anchor is not None and anchor.project and missing.project not in ("", anchor.project):
                words = f"the cloud answers for project {missing.project!r}, but the fleet lives in {anchor.project!r}"
                raise Conflict(words) from missing
        else:
            raise Conflict("the list of servers does not name it, but the cloud knows it by its id")

    async def adopt(self, action: Adopt) -> tuple[str, ...]:
        """Write or mend a server's record by what others say of it; give the paths that were written."""
        parts = self._parts
        found = await self._ask_cloud(partial(parts.cloud.server, action.server))
        now = parts.clock.now()
        record = adopted(found, action.reason.cause.value, now)
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
            record = resumed(record, entry, now)
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

    async def _change(self, action: ConfirmBuilt | ConfirmReady | Condemn | Delete) -> tuple[str, ...]:
        path = self._parts.layout.record(action.server)
        znode = await self._parts.registry.get(path)
        value = write(changed(read_record(znode.value), action, self._parts.clock.now()))
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
        puppet_role=service.puppet_role,
    )

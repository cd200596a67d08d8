"""The document publisher: fetches the services' documents from registered instances and publishes the merged one.

A document is fetched again when the instance that gave it was replaced or restarted, when a fetch failed, and now and
then: after five minutes, then less and less often, each hour at least. What has not changed is not prepared again. One
service's trouble is its own: its last good document stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from typing import Final, TypeAlias

import trio

from hfs_appliance.model.desired import DesiredState, Service, ServiceRole
from hfs_appliance.model.events import DocumentRefused, DocumentsMerged
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Duration, Instant, after, between, seconds, to_seconds
from hfs_appliance.model.maps import differing
from hfs_appliance.model.observed import InstanceStatus, Registration
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.web import Proxy, SpecSource
from hfs_appliance.ports.worker import Worker
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.dirty import Dirty
from hfs_appliance.runtime.observe_registry import RegistryObserver
from hfs_appliance.swagger.merge import (
    DocumentState,
    Prepared,
    ServiceDocument,
    ServiceStatus,
    assemble,
    prepare,
)

FETCH_WITHIN: Final = seconds(10)
FETCH_AGAIN_AFTER: Final = seconds(300)
FETCH_AGAIN_AT_LEAST: Final = seconds(3600)
RETRY_AFTER: Final = seconds(5)
PUBLISH_AGAIN_AFTER: Final = seconds(1)
FILE: Final = "swagger.json"
NOBODY: Final = "no instance is registered"

_Services: TypeAlias = Mapping[ServiceName, Service]
_Registrations: TypeAlias = Mapping[ServiceName, Mapping[str, Registration]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What is known of one service's document."""

    origin: Registration | None
    """The instance that it was asked of."""
    pause: Duration
    again_at: Instant
    document: ServiceDocument
    prepared: Prepared


class DocumentPublisher:
    """Keeps the merged document in step with the registrations."""

    def __init__(
        self,
        proxy: Proxy,
        source: SpecSource,
        worker: Worker,
        desired: DesiredStore,
        registry: RegistryObserver,
        *,
        clock: Clock,
        sink: EventSink,
        dirty: Dirty,
        published: Dirty,
    ) -> None:
        self._proxy = proxy
        self._source = source
        self._worker = worker
        self._desired = desired
        self._registry = registry
        self._clock = clock
        self._sink = sink
        self._dirty = dirty
        self._published = published
        self._held: dict[ServiceName, _Held] = {}
        self._looked_at: tuple[_Services, _Registrations] = ({}, {})
        self._origins: dict[ServiceName, Registration | None] = {}
        self._agenda: list[tuple[Instant, ServiceName]] = []
        """A heap of when to ask again; an entry that is not its service's present one means nothing."""
        self._assembled: tuple[str, str] | None = None
        """Title and description of the document in force; None when something that it is made of has changed."""
        self._digest = ""
        self.is_in_step = False

    def status_of(self, service: ServiceName) -> ServiceStatus | None:
        """Tell how a service's document fares; None before it was asked for."""
        held = self._held.get(service)
        return held.prepared.status if held is not None else None

    async def run(self) -> None:
        """Follow the registrations until cancelled."""
        self._looked_at = ({}, {})  # what made this part fail is looked at again
        while True:
            desired, view = self._desired.current, self._registry.observation()
            if desired is not None and view is not None:
                await self._refresh(desired, view.value.registrations)
                was_in_step, self.is_in_step = self.is_in_step, await self._publish(desired)
                if self.is_in_step != was_in_step:
                    self._published.mark()
            await self._wait()

    async def _wait(self) -> None:
        """Wait for a mark, or until a document is to be asked for again or published again."""
        now = self._clock.now()
        pause = math.inf if self.is_in_step else to_seconds(PUBLISH_AGAIN_AFTER)
        if self._agenda:
            pause = min(pause, max(0.0, to_seconds(between(now, self._agenda[0][0]))))
        with trio.move_on_after(pause):
            await self._dirty.wait()

    async def _refresh(self, desired: DesiredState, registrations: _Registrations) -> None:
        """Fetch what is due, of the services of which something has changed or whose time has come."""
        services, known = self._looked_at
        touched = differing(services, desired.services) | differing(known, registrations)
        for name in touched:
            if _is_merged(desired, name):
                self._origins[name] = _origin(desired.services[name], registrations.get(name, {}))
            elif self._held.pop(name, None) is not None:
                del self._origins[name]
                self._assembled = None
        self._looked_at = (desired.services, registrations)
        touched |= self._due()
        async with trio.open_nursery() as nursery:
            for name in sorted(name for name in touched if _is_merged(desired, name)):
                service, origin = desired.services[name], self._origins[name]
                if self._is_due(service, origin):
                    nursery.start_soon(self._fetch, service, origin)

    def _due(self) -> set[ServiceName]:
        agenda, now, due = self._agenda, self._clock.now(), set[ServiceName]()
        while agenda and agenda[0][0] <= now:
            due.add(heappop(agenda)[1])
        return due

    def _is_due(self, service: Service, origin: Registration | None) -> bool:
        held = self._held.get(service.name)
        if held is None:
            return True
        is_other = _identity(held.origin) != _identity(origin) or held.document.base_path != service.base_path
        return is_other or (origin is not None and self._clock.now() >= held.again_at)

    async def _fetch(self, service: Service, origin: Registration | None) -> None:
        held = self._held.get(service.name)
        last_good = _last_good(held)
        content, reason = None, ""
        path = origin.document if origin is not None and origin.document is not None else service.document
        if path is not None and origin is None:
            reason = NOBODY
        elif path is not None and origin is not None:
            host = f"[{origin.address}]" if ":" in origin.address else origin.address
            try:
                with trio.fail_after(to_seconds(FETCH_WITHIN)):
                    content = await self._source.fetch(f"http://{host}:{origin.port}{path}")
            except (PortError, trio.TooSlowError) as error:
                reason = str(error) or "no answer in time"
        document = ServiceDocument(
            service=service.name,
            versions=tuple(sorted(service.versions)),
            content=content,
            reason=reason,
            last_good=last_good,
            base_path=service.base_path,
            document_path=path or "/",
        )
        # What was fetched and is the same as before is not prepared again: a value, compared as one.
        if held is not None and replace(held.document, last_good=None) == replace(document, last_good=None):
            prepared = held.prepared
        else:
            # A long or hostile document takes seconds: not on the loop that keeps the lease.
            prepared = await self._worker.run(partial(prepare, document))
        pause = _pause(held, prepared, origin)
        again_at = after(self._clock.now(), pause)
        self._tell(service.name, held, prepared)
        self._held[service.name] = _Held(
            origin=origin, pause=pause, again_at=again_at, document=document, prepared=prepared
        )
        if path is not None and origin is not None:
            heappush(self._agenda, (again_at, service.name))
        if held is None or prepared is not held.prepared:
            self._assembled = None

    def _tell(self, service: ServiceName, held: _Held | None, prepared: Prepared) -> None:
        """Tell what is wrong with a document, once; that nobody can be asked for it is not the document's fault."""
        reason = prepared.status.reason
        if reason and reason != NOBODY and (held is None or held.prepared.status.reason != reason):
            self._sink.emit("documents", DocumentRefused(service=service, words=reason))

    async def _publish(self, desired: DesiredState) -> bool:
        endpoint = desired.endpoint
        if self._assembled == (endpoint.title, endpoint.description):
            return True
        merged = assemble(
            [held.prepared for held in self._held.values()], title=endpoint.title, description=endpoint.description
        )
        if merged.digest == self._digest:
            self._assembled = (endpoint.title, endpoint.description)
            return True
        try:
            await self._proxy.publish_files({FILE: merged.content})
        except PortError as error:
            self._sink.emit("documents", DocumentRefused(service=ServiceName("endpoint"), words=error.words))
            return False
        self._digest = merged.digest
        self._assembled = (endpoint.title, endpoint.description)
        event = DocumentsMerged(services=len(merged.services), operations=merged.operations, digest=merged.digest[:12])
        self._sink.emit("documents", event)
        return True


def _identity(origin: Registration | None) -> tuple[str, str, int, str, str | None] | None:
    """What a document depends on: the instance's process, not its registration's session."""
    if origin is None:
        return None
    return (origin.instance, origin.address, origin.port, origin.boot, origin.document)


def _origin(service: Service, entries: Mapping[str, Registration]) -> Registration | None:
    """Choose the instance to ask: in traffic, of a desired version, the last version, the first instance."""
    usable = [entry for entry in entries.values() if entry.status is InstanceStatus.UP]
    wanted = [entry for entry in usable if service.versions.get(entry.version, 0) > 0] or usable
    if not wanted:
        return None
    newest = max(entry.version for entry in wanted)
    return min((entry for entry in wanted if entry.version == newest), key=lambda entry: entry.instance)


def _pause(held: _Held | None, prepared: Prepared, origin: Registration | None) -> Duration:
    """Give the time until a document is asked for again."""
    if prepared.status.state is not DocumentState.CURRENT:
        return RETRY_AFTER
    if held is not None and prepared is held.prepared and _identity(held.origin) == _identity(origin):
        # A document seldom changes under a running instance, and the less so the longer it has not.
        return Duration(min(2 * held.pause, FETCH_AGAIN_AT_LEAST))
    return FETCH_AGAIN_AFTER


def _last_good(held: _Held | None) -> bytes | None:
    if held is None:
        return None
    return held.document.content if held.prepared.status.state is DocumentState.CURRENT else held.document.last_good


def _is_merged(desired: DesiredState, name: ServiceName) -> bool:
    """Tell whether a service is part of the document: proxies lead to the others."""
    return name in desired.services and desired.services[name].role is not ServiceRole.PROXY

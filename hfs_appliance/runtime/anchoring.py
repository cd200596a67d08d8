"""Anchoring: writes the identity anchor, for an environment that is new and for one that is adopted.

What the anchor should say is policy (`mcp/identity.py`); this is how it comes to lie in the registry, last of all:
until it does, nothing else is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import trio

from hfs_appliance.mcp.identity import adoption, strays
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.events import EnvironmentAdopted
from hfs_appliance.model.ids import EnvironmentUuid, ServerId
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.observed import CloudView, RegistryView
from hfs_appliance.model.plan import Adopt, Cause, Reason
from hfs_appliance.model.reports import Adopted
from hfs_appliance.ports.clock import Entropy
from hfs_appliance.ports.errors import PortError
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Entries
from hfs_appliance.registry.formats import write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.acts import Acts, CloudFailed
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.ledger import LedgerStore

WRITE_WITHIN: Final = seconds(10)
AT_ONCE: Final = 32


class Anchoring:
    """The anchor's place in the registry."""

    def __init__(
        self,
        registry: Entries,
        layout: Layout,
        acts: Acts,
        ledger: LedgerStore,
        desired: DesiredStore,
        *,
        entropy: Entropy,
        sink: EventSink,
    ) -> None:
        self._registry = registry
        self._path = layout.anchor
        self._acts = acts
        self._ledger = ledger
        self._desired = desired
        self._entropy = entropy
        self._sink = sink

    async def found(self, project: str) -> None:
        """Anchor a new environment. Errors: PortError, TooSlowError."""
        anchor = Anchor(uuid=self._uuid(), project=project, incarnation=self._entropy.nonce())
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            await self._registry.create(self._path, write(anchor))

    async def adopt(self, view: RegistryView, cloud: CloudView, author: str) -> Adopted:
        """Take over what the cloud lists, all of it before anything may be done with it. Errors: PortError.

        Records come first: a server that finds neither role nor record, in a registry that counts beyond its number,
        takes itself for one that was forgotten.
        """
        found = adoption(view.anchor, cloud, self._ledger.ledger)
        unrecorded = strays(view, cloud, found.uuid)
        await self._record(unrecorded)
        await self._desired.restore()
        await self._ledger.raise_serial(found.next_serial)
        anchor = Anchor(
            uuid=found.uuid or self._uuid(),
            project=cloud.project,
            incarnation=self._entropy.nonce(),
            foreign=found.foreign,
        )
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            if view.anchor is None:
                await self._registry.create(self._path, write(anchor))
            else:
                await self._registry.set(self._path, write(anchor))
        adopted = Adopted(
            uuid=anchor.uuid,
            project=anchor.project,
            servers=len(cloud.servers),
            recorded=len(unrecorded),
            next_serial=self._ledger.ledger.next_serial,
        )
        words = f"{adopted.servers} servers, {adopted.recorded} of which had no record"
        self._sink.emit("api", EnvironmentAdopted(author=author, project=adopted.project, words=words))
        return adopted

    async def _record(self, servers: Iterable[ServerId]) -> None:
        """Record them all, or as many as can be: the same again takes up where this ended. Errors: PortError."""
        failures: list[PortError | trio.TooSlowError] = []
        limiter = trio.CapacityLimiter(AT_ONCE)
        reason = Reason(cause=Cause.ADOPTION, words="an operator has adopted the fleet")

        async def record(server: ServerId) -> None:
            async with limiter:
                try:
                    await self._acts.adopt(Adopt(server=server, reason=reason))
                except CloudFailed as error:
                    failures.append(error.error)
                except (PortError, trio.TooSlowError) as error:
                    failures.append(error)

        async with trio.open_nursery() as nursery:
            for server in servers:
                nursery.start_soon(record, server)
        if failures:
            raise failures[0]

    def _uuid(self) -> EnvironmentUuid:
        return EnvironmentUuid(f"{self._entropy.nonce()}{self._entropy.nonce()}")

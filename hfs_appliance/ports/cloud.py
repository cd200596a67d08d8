"""Cloud: where servers come from. Existence is its word; liveness is the registry's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, EnvironmentUuid, Nonce, PoolName, ServerId
from hfs_appliance.model.observed import CloudServer, CloudView
from hfs_appliance.model.recipe import PLAIN, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """What is asked for. (environment, uuid, server, nonce) go into the server's metadata: they are its identity."""

    environment: EnvironmentName
    uuid: EnvironmentUuid
    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    registry_hosts: tuple[str, ...]
    session_timeout_ms: int
    recipe: Recipe = PLAIN
    """What the server is made of, where the cloud has a choice, and what its agent does with it."""


Permit: TypeAlias = Callable[[], None]
"""Asked at the last instant at which a mutation can be held back, from whatever thread; raises Fenced to do so."""


def unconditional() -> None:
    """Permit everything."""


class Spares(Protocol):
    """A cloud that can be made to hold two servers of one identity: a creation whose answer was lost may come late."""

    async def sweep(self, *, permit: Permit) -> tuple[ServerId, ...]:
        """Ask for the end of every server whose identity another one has that stays; give whose identities.

        Looks at the last list only. Errors: Transient, Exhausted, Rejected, and what the permit raises.
        """
        ...


class Cloud(Protocol):
    """Errors of all calls: Transient, Exhausted, Rejected, and those named below.

    Mutations wait in queues of their adapter, for a thread, a token or a lock: so the adapter asks for the permit, once
    it has all that and before anything is sent. What the permit raises, the call raises, and nothing was done.
    """

    async def servers(self) -> CloudView:
        """List every server of this environment, in one unfiltered pass."""
        ...

    async def server(self, server: ServerId) -> CloudServer:
        """Ask for one server by itself: the second witness when a list does not name it.

        Errors: Missing, with the project: to another one than ours all servers are unknown (O15).
        """
        ...

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Ask for a server. A server with the same id and nonce is given back instead of a second one.

        Its address and the cloud's own time of its creation may be known only later. Two clients that ask at the same
        time may make two servers in a cloud without idempotence keys; they are one to all who look, and go as one.
        Errors: Conflict (the id is taken by another nonce), Ambiguous.
        """
        ...

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Ask for deletion; returns when the cloud has accepted it. Errors: Missing (it is gone already)."""
        ...

    async def log(self, server: ServerId, lines: int) -> str:
        """Give the tail of the server's console or agent log: evidence. Errors: Missing, Unsupported."""
        ...

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Break a server at once, as a power failure would, where that is harmless. Errors: Unsupported, Missing."""
        ...

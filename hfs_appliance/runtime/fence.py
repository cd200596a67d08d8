"""The fence: what the leader writes and asks of the cloud passes here, and nothing passes that it may not do any more.

The registry judges its writes itself: each one is a transaction that also checks the epoch and our own seat, so that a
leader that was deposed, frozen or cut off in the meantime changes nothing, whatever it believes. The cloud knows no
epochs: there the lease decides (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from hfs_appliance.model.balancer import BalancerMember, BalancerView
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.leadership import Term
from hfs_appliance.model.observed import CloudServer, CloudView
from hfs_appliance.ports.balancer import LoadBalancer
from hfs_appliance.ports.cloud import Cloud, Permit, ServerSpec, unconditional
from hfs_appliance.ports.errors import Conflict, Fenced
from hfs_appliance.ports.registry import (
    ANY_VERSION,
    CheckOp,
    CreateOp,
    DeleteOp,
    Operation,
    Registry,
    SetOp,
    Znode,
)
from hfs_appliance.registry.paths import Layout


class FencedRegistry:
    """Implements the port's Entries: reads as they are, writes only as the leader of the present term."""

    def __init__(
        self, registry: Registry, layout: Layout, term: Callable[[], Term | None], doubt: Callable[[Term], None]
    ) -> None:
        self._registry: Final = registry
        self._layout: Final = layout
        self._term: Final = term
        self._doubt: Final = doubt
        """Told when the registry has refused a write of a term."""

    async def get(self, path: str) -> Znode:
        """Read one entry."""
        return await self._registry.get(path)

    async def get_many(self, paths: Iterable[str]) -> Mapping[str, Znode | None]:
        """Read many entries."""
        return await self._registry.get_many(paths)

    async def create(self, path: str, value: bytes = b"") -> None:
        """Create one durable entry; its parent must exist. Errors: Fenced, Conflict."""
        await self.transact((CreateOp(path=path, value=value),))

    async def set(self, path: str, value: bytes, *, version: int = ANY_VERSION) -> None:
        """Replace a value. Errors: Fenced; Conflict, also when nothing is there."""
        await self.transact((SetOp(path=path, value=value, version=version),))

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Remove one entry. Errors: Fenced; Conflict, also when nothing is there."""
        await self.transact((DeleteOp(path=path, version=version),))

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do all or nothing, in our term or not at all. Errors: Fenced, Conflict."""
        term = self._term()
        if term is None or self._registry.session().session_id != term.session_id:
            raise Fenced("this appliance does not lead the environment")
        epoch = self._layout.epoch
        fence = (CheckOp(path=epoch, version=term.epoch), CheckOp(path=term.seat))
        try:
            return await self._registry.transact((*fence, *operations))
        except Conflict as error:
            if error.path not in (epoch, term.seat):
                raise
            self._doubt(term)
            raise Fenced(f"this appliance does not lead any more (epoch {term.epoch} is over)") from error


class LeasedCloud:
    """Implements the port's Cloud: reads as they are, mutations only while the lease certainly lasts."""

    def __init__(self, cloud: Cloud, lease: Permit) -> None:
        self._cloud: Final = cloud
        self._lease: Final = lease

    async def servers(self) -> CloudView:
        """List every server."""
        return await self._cloud.servers()

    async def server(self, server: ServerId) -> CloudServer:
        """Ask for one server. Errors: Missing."""
        return await self._cloud.server(server)

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Ask for a server. Errors: Fenced, Conflict, Ambiguous."""
        return await self._cloud.create(spec, permit=_both(permit, self._lease))

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Ask for deletion. Errors: Fenced, Missing."""
        await self._cloud.delete(server, permit=_both(permit, self._lease))

    async def log(self, server: ServerId, lines: int) -> str:
        """Give the tail of a server's log. Errors: Missing, Unsupported."""
        return await self._cloud.log(server, lines)

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Break a server. Errors: Fenced, Unsupported, Missing."""
        await self._cloud.kill(server, permit=_both(permit, self._lease))


class LeasedBalancer:
    """Implements the port's LoadBalancer: looks as they are, mutations only while the lease certainly lasts."""

    def __init__(self, balancer: LoadBalancer, lease: Permit) -> None:
        self._balancer: Final = balancer
        self._lease: Final = lease

    async def look(self) -> BalancerView:
        """Read its state and all of its members."""
        return await self._balancer.look()

    async def create(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have it made. Errors: Fenced, Conflict, Ambiguous."""
        await self._balancer.create(members, permit=_both(permit, self._lease))

    async def replace(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have exactly these members. Errors: Fenced, Conflict, Missing, Ambiguous."""
        await self._balancer.replace(members, permit=_both(permit, self._lease))

    async def sweep(self, *, permit: Permit = unconditional) -> None:
        """Have every other one of ours removed. Errors: Fenced, Ambiguous."""
        await self._balancer.sweep(permit=_both(permit, self._lease))

    async def delete(self, *, permit: Permit = unconditional) -> None:
        """Have it removed. Errors: Fenced, Conflict, Missing, Ambiguous."""
        await self._balancer.delete(permit=_both(permit, self._lease))


def _both(permit: Permit, lease: Permit) -> Permit:
    def demand() -> None:
        permit()
        lease()

    return demand

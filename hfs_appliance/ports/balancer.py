"""LoadBalancer: what stands before the proxies. One writer, the leader; always the full set of members, never one."""

from __future__ import annotations

from typing import Protocol

from hfs_appliance.model.balancer import BalancerMember, BalancerView
from hfs_appliance.ports.cloud import Permit, unconditional


class LoadBalancer(Protocol):
    """The load balancer of one environment. Errors of all calls: Transient, Exhausted, Rejected, and those named below.

    Mutations are accepted at once and carried out later (`BalancerState.PENDING`); whether they were, `look` tells.
    They ask for the permit as those of the Cloud do.
    """

    async def look(self) -> BalancerView:
        """Read its state and all of its members; no load balancer of ours at all is an answer, too."""
        ...

    async def create(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have it made, with these members; returns when that was accepted.

        Errors: Conflict (there is one), Ambiguous.
        """
        ...

    async def replace(self, members: tuple[BalancerMember, ...], *, permit: Permit = unconditional) -> None:
        """Have exactly these members from now on; returns when that was accepted.

        Errors: Conflict (it is busy or in error: nothing was changed), Missing, Ambiguous.
        """
        ...

    async def sweep(self, *, permit: Permit = unconditional) -> None:
        """Have every other one of ours removed, as far as they take changes. Errors: Ambiguous."""
        ...

    async def delete(self, *, permit: Permit = unconditional) -> None:
        """Have it removed with all that belongs to it. Errors: Conflict, Missing (it is gone already), Ambiguous."""
        ...

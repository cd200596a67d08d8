"""Mutants of leadership: writing without the fence. A lease that nobody asks about is hidden by it."""

from __future__ import annotations

from collections.abc import Sequence

from hfs_appliance.ports.errors import Fenced
from hfs_appliance.ports.registry import Operation
from hfs_appliance.runtime.fence import FencedRegistry
from sim.mutants.base import Patch, mutant


@mutant(
    "no-fence",
    breaks="a leader's writes check neither the epoch nor its seat",
    because="X5, Z2: a leader that stood still goes on with what it had in mind: HBase's regions with two masters",
    caught_by="one-leader",
)
def no_fence(patch: Patch) -> None:
    """Write as anybody."""

    async def transact(self: FencedRegistry, operations: Sequence[Operation]) -> int:
        if self._term() is None:
            raise Fenced("this appliance does not lead the environment")
        return await self._registry.transact(operations)

    patch.set(FencedRegistry, "transact", transact)

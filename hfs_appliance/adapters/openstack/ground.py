"""The Ground port over Neutron and Nova: looks, and sends what `pieces` makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from hfs_appliance.adapters.openstack import failures, pieces
from hfs_appliance.adapters.openstack.calls import Call
from hfs_appliance.adapters.openstack.door import Door
from hfs_appliance.adapters.openstack.names import Names
from hfs_appliance.adapters.openstack.pieces import Kind, Step
from hfs_appliance.model.foundation import Foundation
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import unconditional
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.foundation import GroundStep, GroundView


class OpenStackGround:
    """Implements the port's Ground."""

    def __init__(self, environment: EnvironmentName, foundation: Foundation, door: Door, clock: Clock) -> None:
        self._environment: Final = environment
        self._foundation: Final = foundation
        self._door: Final = door
        self._names: Final = Names(door, clock)

    async def look(self) -> GroundView:
        """List everything, and see what is ours."""
        answers: dict[Kind, Mapping[str, Any]] = {}
        for kind, call in pieces.listings(await self._door.project()).items():
            answers[kind] = (await self._door.ask(call)).body
        try:
            found = pieces.read(self._environment, answers)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise failures.garbled("networks and groups", is_mutation=False) from error
        outside = {network.external for network in self._foundation.network.values()} - {""}
        external = {name: await self._names.network(name) for name in sorted(outside)}
        to_make = pieces.missing(self._environment, self._foundation, found, external)
        return GroundView(
            pieces=tuple(piece.words for piece in found),
            to_make=tuple(map(self._step, to_make)),
            to_remove=tuple(map(self._step, pieces.removable(found))),
            differences=tuple(pieces.differences(self._foundation, found)),
        )

    def _step(self, step: Step) -> GroundStep:
        return GroundStep(words=step.words, take=partial(self._take, step.call))

    async def _take(self, call: Call) -> None:
        try:
            await self._door.change(call, permit=unconditional)
        except Missing:
            if call.method == "POST":
                raise

"""Moves are written here and nowhere else: a rollout's state and its traffic epoch in one transaction, or neither.

What a move rests on is read again first: a state that an operator's order, or another leader, has changed meanwhile is
observed again before anything follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import trio

from hfs_appliance.config import ConfigError
from hfs_appliance.model.events import Event, PartFailed
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import seconds, to_seconds
from hfs_appliance.model.observed import RegistryView
from hfs_appliance.model.rollout import Move, Order, Rollout, RolloutPhase
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged
from hfs_appliance.model.traffic import Traffic
from hfs_appliance.ports.errors import Conflict, Rejected, Transient
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import CreateOp, DeleteOp, Entries, Operation, SetOp, Znode
from hfs_appliance.registry.formats import FormatError, read_rollout, read_traffic, write
from hfs_appliance.registry.paths import Layout
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.observe_registry import RegistryObserver

T = TypeVar("T", Rollout, Traffic)

WRITE_WITHIN: Final = seconds(10)
ORDERED_AGAIN: Final = 5
"""So often an operator's order is written: moves of a rollout come one at a time."""
BY: Final = "hfs"


class RolloutStore:
    """Writes moves as the leader."""

    def __init__(
        self, registry: Entries, layout: Layout, desired: DesiredStore, view: RegistryObserver, sink: EventSink
    ) -> None:
        self._registry = registry
        self._layout = layout
        self._desired = desired
        self._view = view
        self._sink = sink

    async def carry_out(self, moves: Sequence[Move], seen: RegistryView) -> None:
        """Write the moves of a plan that was made of `seen`. Errors: PortError but Conflict; TooSlowError.

        One that meets something else than was seen is left out: the next plan knows it.
        """
        for move in moves:
            try:
                with trio.fail_after(to_seconds(WRITE_WITHIN)):
                    await self._write(move, seen)
            except Conflict:
                await self._view.refresh(self._paths(move.service))

    async def _write(self, move: Move, seen: RegistryView) -> None:
        name = move.service
        rollout_path, traffic_path = self._paths(name)
        found = await self._registry.get_many((rollout_path, traffic_path))
        state, entry = found[rollout_path], found[traffic_path]
        if _value(state, read_rollout) != seen.rollouts.get(name):
            raise Conflict(f"the rollout of {name} has changed meanwhile")
        if _value(entry, read_traffic) != seen.traffic.get(name):
            raise Conflict(f"the traffic of {name} has changed meanwhile")
        operations = [
            *_operations(rollout_path, state, move.rollout),
            *_operations(traffic_path, entry, move.traffic),
            *(await self._back(name, move.versions, move) if move.versions is not None else ()),
        ]
        if operations:
            await self._registry.transact(operations)
        for event in _told(seen.rollouts.get(name), seen.traffic.get(name), move):
            self._sink.emit("rollout", event)
        await self._view.refresh((rollout_path, traffic_path, self._layout.desired))

    async def order(self, service: ServiceName, order: Order) -> Rollout:
        """Write what an operator asks of the rollout that runs. Errors: PortError; Rejected when none does."""
        path = self._layout.rollout(service)
        with trio.fail_after(to_seconds(WRITE_WITHIN)):
            for _ in range(ORDERED_AGAIN):
                try:
                    rollout = await self._order(service, path, order)
                except Conflict:  # a move came between, and what was asked for means the same after it
                    continue
                await self._view.refresh((path,))
                return rollout
        raise Transient(f"the rollout of {service} moves on faster than an order can be written: ask again")

    async def _order(self, service: ServiceName, path: str, order: Order) -> Rollout:
        znode = (await self._registry.get_many((path,)))[path]
        rollout = _value(znode, read_rollout)
        if znode is None or rollout is None or rollout.phase is RolloutPhase.DONE:
            raise Rejected(f"no rollout of {service} is in progress: nothing is changed")
        if rollout.is_reverting or rollout.phase is RolloutPhase.ABORT:
            raise Rejected(f"the rollout of {service} is being taken back already ({rollout.words})")
        rollout = replace(rollout, order=order)
        await self._registry.set(path, write(rollout), version=znode.version)
        return rollout

    async def _back(self, service: ServiceName, versions: Mapping[Version, int], move: Move) -> Sequence[Operation]:
        """Have the desired state go back, unless something else in it does not allow that: requests go back anyway."""
        why = move.rollout.words if move.rollout is not None else ""
        try:
            return await self._desired.going_back(service, versions, BY, f"{service} is taken back: {why}")
        except ConfigError as error:
            self._sink.emit("rollout", PartFailed(part=f"going back of {service}", words=str(error)))
            return ()

    def _paths(self, service: ServiceName) -> tuple[str, str]:
        return self._layout.rollout(service), self._layout.traffic_of(service)


def _value(znode: Znode | None, reader: Callable[[bytes], T]) -> T | None:
    """Read an entry as the observer does: what cannot be read is not there, and is written over."""
    if znode is None:
        return None
    try:
        return reader(znode.value)
    except FormatError:
        return None


def _operations(path: str, znode: Znode | None, value: Rollout | Traffic | None) -> Sequence[Operation]:
    if value is None:
        return () if znode is None else (DeleteOp(path=path, version=znode.version),)
    content = write(value)
    if znode is None:
        return (CreateOp(path=path, value=content),)
    return () if znode.value == content else (SetOp(path=path, value=content, version=znode.version),)


def _told(before: Rollout | None, traffic: Traffic | None, move: Move) -> Iterable[Event]:
    """Give what people are to hear of a move."""
    rollout = move.rollout
    if rollout is not None and (before is None or _stage(before) != _stage(rollout)) and _is_rollout(before, rollout):
        kind = RolloutGivenUp if rollout.phase is RolloutPhase.ABORT else RolloutChanged
        yield kind(
            service=rollout.service,
            number=rollout.number,
            phase=rollout.phase.value,
            before=before.phase.value if before is not None else "",
            old=_names(rollout.before),
            new=_names(rollout.target),
            words="paused" if rollout.paused_at is not None else rollout.words,
        )
    if move.traffic is not None and move.traffic != traffic:
        yield TrafficChanged(service=move.service, epoch=move.traffic.epoch, words=_division(move.traffic))
    elif move.traffic is None and traffic is not None:
        yield TrafficChanged(service=move.service, epoch=traffic.epoch + 1, words="evenly over all instances")


def _stage(rollout: Rollout) -> tuple[object, ...]:
    return rollout.number, rollout.phase, rollout.step, rollout.paused_at


def _is_rollout(before: Rollout | None, rollout: Rollout) -> bool:
    return rollout.phase is not RolloutPhase.DONE or (before is not None and before.phase is not RolloutPhase.DONE)


def _names(versions: Mapping[Version, int]) -> str:
    return " and ".join(sorted(versions))


def _division(traffic: Traffic) -> str:
    """Write a division as people read it: `1.5.0 5 %, 1.4.2 95 %`."""
    parts = []
    for share in traffic.shares:
        tenths = f"{share.weight // 10}.{share.weight % 10}".removesuffix(".0")
        matched = " and what matches" if share.matches else ""
        is_used = share.weight or share.matches
        parts.append(f"{share.version} {tenths} %{matched}" if is_used else f"{share.version} stands by")
    return ", ".join(parts)

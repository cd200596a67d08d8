"""Mutants of the books: records, claims, adoption and forgetting, in the wrong order or by half of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hfs_appliance.mcp import decide, slots
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.phases import Rule
from hfs_appliance.mcp.tally import InstanceTally, Standing, slot_of
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.instants import MINUTE, Duration, seconds
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Action, Adopt, Cause, Claim, ConfirmReady, Create, Delete, Phase, Reason
from hfs_appliance.ports.errors import Missing
from hfs_appliance.ports.registry import ANY_VERSION, CheckOp, Operation, SetOp
from hfs_appliance.runtime import execute
from hfs_appliance.runtime.acts import Acts
from sim.mutants.base import Patch, among, mutant
from sim.mutants.witnesses import change_rules
from sim.scenario import Beginning, Fault, Scenario
from sim.swarm import draw


def _unwatched(seed: int) -> Scenario:
    """Take the power from all servers while the control plane does not see it, and ask for more instances."""
    drawn = draw(seed)
    return replace(
        drawn,
        begins=Beginning.STANDING,
        lasts=Duration(4 * MINUTE),
        layout=replace(drawn.layout, servers=1, pool=4, session_timeout=seconds(4)),
        faults=(
            Fault(kind="mcp-watches-lost", at=MINUTE),
            Fault(kind="server-dark", at=seconds(61), lasts=MINUTE, amount=5),
            Fault(kind="scale-out", at=seconds(75), lasts=MINUTE, amount=2),
        ),
    )


@mutant(
    "claim-unchecked",
    breaks="a role is given without a look whether the server still waits in the pool and its record is the same",
    because="V15, Z1: the server has died, or somebody else has claimed it, since it was seen",
    caught_by="one-role",
    world=_unwatched,
)
def claim_unchecked(patch: Patch) -> None:
    """Write the claim over whatever is there."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def claim(self: Acts, action: Claim, desired: DesiredState) -> Any:
            parts = self._parts
            self._parts = replace(parts, registry=_Careless(parts.registry))
            try:
                return await inner(self, action, desired)
            finally:
                self._parts = parts

        return claim

    patch.around(Acts, "_claim", make)


class _Careless:
    """Entries that are written without looking."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    async def transact(self, operations: Sequence[Operation]) -> int:
        """Do what was asked without its conditions."""
        written: list[Operation] = []
        for one in operations:
            if isinstance(one, SetOp):
                written.append(replace(one, version=ANY_VERSION))
            elif not isinstance(one, CheckOp):
                written.append(one)
        return int(await self._registry.transact(written))


@mutant(
    "slot-reused",
    breaks="a new instance gets a slot that another one has",
    because="slots name data directories, partitions and metrics: two owners of one spoil both",
    caught_by="one-owner",
)
def slot_reused(patch: Patch) -> None:
    """Call every slot free."""
    patch.set(InstanceTally, "slots", lambda _self: set())


@mutant(
    "record-after-create",
    breaks="a server is recorded when the cloud has made it, not before it is asked for",
    because="O2, X2: whoever dies, or hears nothing, between the two leaves a server that nobody knows",
    caught_by="recorded-first",
)
def record_after_create(patch: Patch) -> None:
    """Ask first."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def create(self: Acts, action: Create, desired: DesiredState) -> Any:
            parts = self._parts
            late = _Late(parts.registry)
            self._parts = replace(parts, registry=late)
            try:
                touched = await inner(self, action, desired)
            finally:
                self._parts = parts
            await late.write()
            return touched

        return create

    patch.around(Acts, "_create", make)


class _Late(_Careless):
    """Entries that are created when everything else is done."""

    def __init__(self, registry: Any) -> None:
        super().__init__(registry)
        self._waiting: list[tuple[str, bytes]] = []

    async def create(self, path: str, value: bytes = b"") -> None:
        """Create it later."""
        self._waiting.append((path, value))

    async def write(self) -> None:
        """Create what waits."""
        for path, value in self._waiting:
            await self._registry.create(path, value)


@mutant(
    "delete-before-record",
    breaks="the cloud is asked to delete before the record says so",
    because="X2: whoever dies between the two leaves a record that calls a deleted server healthy",
    caught_by="decided-first",
    world=among("server-dies", "scale-in"),
)
def delete_before_record(patch: Patch) -> None:
    """Ask the cloud first."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def delete(self: Acts, action: Delete) -> Any:
            with suppress(Missing):
                await self._ask_cloud(partial(self._parts.cloud.delete, action.server))
            return await inner(self, action)

        return delete

    patch.around(Acts, "_delete", make)


@mutant(
    "forgets-before-gone",
    breaks="a record is removed once the deletion was asked for, not when the cloud has said that the server is gone",
    because="V4: the deletion fails or is stuck, and a server runs on that nobody knows, pays for and routes to",
    caught_by="forgotten",
    world=among("scale-in", "deletes-stall"),
)
def forgets_before_gone(patch: Patch) -> None:
    """Forget at once."""

    def change(rule: Rule) -> Rule | None:
        if rule.name == "forget":
            return replace(rule, cloud=None, pool=None, registration=None, matches=lambda _f, r, c: _is_old(r, c))
        return rule

    change_rules(patch, change)
    patch.set(Acts, "_demand_absent", _nothing)


def _is_old(record: ServerRecord, c: Any) -> bool:
    return record.delete_at is not None and bool(c.listed_at > record.delete_at)


async def _nothing(*_: object) -> None:
    """Demand nothing."""


@mutant(
    "gone-by-list-alone",
    breaks="a record is removed because a list leaves its server out, without asking for it by its id",
    because="O4: Nova leaves out, or calls UNKNOWN, the servers of a cell that is down",
    caught_by="forgotten",
    world=among("list-omits", "list-omits-zone", "service-removed"),
)
def gone_by_list_alone(patch: Patch) -> None:
    """Ask for nothing by id."""
    patch.set(Acts, "_demand_absent", _nothing)


@mutant(
    "confirms-unseen",
    breaks="an instance counts as ready before its registration was seen",
    because="P2, P10: Puppet has succeeded, and the service does not listen",
    caught_by="own-nonce",
)
def confirms_unseen(patch: Patch) -> None:
    """Confirm what starts."""

    def make(inner: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def keep_books(draft: Draft) -> None:
            inner(draft)
            for versions in draft.tally.instances.values():
                for instances in versions.values():
                    for server, standing in sorted(instances.starting.items()):
                        if _is_warming(standing):
                            words = "given its role"
                            draft.add(ConfirmReady(server=server, reason=Reason(cause=Cause.BOOKKEEPING, words=words)))

        return keep_books

    patch.around(decide, "keep_books", make)


def _is_warming(standing: Standing) -> bool:
    return standing.verdict is not None and standing.verdict.phase is Phase.WARMING


@mutant(
    "nothing-is-adopted",
    breaks="a server of ours without a record stays without one",
    because="O2, O3, Z15: leaked servers fill the quota until nothing can be built",
    caught_by="leak",
    world=among("record-removed-by-hand", "creates-late"),
)
def nothing_is_adopted(patch: Patch) -> None:
    """Plan no adoption."""

    def make(inner: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def keep_books(draft: Draft) -> None:
            inner(draft)
            draft.actions = [action for action in draft.actions if not isinstance(action, Adopt)]

        return keep_books

    patch.around(decide, "keep_books", make)


@mutant(
    "acts-in-silence",
    breaks="actions are carried out and told only when they have succeeded",
    because="X2: after a crash nobody knows what was asked for",
    caught_by="audit",
)
def acts_in_silence(patch: Patch) -> None:
    """Put no beginning on the stream."""

    def make(inner: Callable[..., Any]) -> Callable[..., Any]:
        async def carry_out(self: execute.Executor, action: Action, desired: DesiredState, cause: int | None) -> None:
            parts = self._parts
            self._parts = replace(parts, sink=_Mute(parts.sink))
            await inner(self, action, desired, cause)

        return carry_out

    patch.around(execute.Executor, "_carry_out", make)


class _Mute(_Careless):
    """A stream that is told no beginnings."""

    def emit(self, actor: str, event: Any, *, cause: int | None = None) -> int:
        """Tell everything else."""
        return 0 if event.kind == "action-started" else int(self._registry.emit(actor, event, cause=cause))


def _grown_meanwhile(seed: int) -> Scenario:
    """Remove a record when more instances are asked for: its slot looks free."""
    drawn = draw(seed)
    return replace(
        drawn,
        begins=Beginning.STANDING,
        lasts=Duration(4 * MINUTE),
        layout=replace(drawn.layout, servers=8, per_service=4, pool=4),
        faults=(
            Fault(kind="record-removed-by-hand", at=MINUTE, target=seed),
            Fault(kind="scale-out", at=MINUTE, lasts=MINUTE, amount=2),
        ),
    )


@mutant(
    "slot-given-twice",
    breaks="of an instance whose record is lost, nobody asks which slot it has, nor, later, whether two have one",
    because="Z15: its slot is given away, and when it is adopted two have it",
    caught_by="one-slot",
    world=_grown_meanwhile,
)
def slot_given_twice(patch: Patch) -> None:
    """Count the slots of the recorded only, and call nobody a twin."""
    patch.set(InstanceTally, "slots", lambda self: {slot_of(standing) for standing in self.staying()})
    patch.set(slots, "twins", lambda _have: {})

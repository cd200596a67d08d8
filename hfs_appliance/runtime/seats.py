"""The election's entries in the registry: looked at, and taken. What follows from a look is another's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hfs_appliance.mcp.election import Standing, Vacant, standing
from hfs_appliance.model.leadership import Candidate, Tenure
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.errors import Conflict, Missing
from hfs_appliance.ports.registry import CheckOp, DeleteOp, Operation, Registry, Session, SetOp, Znode
from hfs_appliance.registry.formats import FormatError, read_candidate, read_tenure, write
from hfs_appliance.registry.paths import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look shows."""

    standing: Standing
    seat: str
    """Path of our own seat."""
    others: tuple[Candidate, ...]
    """The other appliances, in the order of their sessions."""


class Seats:
    """The seats of all appliances, and the office, as one of them finds them."""

    def __init__(self, registry: Registry, layout: Layout, us: Candidate, clock: Clock) -> None:
        self._registry: Final = registry
        self._layout: Final = layout
        self._us: Final = us
        self._clock: Final = clock

    async def look(self, session: Session, seen: int, *, may_succeed_itself: bool) -> Sight:
        """Take our seat if we have none, and see who leads; `seen` is the highest epoch known. Errors: PortError."""
        ours = self._layout.candidate(session.session_id)
        epoch = await self._epoch(is_new=not seen)
        version = epoch.version if epoch is not None else 0
        seats = await self._seats(ours) if version >= seen else {}
        found = standing(
            _name(ours),
            self._us,
            version,
            seen,
            _read_tenure(epoch) if epoch is not None else None,
            seats,
            may_succeed_itself=may_succeed_itself,
        )
        others = tuple(seats[name] for name in sorted(seats) if name != _name(ours))
        return Sight(standing=found, seat=ours, others=others)

    async def take(self, vacant: Vacant, seat: str) -> None:
        """Take the office. Errors: PortError; Conflict when another one was quicker."""
        tenure = Tenure(seat=_name(seat), name=self._us.name, since=self._clock.now())
        operations: list[Operation] = [
            SetOp(path=self._layout.epoch, value=write(tenure), version=vacant.epoch),
            CheckOp(path=seat),
        ]
        if vacant.remains:
            operations.append(DeleteOp(path=f"{self._layout.candidates}/{vacant.remains}"))
        await self._registry.transact(operations)

    def vacancy(self) -> bytes:
        """Write what the epoch's entry says when we have laid the office down."""
        return write(Tenure(seat="", name=self._us.name, since=self._clock.now()))

    async def _epoch(self, *, is_new: bool) -> Znode | None:
        """Read the epoch's entry, and make it in an environment that is new to us."""
        try:
            return await self._registry.get(self._layout.epoch)
        except Missing:
            if not is_new:
                return None
            await self._create(self._layout.epoch, b"", is_ephemeral=False)
            return await self._registry.get(self._layout.epoch)

    async def _seats(self, ours: str) -> Mapping[str, Candidate]:
        """Read who stands for election, ourselves among them."""
        parent = self._layout.candidates
        try:
            names = await self._registry.children(parent)
        except Missing:
            names = ()
        if _name(ours) not in names:
            await self._create(ours, write(self._us), is_ephemeral=True)
            names = (*names, _name(ours))
        found = await self._registry.get_many(f"{parent}/{name}" for name in names)
        # Named by one session and owned by another: made while the session changed, and nobody's seat.
        seats = (znode for znode in found.values() if znode is not None)
        return {
            _name(seat.path): _read_candidate(seat)
            for seat in seats
            if seat.path == self._layout.candidate(seat.ephemeral_owner)
        }

    async def _create(self, path: str, value: bytes, *, is_ephemeral: bool) -> None:
        try:
            await self._registry.create(path, value, is_ephemeral=is_ephemeral)
        except Conflict:
            return  # it is there: all that was wanted


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _read_tenure(znode: Znode) -> Tenure | None:
    try:
        return read_tenure(znode.value)
    except FormatError:
        return None  # new, or spoilt by hand: nobody's


def _read_candidate(znode: Znode) -> Candidate:
    try:
        return read_candidate(znode.value)
    except FormatError:
        # Whoever it is, it lives: only its end makes the office vacant.
        return Candidate(appliance="", name=_name(znode.path), address="")

"""Facts of terms: what control planes write, and under which epoch, as a bystander reads it off their requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sim.truth import EpochTaken, PlaneWrote, SeatGone, Truth
from sim.wire.zookeeper.effects import Effect, NodeDeleted
from sim.wire.zookeeper.requests import Check, Multi, Operation, SetAccess, SetValue, Write

EPOCH: Final = "/epoch"
"""How the path of an environment's fence ends (hfs_appliance/registry/paths.py)."""
SEATS: Final = "/leader"
"""How the path ends below which the candidacies lie."""


def tell(truth: Truth, request: Write, client: int) -> None:
    """Tell of a write of a control plane that was carried out."""
    operations = _operations(request)
    checked = [one.version for one in operations if isinstance(one, Check) and one.path.endswith(EPOCH)]
    paths = tuple(one.path for one in operations if not isinstance(one, Check))
    truth.tell(PlaneWrote(client=client, epoch=checked[0] if checked else None, paths=paths))
    for one in operations:
        if isinstance(one, SetValue) and one.path.endswith(EPOCH):
            truth.tell(EpochTaken(client=client, epoch=one.version + 1, seat=_seat(one.value)))


def _seat(value: bytes | None) -> str:
    """Name the candidacy in a fence's value; nothing when somebody else's hand wrote it."""
    try:
        return str(json.loads(value or b"{}").get("seat", ""))
    except ValueError:
        return ""


def tell_gone(truth: Truth, effects: Iterable[Effect]) -> None:
    """Tell which candidacies a transaction has ended."""
    for effect in effects:
        if isinstance(effect, NodeDeleted):
            parent, _, name = effect.path.rpartition("/")
            if parent.endswith(SEATS):
                truth.tell(SeatGone(seat=name))


def _operations(request: Write) -> Iterable[Operation]:
    if isinstance(request, Multi):
        return request.operations
    return () if isinstance(request, SetAccess) else (request,)

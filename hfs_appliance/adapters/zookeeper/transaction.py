"""The port's operations <-> kazoo's transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, assert_never

from kazoo.exceptions import RolledBackError, RuntimeInconsistency

from hfs_appliance.adapters.zookeeper.errors import translate
from hfs_appliance.ports.errors import Conflict, Missing
from hfs_appliance.ports.registry import CheckOp, CreateOp, DeleteOp, Operation, SetOp

if TYPE_CHECKING:
    from kazoo.client import KazooClient, TransactionRequest

_BYSTANDERS: Final = (RolledBackError, RuntimeInconsistency)
"""What the operations before and after the one that failed are answered with."""


def build(client: KazooClient, operations: Sequence[Operation]) -> TransactionRequest:
    """Write operations as kazoo's request."""
    request = client.transaction()
    for operation in operations:
        match operation:
            case CreateOp():
                request.create(operation.path, operation.value, ephemeral=operation.is_ephemeral)
            case SetOp():
                request.set_data(operation.path, operation.value, operation.version)
            case DeleteOp():
                request.delete(operation.path, operation.version)
            case CheckOp():
                request.check(operation.path, operation.version)
            case _:
                assert_never(operation)
    return request


def result_of(operations: Sequence[Operation], results: Sequence[Any]) -> int:
    """Give the zxid that stands first in `results`, or raise for the operation that failed."""
    zxid, *answers = results
    for operation, answer in zip(operations, answers, strict=True):
        if isinstance(answer, Exception) and not isinstance(answer, _BYSTANDERS):
            failure = translate(answer, f"transaction, {type(operation).__name__} {operation.path}", is_write=True)
            # Within a transaction an absent entry is a state that was not as expected, like a wrong version.
            is_conflict = isinstance(failure, (Conflict, Missing))
            raise Conflict(failure.words, operation.path) if is_conflict else failure
    return int(zxid)

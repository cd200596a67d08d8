"""Enact: what an action makes of things: one truth for the executor, for forecasts and for simulated worlds."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hfs_appliance.factory.freshness import digest
from hfs_appliance.model.ids import CloudId, EnvironmentUuid, Nonce
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import (
    CloudServer,
    CloudStatus,
    InstanceStatus,
    PoolEntry,
    Registration,
    ServerRecord,
)
from hfs_appliance.model.plan import Claim, Condemn, ConfirmBuilt, ConfirmReady, Create, Delete, Drain


def recorded(action: Create, nonce: Nonce, now: Instant) -> ServerRecord:
    """Give the record that is written before the cloud is asked for a server."""
    return ServerRecord(
        server=action.server,
        nonce=nonce,
        pool=action.pool,
        az=action.az,
        created_at=now,
        cause=action.reason.cause.value,
        recipe=digest(action.recipe),
    )


def changed(
    record: ServerRecord, action: Claim | ConfirmBuilt | ConfirmReady | Condemn | Drain | Delete, now: Instant
) -> ServerRecord:
    """Give the record of a server once an action has been carried out."""
    cause = action.reason.cause.value
    match action:
        case Claim():
            role = action.service, action.version, action.slot
            return replace(record, service=role[0], version=role[1], slot=role[2], assigned_at=now)
        case ConfirmBuilt():
            return replace(_acquitted(record), built_at=now, built=action.built)
        case ConfirmReady():
            return replace(_acquitted(record), ready_at=now)
        case Condemn():
            return replace(record, failed_at=now, leave_cause=cause, evidence=action.reason.words)
        case Drain():
            return replace(record, drain_at=now, leave_cause=cause)
        case Delete():  # asked for again, it was decided when it was decided first
            return replace(record, delete_at=record.delete_at or now, leave_cause=cause)
        case _:
            assert_never(action)


def _acquitted(record: ServerRecord) -> ServerRecord:
    """Take back that it is a failure: it came late, and it is well."""
    if record.failed_at is None:
        return record
    return replace(record, failed_at=None, evidence="", leave_cause="")


def adopted(found: CloudServer, cause: str, now: Instant) -> ServerRecord:
    """Give the record of a server of ours that had none; what its role is, others say.

    One that the cloud deletes already is to be deleted: were the deletion to hang, nobody else would see to its end.
    """
    is_going = found.status is CloudStatus.DELETING
    return ServerRecord(
        server=found.server,
        nonce=found.nonce,
        pool=found.pool,
        az=found.az,
        created_at=now,  # its time to announce itself begins anew: nobody knows whether it ever did
        cause=cause,
        delete_at=now if is_going else None,
        leave_cause=cause if is_going else "",
    )


def resumed(record: ServerRecord, entry: Registration, now: Instant) -> ServerRecord:
    """Give the record of an adopted server whose role the registry has lost: its instance lives and says what it is."""
    role = entry.service, entry.version, entry.slot
    return replace(record, service=role[0], version=role[1], slot=role[2], assigned_at=now, ready_at=now)


def made(record: ServerRecord, uuid: EnvironmentUuid, address: str, now: Instant) -> CloudServer:
    """Give the server that a cloud lists which has made it at once."""
    return CloudServer(
        cloud_id=CloudId(record.server),
        server=record.server,
        nonce=record.nonce,
        pool=record.pool,
        az=record.az,
        status=CloudStatus.ACTIVE,
        address=address,
        created_at=now,
        uuid=uuid,
    )


def announced(found: CloudServer) -> PoolEntry:
    """Give the pool entry of a server that is built."""
    return PoolEntry(server=found.server, nonce=found.nonce, pool=found.pool, address=found.address)


def registered(record: ServerRecord, address: str, port: int) -> Registration:
    """Give the registration of an instance that takes traffic."""
    assert record.service is not None
    assert record.version is not None
    return Registration(
        service=record.service,
        instance=record.server,
        version=record.version,
        address=address,
        port=port,
        status=InstanceStatus.UP,
        server=record.server,
        nonce=record.nonce,
        slot=record.slot,
    )

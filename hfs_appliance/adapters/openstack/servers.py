"""Servers as nova tells them, and as it is asked for them. Pure.

Identity is metadata: names are not unique in nova (OS9), and whoever may rename a server may not be trusted with more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hfs_appliance.adapters.openstack.failures import is_for_quota
from hfs_appliance.model.ids import (
    AvailabilityZone,
    CloudId,
    EnvironmentName,
    EnvironmentUuid,
    Nonce,
    PoolName,
    ServerId,
)
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.observed import CloudServer, CloudStatus
from hfs_appliance.ports.cloud import ServerSpec

ENVIRONMENT: Final = "hfs_environment"
UUID: Final = "hfs_uuid"
SERVER: Final = "hfs_server"
NONCE: Final = "hfs_nonce"
POOL: Final = "hfs_pool"
AZ: Final = "hfs_az"

_STATUS: Final = {
    **dict.fromkeys(("BUILD", "REBUILD"), CloudStatus.BUILDING),
    **dict.fromkeys(
        ("ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE"),
        CloudStatus.ACTIVE,
    ),
    **dict.fromkeys(("SHUTOFF", "SUSPENDED", "PAUSED", "SHELVED", "SHELVED_OFFLOADED", "RESCUE"), CloudStatus.STOPPED),
    "ERROR": CloudStatus.ERROR,
    "SOFT_DELETED": CloudStatus.DELETING,
}
"""Of what is not here we know nothing: UNKNOWN."""

SOFT_DELETED: Final = "SOFT_DELETED"
GONE: Final = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One server as an answer tells it."""

    id: CloudId
    status: str
    project: str
    updated_at: Instant | None
    """The cloud's own time of its last change."""
    ours: CloudServer | None
    """None: it carries no identity of this environment, or none that the answer shows."""

    @property
    def is_gone(self) -> bool:
        """Tell whether it is told of for the last time."""
        return self.status == GONE

    @property
    def is_hidden(self) -> bool:
        """Tell whether the part of the cloud that knows it does not answer (OS7)."""
        return self.ours is None and self.status == "UNKNOWN"


def name_of(environment: EnvironmentName, server: ServerId) -> str:
    """Give the name that a server of ours carries in the cloud, for people and for filters."""
    return f"{environment}-{server}"


def metadata_of(spec: ServerSpec) -> Mapping[str, str]:
    """Give the identity of a server that is to be made."""
    return {
        ENVIRONMENT: spec.environment,
        UUID: spec.uuid,
        SERVER: spec.server,
        NONCE: spec.nonce,
        POOL: spec.pool,
        AZ: spec.az,
    }


def read(body: Mapping[str, Any], environment: EnvironmentName, networks: Sequence[str]) -> Told:
    """Read one server of an answer. Errors: KeyError, TypeError, ValueError when it is none."""
    cloud_id, status = CloudId(str(body["id"])), str(body["status"])
    metadata = body.get("metadata") or {}
    ours = None
    if metadata.get(ENVIRONMENT) == environment and metadata.get(SERVER) and metadata.get(NONCE):
        state = _status(status, body.get("OS-EXT-STS:task_state"))
        ours = CloudServer(
            cloud_id=cloud_id,
            server=ServerId(metadata[SERVER]),
            nonce=Nonce(metadata[NONCE]),
            pool=PoolName(metadata.get(POOL, "")),
            az=AvailabilityZone(body.get("OS-EXT-AZ:availability_zone") or metadata.get(AZ, "")),
            status=state,
            address=_address(body.get("addresses") or {}, networks),
            created_at=read_instant(body["created"]),
            uuid=EnvironmentUuid(metadata.get(UUID, "")),
            fault=_fault(body, status, state),
            is_exhausted=state is CloudStatus.ERROR and is_for_quota(_fault(body, status, state)),
        )
    updated = body.get("updated")
    return Told(
        id=cloud_id,
        status=status,
        project=str(body.get("tenant_id") or ""),
        updated_at=read_instant(updated) if updated else None,
        ours=ours,
    )


def _status(status: str, task: str | None) -> CloudStatus:
    if task in ("deleting", "soft-deleting"):
        return CloudStatus.DELETING  # nova leaves the status as it was until the server is gone
    return _STATUS.get(status, CloudStatus.UNKNOWN)


def _fault(body: Mapping[str, Any], status: str, state: CloudStatus) -> str:
    told = body.get("fault") or {}
    if state is CloudStatus.ERROR:
        return str(told.get("message") or "ERROR, and the cloud does not say why")
    return f"its status is {status}" if state in (CloudStatus.STOPPED, CloudStatus.UNKNOWN) else ""


def _address(addresses: Mapping[str, Any], networks: Sequence[str]) -> str:
    """Give the first fixed IPv4 address, by the order of our networks; empty when there is none yet."""
    order = {name: place for place, name in enumerate(networks)}
    for _, entries in sorted(addresses.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0])):
        for entry in entries:
            if entry.get("version") == 4 and entry.get("OS-EXT-IPS:type", "fixed") == "fixed":
                return str(entry["addr"])
    return ""


def read_instant(text: str) -> Instant:
    """Read a time of nova's: to the second, in UTC. Errors: ValueError."""
    return Instant(int(datetime.fromisoformat(text).timestamp()) * SECOND)


def write_instant(instant: Instant) -> str:
    """Write a time for nova."""
    return f"{datetime.fromtimestamp(instant // SECOND, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"

"""The observed state: what the cloud and the registry said, and when.

Absent and unknown are different things here: an `Observation` that was never made is `None` in the World (blind), one
that is old is stale, and only a fresh one supports a destructive decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.ids import (
    NO_UUID,
    AvailabilityZone,
    CloudId,
    EnvironmentUuid,
    Nonce,
    PoolName,
    ServerId,
    ServiceName,
    Version,
)
from hfs_appliance.model.instants import Duration, Instant
from hfs_appliance.model.rollout import Rollout
from hfs_appliance.model.traffic import ProxyServes, Traffic

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Generic[T]):
    """A value with the instant at which it was certainly true, and its source's revision (zxid, list counter)."""

    value: T
    observed_at: Instant
    revision: int

    def is_fresh(self, now: Instant, within: Duration) -> bool:
        """Tell whether the value was true no longer than `within` ago."""
        return now - self.observed_at <= within


class CloudStatus(StrEnum):
    """The cloud's word on a server; it says nothing about the service on it."""

    BUILDING = "building"
    ACTIVE = "active"
    STOPPED = "stopped"
    ERROR = "error"
    DELETING = "deleting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudServer:
    """A server as the cloud lists it; identity comes from its metadata, never from its name alone."""

    cloud_id: CloudId
    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    status: CloudStatus
    address: str
    created_at: Instant
    uuid: EnvironmentUuid = NO_UUID
    """Of the fleet that it was made for, from its metadata."""
    fault: str = ""
    """The cloud's own words about an ERROR or STOPPED server."""
    is_exhausted: bool = False
    """The fault is one of quota: nothing is wrong with what was asked for, there was only too much of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudView:
    """All servers that carry this environment's identity.

    `is_complete` is False when the cloud may have left servers out (a cell down, a page lost): absence proves nothing.
    A cloud that knows what has changed keeps a Map and makes each list from the one before (`updated`), so that nobody
    has to compare them; of any other mapping the observer finds out by itself.
    """

    servers: Mapping[ServerId, CloudServer]
    is_complete: bool = True
    project: str = ""
    """For which of its projects the cloud has answered, in its own words; empty when it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """Our durable record of a server (`servers/<id>`), written before the cloud is asked: the write-ahead intent."""

    server: ServerId
    nonce: Nonce
    pool: PoolName
    az: AvailabilityZone
    created_at: Instant
    cause: str
    """Why it was made: the code of the Reason."""
    recipe: str = ""
    """Digest of what it is made of."""
    built: str = ""
    """How its building went, stage by stage, in its agent's words."""
    built_at: Instant | None = None
    """First place in the pool seen: it was well once, and is no failed build whatever happens to it."""
    service: ServiceName | None = None
    version: Version | None = None
    slot: int | None = None
    assigned_at: Instant | None = None
    ready_at: Instant | None = None
    """First registration seen: closes the intent of the claim."""
    failed_at: Instant | None = None
    """Found to be a failure: counted once, and to go when the budget allows."""
    evidence: str = ""
    """What was known of it then, in words."""
    drain_at: Instant | None = None
    delete_at: Instant | None = None
    """Deletion decided: never taken back."""
    leave_cause: str = ""
    """Why it must leave: the code of the Cause, set with `failed_at`, `drain_at` or `delete_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEntry:
    """A built server that waits for a role (`pool/<id>`, ephemeral)."""

    server: ServerId
    nonce: Nonce
    pool: PoolName
    address: str
    built: str = ""
    """How its building went, stage by stage, in its agent's words."""
    unfit: str = ""
    """Why its agent finds that it must have no role; empty: all is well with it."""


class InstanceStatus(StrEnum):
    """What a registration says about taking traffic."""

    UP = "up"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A live entry of an instance (`services/<service>/<id>`, ephemeral)."""

    service: ServiceName
    instance: str
    """Name of the znode; the ServerId when our agent wrote it."""
    version: Version
    address: str
    """An IP address; never a host name."""
    port: int
    status: InstanceStatus = InstanceStatus.UP
    server: ServerId | None = None
    nonce: Nonce | None = None
    slot: int | None = None
    """Which of its version's instances it is, as it was told when it got its role; None when it does not say."""
    """Nonce of that server: an entry with another one is not its."""
    boot: str = ""
    """Changes with every start of the instance's process."""
    document: str | None = None
    """Path of its Swagger/OpenAPI document."""
    czxid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What keeps a server in building or an instance out of traffic, as its agent says (`troubles/<id>`, ephemeral)."""

    server: ServerId
    nonce: Nonce
    words: str
    report: tuple[str, ...] = ()
    """The same in detail: of Puppet, each resource that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryView:
    """What the registry holds for this environment."""

    records: Mapping[ServerId, ServerRecord] = field(default_factory=dict)
    pool: Mapping[ServerId, PoolEntry] = field(default_factory=dict)
    registrations: Mapping[ServiceName, Mapping[str, Registration]] = field(default_factory=dict)
    """By service, then by instance."""
    troubles: Mapping[ServerId, Trouble] = field(default_factory=dict)
    anchor: Anchor | None = None
    rollouts: Mapping[ServiceName, Rollout] = field(default_factory=dict)
    traffic: Mapping[ServiceName, Traffic] = field(default_factory=dict)
    proxies: Mapping[str, ProxyServes] = field(default_factory=dict)
    """By appliance."""
    departed: Mapping[ServerId, Instant] = field(default_factory=dict)
    """When this process saw a server's pool entry or registration go; cleared when it is back."""
    synced_at: Instant = Instant(0)
    """When this process first had the whole view of its present session."""
    removals_believed_at: Instant = Instant(0)
    """Recovery grace: until then, entries that vanished over a disconnect are not believed gone."""

    def registered(self, server: ServerId, nonce: Nonce) -> Registration | None:
        """Find the registration that certainly is that server's, of whatever service. Costs a look at each service."""
        for entries in self.registrations.values():
            entry = entries.get(server)
            if entry is not None and entry.nonce == nonce:
                return entry
        return None

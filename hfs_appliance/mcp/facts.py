"""Facts: what all sources say about one server, joined; and the circumstances under which they are judged."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import filterfalse
from typing import Final, NamedTuple

from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import NO_UUID, EnvironmentUuid, ServerId, ServiceName
from hfs_appliance.model.instants import Duration, Instant, seconds
from hfs_appliance.model.maps import flat, side_by_side
from hfs_appliance.model.observed import CloudServer, PoolEntry, Registration, RegistryView, ServerRecord
from hfs_appliance.model.probes import Probe
from hfs_appliance.model.world import World

CLOUD_FRESH_POLLS = 5
"""A list of servers older than this many poll intervals (and CLOUD_FRESH_AT_LEAST) is stale."""
CLOUD_FRESH_AT_LEAST = seconds(15)
CREATE_WITHIN = seconds(60)
"""A record whose server the cloud does not list by then is given up; later where a creation may take longer, …"""
CREATE_CALLS = 3
"""… which is a look and a request, each as long as a call may take, and the list that shows it."""
CREATE_RETRY_AFTER = seconds(5)
"""A record whose server the cloud does not list by then is asked for again: perhaps nothing was ever sent."""
DRAIN_MARGIN = seconds(15)
"""Beyond its drain time, an instance gets this long to say that it has stopped."""

quickly: Final = tuple.__new__
"""Makes a NamedTuple in a quarter of the time that its own constructor takes; a pass makes three for each server."""


class Facts(NamedTuple):
    """One server, as every source knows it; None where a source does not."""

    server: ServerId
    record: ServerRecord | None
    cloud: CloudServer | None
    pool_entry: PoolEntry | None
    registration: Registration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What holds for all servers of one World."""

    now: Instant
    services: Mapping[ServiceName, Service]
    create_within: Duration
    build_within: Mapping[str, Duration]
    """By pool."""
    departed: Mapping[ServerId, Instant]
    probes: Mapping[ServerId, Probe]
    uuid: EnvironmentUuid
    """Of our fleet; empty while there is no anchor."""
    synced_at: Instant
    is_cloud_known: bool
    """The list of servers is fresh and complete: absence in it is one witness."""
    listed_at: Instant
    are_removals_believed: bool
    removals_believed_at: Instant


def circumstances(world: World, desired: DesiredState) -> Circumstances:
    """Take from a World what the rules need beside the facts. The registry must have been observed."""
    assert world.registry is not None
    view = world.registry.value
    allowed = Duration(max(CLOUD_FRESH_AT_LEAST, CLOUD_FRESH_POLLS * desired.cloud.poll))
    cloud = world.cloud
    return Circumstances(
        now=world.now,
        services=desired.services,
        create_within=Duration(max(CREATE_WITHIN, CREATE_CALLS * desired.cloud.call_within)),
        build_within={name: pool.build_within for name, pool in desired.pools.items()},
        departed=view.departed,
        probes=world.probes,
        uuid=view.anchor.uuid if view.anchor is not None else NO_UUID,
        synced_at=view.synced_at,
        is_cloud_known=cloud is not None and cloud.value.is_complete and cloud.is_fresh(world.now, allowed),
        listed_at=cloud.observed_at if cloud is not None else Instant(0),
        are_removals_believed=world.now >= view.removals_believed_at,
        removals_believed_at=view.removals_believed_at,
    )


def are_alike(before: Circumstances, c: Circumstances) -> bool:
    """Tell whether two circumstances have the same facts judged alike; time, list and removals apart (standings.py)."""
    if before.uuid != c.uuid:
        return False
    is_same = before.services is c.services or _terms(before.services) == _terms(c.services)
    return is_same and before.build_within == c.build_within


def removals(c: Circumstances) -> tuple[bool, Instant, Instant]:
    """Give what the rules read of how far absence from the registry is believed; none reads it of what is there."""
    return c.are_removals_believed, c.synced_at, c.removals_believed_at


def _terms(services: Mapping[ServiceName, Service]) -> Mapping[ServiceName, tuple[Duration, ...]]:
    """Give what the rules read of services: other counts are no other terms."""
    return {name: (s.health.ready_within, s.suspect_grace, s.drain) for name, s in services.items()}


def join(
    view: RegistryView, servers: Mapping[ServerId, CloudServer], without: Container[ServerId] = frozenset()
) -> Iterator[Facts]:
    """Give the facts of every server that a record, the cloud or the pool knows, in no order, but of some records'."""
    pool = flat(view.pool)
    registrations = {service: flat(entries) for service, entries in flat(view.registrations).items()}
    for records, found in side_by_side(view.records, servers):
        part = replace(view, records=records, pool=pool, registrations=registrations)
        for server in filterfalse(without.__contains__, records):
            yield look_up(part, found, server)
        for server in filterfalse(records.__contains__, found):
            yield look_up(part, found, server)
    for server in pool:
        if server not in view.records and server not in servers:
            yield look_up(view, servers, server)


def look_up(view: RegistryView, servers: Mapping[ServerId, CloudServer], server: ServerId) -> Facts:
    """Give the facts of one server; none at all when nobody knows it.

    An entry with another nonce than the record's is that of another server of that name, one that was thought gone or
    is of another environment: it says nothing about ours. Without a record, the cloud tells which entries are ours.
    """
    record, entry, found = view.records.get(server), view.pool.get(server), servers.get(server)
    registration = None
    if record is None:
        if found is not None and (entry is None or entry.nonce != found.nonce):
            entry, registration = None, view.registered(server, found.nonce)
    else:
        if entry is not None and entry.nonce != record.nonce:
            entry = None
        if record.service is not None:
            entries = view.registrations.get(record.service)
            registration = entries.get(server) if entries is not None else None
            if registration is not None and registration.nonce not in (None, record.nonce):
                registration = None
        elif entry is None:
            registration = view.registered(server, record.nonce)
    return quickly(Facts, (server, record, found, entry, registration))

"""Glance: judges servers that serve and of which everybody says so, many at a time. They are nearly all of a fleet.

One look decides that `classify` would find the row `registered` and that `place` would put the server where its record
says; nothing of the rule table is asked then, and where it counts is found once for all that are alike. A server of
which one source says anything else is left to the table, also when that would call it serving. The rule to keep: to
leave one out costs time, to judge one otherwise than the table does is wrong (tests/mcp/test_glance.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeAlias, cast

from hfs_appliance.mcp.facts import Circumstances, Facts, quickly
from hfs_appliance.mcp.phases import DEAD, REGISTERED, RULES
from hfs_appliance.mcp.placing import place
from hfs_appliance.mcp.tally import Group, Place, Standing, Tally
from hfs_appliance.model.ids import AvailabilityZone, PoolName, ServerId, Version, serial_of
from hfs_appliance.model.maps import flat
from hfs_appliance.model.observed import CloudServer, InstanceStatus, Registration, RegistryView
from hfs_appliance.model.plan import Verdict

_ROW: Final = next(rule for rule in RULES if rule.name == REGISTERED)
_UP: Final = InstanceStatus.UP

_Alike: TypeAlias = tuple[Version | None, PoolName, AvailabilityZone, str]
"""Version, pool, zone and cause: with the service, all that tells where a server that serves counts."""


def glance(
    tally: Tally,
    view: RegistryView,
    listed: Mapping[ServerId, CloudServer],
    c: Circumstances,
    next_serial: int,
    busy: Collection[ServerId],
) -> tuple[Group, dict[ServerId, Verdict]]:
    """Put the servers that a glance tells of into the tally, and give them with their verdicts; `busy` are left out.

    Goes through the registrations by service, so that a server costs three values, and its groups are looked up once.
    """
    records, servers = flat(view.records), flat(listed)
    phase, rule, words, uuid = _ROW.phase, _ROW.name, _ROW.words, c.uuid
    seen: Group = {}
    verdicts: dict[ServerId, Verdict] = {}
    for service, registrations in flat(view.registrations).items():
        # An entry under a name that is no server's finds no record.
        entries = cast("Mapping[ServerId, Registration]", flat(registrations))
        alike: dict[_Alike, tuple[Place, Group]] = {}
        for server, entry in entries.items():
            record, cloud = records.get(server), servers.get(server)
            if (
                record is None
                or cloud is None
                or record.ready_at is None
                or record.drain_at is not None
                or record.delete_at is not None
                or record.service != service
                or record.version != entry.version
                or entry.status is not _UP
                or (entry.nonce != record.nonce and entry.nonce is not None)
                or cloud.status in DEAD
                or cloud.uuid != uuid
                or server in busy
                or not 0 < serial_of(server) < next_serial
            ):
                continue
            facts = quickly(Facts, (server, record, cloud, None, entry))
            verdict = verdicts[server] = quickly(Verdict, (server, phase, rule, record.ready_at, words))
            key = record.version, record.pool, record.az, record.cause
            kin = alike.get(key)
            if kin is None:
                kin = alike[key] = place(tally, facts, verdict, None, next_serial), {}
            kin[1][server] = quickly(Standing, (facts, verdict, None, None, kin[0]))
        for where, group in alike.values():
            tally.add_alike(where, phase, group)
            seen.update(group)
    return seen, verdicts

"""Registrations -> route table, with the guards that keep a service reachable while its registrations are in doubt.

A registration that is there is believed: it joins, it moves, it drains. Only *absence* is in doubt, because a lost
session, a recovering registry or a broken watch look the same as a dead instance. So a former member whose registration
is gone leaves only when it can be spared, and is a *suspect* until then: nginx tries it, passes over it when it is dead
(its passive checks are the second witness), and no upstream that had members is ever emptied by silence alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.observed import InstanceStatus, Registration
from hfs_appliance.proxy.table import Member, Route, RouteTable

RESERVED: Final = frozenset({ServiceName("docs")})
"""Names whose path the endpoint itself answers. Its other paths (`swagger.json`) are outside the grammar of names."""

SPARED_AT_ONCE: Final = 2
"""So many members may vanish in one step, whatever their share."""

SPARED_PERCENT: Final = 30
"""A greater share of a service that vanishes in one step, while the service is short of instances, is suspect."""

_Place: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Something that the registrations or the desired state ask for and the table does not do."""

    service: ServiceName
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The next table, and what was withheld from it."""

    table: RouteTable
    withheld: tuple[Withheld, ...]
    """Sorted by service."""


def next_table(
    before: RouteTable | None,
    desired: DesiredState,
    registrations: Mapping[ServiceName, Mapping[str, Registration]],
    *,
    removals_believed: bool,
) -> Routing:
    """Give the table to serve after `before`: one route for each desired service, sorted, the same for the same input.

    `removals_believed` is False during the recovery grace after a reconnect: nothing leaves for being absent.
    """
    former = before.routes if before else {}
    taken = {_place(entry) for entries in registrations.values() for entry in entries.values()}
    routes: dict[ServiceName, Route] = {}
    withheld: list[Withheld] = []
    for name in sorted(desired.services):
        service = desired.services[name]
        if name in RESERVED:
            withheld.append(Withheld(service=name, words=f"not routed: /{name}/ belongs to the endpoint itself"))
            continue
        known = registrations.get(name, {})
        members = _registered(service, known.values())
        absent = _absent(service, former[name], known, members, taken) if name in former else ()
        if absent and (doubt := _doubt(service, former[name], members, absent, removals_believed=removals_believed)):
            withheld.append(Withheld(service=name, words=doubt))
            members = (*members, *absent)
        routes[name] = Route(service=name, base_path=service.base_path, members=tuple(sorted(members)))
    endpoint = desired.endpoint
    table = RouteTable(
        address=endpoint.address,
        port=endpoint.port,
        connect_timeout=endpoint.connect_timeout,
        response_timeout=endpoint.response_timeout,
        routes=routes,
    )
    return Routing(table=table, withheld=tuple(withheld))


def _registered(service: Service, entries: Iterable[Registration]) -> tuple[Member, ...]:
    """Give the members that may have traffic: those of the desired versions and, until these are complete, of any.

    An upgrade adds before it removes: a first instance of the new version must not carry everything alone.
    """
    newest: dict[_Place, Registration] = {}
    for entry in sorted(entries, key=lambda entry: (entry.czxid, entry.instance)):
        # Two registrations of one place are a dead instance and its successor: only the newer one speaks for it.
        newest[_place(entry)] = entry
    up = [entry for entry in newest.values() if entry.status is InstanceStatus.UP]
    wanted = [entry for entry in up if service.versions.get(entry.version, 0) > 0]
    return tuple(
        Member(address=entry.address, port=entry.port, version=entry.version, instance=entry.instance)
        for entry in (wanted if len(wanted) >= sum(service.versions.values()) else up)
    )


def _absent(
    service: Service,
    former: Route,
    known: Mapping[str, Registration],
    members: tuple[Member, ...],
    taken: frozenset[_Place] | set[_Place],
) -> tuple[Member, ...]:
    """Give the former members of whom nothing is heard any more.

    Whoever is heard of is not absent: it is a member, drains, moved, or is of a version nobody wants. A place that
    somebody has registered by now is that one's, never a suspect's: its traffic could reach another service.
    """
    is_upgraded = any(service.versions.get(member.version, 0) > 0 for member in members)
    return tuple(
        member
        for member in former.members
        if member.instance not in known
        and (member.address, member.port) not in taken
        and (not is_upgraded or service.versions.get(member.version, 0) > 0)
    )


def _doubt(
    service: Service, former: Route, members: tuple[Member, ...], absent: tuple[Member, ...], *, removals_believed: bool
) -> str:
    """Say why the absent ones must stay; empty when they may leave."""
    wanted = sum(service.versions.values())
    gone = f"{len(absent)} of {len(former.members)} members without registration"
    if not removals_believed:
        return f"{gone} stay: the registry has only just come back"
    if len(members) >= wanted:
        return ""  # Nobody misses them: scaled in, or replaced by now. This is also how suspects leave in the end.
    if not members:
        return f"{gone} stay: they are the last ones"
    if len(absent) > SPARED_AT_ONCE and len(absent) * 100 > len(former.members) * SPARED_PERCENT:
        return f"{gone} stay as suspects until {wanted} instances are registered ({len(members)} are)"
    return ""


def _place(entry: Registration) -> _Place:
    return (entry.address, entry.port)

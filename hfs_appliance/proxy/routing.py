"""Registrations and traffic epochs -> route table, with the guards that keep a service reachable in doubt.

A registration that is there is believed: it joins, it moves, it drains. Only *absence* is in doubt, because a lost
session, a recovering registry or a broken watch look the same as a dead instance. So a former member whose registration
is gone leaves only when it can be spared, and is a *suspect* until then: nginx tries it, passes over it when it is dead
(its passive checks are the second witness), and no upstream that had members is ever emptied by silence alone. Our own
record is no silence: whose deletion is decided there has gone for good, and its address may be another's in seconds.

A traffic epoch divides the members by version, and each version is guarded by itself: that a new version is complete
must not make anybody believe that the old one, which carries the traffic, has died.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hfs_appliance.model.desired import DesiredState, Service, ServiceRole
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import InstanceStatus, Registration, ServerRecord
from hfs_appliance.model.traffic import EACH_REQUEST, WHOLE, Share, Traffic
from hfs_appliance.proxy.table import Group, Member, Route, RouteTable

RESERVED: Final = frozenset({ServiceName("docs")})
"""Names whose path the endpoint itself answers. Its other paths (`swagger.json`) are outside the grammar of names."""

SPARED_AT_ONCE: Final = 2
"""So many members may vanish in one step, whatever their share."""

SPARED_PERCENT: Final = 30
"""A greater share of a cohort that vanishes in one step, while the cohort is short of instances, is suspect."""

NO_RECORDS: Final[Map[ServerId, ServerRecord]] = Map()

Place: TypeAlias = tuple[str, int]
_Members: TypeAlias = tuple[Member, ...]


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
    """Sorted by service, one for each at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cohort:
    """Members that stand in for each other: those of a service, or of one version of it."""

    live: _Members
    former: _Members
    wanted: int
    """Instances that there should be."""
    name: str = ""


def next_table(
    before: RouteTable | None,
    desired: DesiredState,
    registrations: Mapping[ServiceName, Mapping[str, Registration]],
    traffic: Mapping[ServiceName, Traffic],
    records: Mapping[ServerId, ServerRecord] = NO_RECORDS,
    *,
    removals_believed: bool,
) -> Routing:
    """Give the table to serve after `before`: one route for each desired service, sorted, the same for the same input.

    `removals_believed` is False during the recovery grace after a reconnect: nothing leaves for being absent. `records`
    are those of our servers; instances without one are not ours.
    """
    former = before.routes if before else {}
    taken = {place_of(entry) for entries in registrations.values() for entry in entries.values()}
    routes: dict[ServiceName, Route] = {}
    withheld: list[Withheld] = []
    for name in sorted(desired.services):
        service, known, epoch = desired.services[name], registrations.get(name, {}), traffic.get(name)
        route, doubt = next_route(
            service, former.get(name), known, epoch, taken, records, removals_believed=removals_believed
        )
        if doubt:
            withheld.append(Withheld(service=name, words=doubt))
        if route is not None:
            routes[name] = route
    return Routing(table=table_of(desired, routes), withheld=tuple(withheld))


def table_of(desired: DesiredState, routes: Mapping[ServiceName, Route]) -> RouteTable:
    """Put routes and what is common to them together."""
    endpoint = desired.endpoint
    return RouteTable(
        address=endpoint.address,
        port=endpoint.port,
        connect_timeout=endpoint.connect_timeout,
        response_timeout=endpoint.response_timeout,
        routes=routes,
    )


def next_route(
    service: Service,
    former: Route | None,
    known: Mapping[str, Registration],
    epoch: Traffic | None,
    taken: Container[Place],
    records: Mapping[ServerId, ServerRecord],
    *,
    removals_believed: bool,
) -> tuple[Route | None, str]:
    """Give a service's route after `former`, and what is withheld from it, in words.

    `known` are its registrations, `taken` the places of everybody's. Only when members of `former` are not in `known`,
    `former`, `taken`, `records` and `removals_believed` matter: the Router relies on it.
    """
    if service.role is ServiceRole.PROXY:
        return None, ""  # they lead to the others
    if service.name in RESERVED:
        return None, f"not routed: /{service.name}/ belongs to the endpoint itself"
    up = _up(known.values())
    had = tuple(
        member
        for member in (former.reachable if former is not None else ())
        if member.instance in known or not _is_condemned(records.get(ServerId(member.instance)), service)
    )
    doubts: list[str] = []
    kept = []

    def is_leaving(member: Member) -> bool:
        record = records.get(ServerId(member.instance))
        return record is not None and record.service == service.name and record.drain_at is not None

    for cohort in _cohorts(service, had, up, epoch):
        members, doubt = _guarded(cohort, known, taken, is_leaving, removals_believed=removals_believed)
        kept.append(members)
        doubts += [doubt] if doubt else []
    if epoch is None:
        return _undivided(service, kept[0]), "; ".join(doubts)
    anybody: _Members = ()
    if not any(kept):
        # Nobody whom the epoch names: whoever else is there is guarded as one, for the route leads to them.
        others = _Cohort(live=up, former=had, wanted=sum(share.instances for share in epoch.shares))
        anybody, doubt = _guarded(others, known, taken, is_leaving, removals_believed=removals_believed)
        doubts += [doubt] if doubt else []
    return _divided(service, epoch, kept, anybody), "; ".join(doubts)


def _up(entries: Iterable[Registration]) -> _Members:
    """Give the instances that say they take traffic."""
    newest: dict[Place, Registration] = {}
    for entry in sorted(entries, key=lambda entry: (entry.czxid, entry.instance)):
        # Two registrations of one place are a dead instance and its successor: only the newer one speaks for it.
        newest[place_of(entry)] = entry
    return tuple(
        Member(address=entry.address, port=entry.port, version=entry.version, instance=entry.instance)
        for entry in newest.values()
        if entry.status is InstanceStatus.UP
    )


def _is_condemned(record: ServerRecord | None, service: Service) -> bool:
    """Tell whether the deletion of a service's server is decided, which is never taken back."""
    return record is not None and record.service == service.name and record.delete_at is not None


def _cohorts(service: Service, had: _Members, up: _Members, epoch: Traffic | None) -> list[_Cohort]:
    """Give those who are guarded together, in the order of the epoch's shares."""
    if epoch is None:
        return [_whole(service, had, up)]
    return [
        _Cohort(
            live=tuple(member for member in up if member.version == share.version),
            former=tuple(member for member in had if member.version == share.version),
            wanted=share.instances,
            name=f"{share.version}: ",
        )
        for share in epoch.shares
    ]


def _whole(service: Service, had: _Members, up: _Members) -> _Cohort:
    """Give the one cohort of a service without a traffic epoch: the desired versions and, until complete, any."""
    count = sum(service.versions.values())

    def is_wanted(member: Member) -> bool:
        return service.versions.get(member.version, 0) > 0

    wanted = tuple(filter(is_wanted, up))
    live = wanted if len(wanted) >= count else up
    # Whoever is of a version that nobody wants is missed only while there is nobody else.
    former = tuple(filter(is_wanted, had)) if wanted else had
    return _Cohort(live=live, former=former, wanted=count)


def _guarded(
    cohort: _Cohort,
    known: Mapping[str, Registration],
    taken: Container[Place],
    is_leaving: Callable[[Member], bool],
    *,
    removals_believed: bool,
) -> tuple[_Members, str]:
    """Give the members of a cohort with those whose absence is doubted, and the doubt in words.

    Whoever is heard of is not absent: it is a member, drains, moved, or is of a version nobody wants. A place that
    somebody has registered by now is that one's, never a suspect's: its traffic could reach another service.
    """
    absent = tuple(
        member
        for member in cohort.former
        if member.instance not in known and (member.address, member.port) not in taken
    )
    if absent:
        # Who is told to leave, by our own record, stands in for nobody, though it may not have heard of it.
        staying = sum(not is_leaving(member) for member in cohort.live)
        if doubt := _doubt(cohort, len(absent), staying, removals_believed=removals_believed):
            return (*cohort.live, *absent), cohort.name + doubt
    return cohort.live, ""


def _doubt(cohort: _Cohort, absent: int, staying: int, *, removals_believed: bool) -> str:
    """Say why the absent ones must stay; empty when they may leave."""
    gone = f"{absent} of {len(cohort.former)} members without registration"
    if not removals_believed:
        return f"{gone} stay: the registry has only just come back"
    if staying >= cohort.wanted:
        return ""  # Nobody misses them: scaled in, or replaced by now. This is also how suspects leave in the end.
    if not staying:
        return f"{gone} stay: they are the last ones"
    if absent > SPARED_AT_ONCE and absent * 100 > len(cohort.former) * SPARED_PERCENT:
        return f"{gone} stay as suspects until {cohort.wanted} instances are registered ({staying} are)"
    return ""


def _undivided(service: Service, members: _Members) -> Route:
    return Route(service=service.name, base_path=service.base_path, members=tuple(sorted(members)))


def _divided(service: Service, epoch: Traffic, kept: list[_Members], others: _Members) -> Route:
    """Divide the requests as the epoch says, among the versions that have anybody to take them.

    Who has nobody gives its requests to the others in their proportion; when none of those that should have requests
    has anybody, whoever is there takes them: a route never answers 503 because of a division.
    """
    present = [(share, members) for share, members in zip(epoch.shares, kept, strict=True) if members]
    used = [(share, members) for share, members in present if share.weight or share.matches]
    spare = [member for share, members in present if not share.weight and not share.matches for member in members]
    if not any(share.weight for share, _ in used):
        anybody = [member for _, members in present for member in members] or others
        return Route(
            service=service.name,
            base_path=service.base_path,
            members=tuple(sorted(anybody)),
            epoch=epoch.epoch,
        )
    return Route(
        service=service.name,
        base_path=service.base_path,
        members=tuple(sorted(member for _, members in used for member in members)),
        groups=_groups([share for share, _ in used]),
        key=epoch.key if len(used) > 1 else EACH_REQUEST,
        standby=tuple(sorted(spare)),
        epoch=epoch.epoch,
    )


def _groups(shares: list[Share]) -> tuple[Group, ...]:
    """Make the weights whole again, the rounding to the last one's account; one version alone needs no groups."""
    if len(shares) < 2:
        return ()
    total = sum(share.weight for share in shares)
    weights = [share.weight * WHOLE // total for share in shares]
    last = max(index for index, share in enumerate(shares) if share.weight)
    weights[last] += WHOLE - sum(weights)
    return tuple(
        Group(version=share.version, weight=weight, matches=share.matches)
        for share, weight in zip(shares, weights, strict=True)
    )


def place_of(entry: Registration) -> Place:
    """Tell where a registration says that its instance listens."""
    return (entry.address, entry.port)

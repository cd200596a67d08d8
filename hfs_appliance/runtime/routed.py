"""Routed: how the endpoint serves a service, and why an instance has traffic or has none. Pure; words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hfs_appliance.model.explained import Division, MemberReport, RoutingReport
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.observed import InstanceStatus, Registration, RegistryView
from hfs_appliance.model.plan import Plan, Verdict
from hfs_appliance.model.traffic import WHOLE, Match, SplitBy, SplitKey
from hfs_appliance.proxy.routing import place_of
from hfs_appliance.proxy.table import Group, Member, Route


def routing(
    route: Route, view: RegistryView, plan: Plan, servers: Iterable[ServerId], *, doubt: str, refused: str
) -> RoutingReport:
    """Explain one route: who has traffic, who has none, how requests are divided.

    `servers` are those with a role of the service, `doubt` what is withheld from the route, `refused` why the proxy has
    not taken what it should serve.
    """
    told = [doubt] if doubt else []
    told += [f"what should be served is not served yet: {refused}"] if refused else []
    return RoutingReport(
        divided_by=_divided_by(route.key) if route.groups else "",
        divisions=tuple(_divisions(route)),
        members=(*_reached(route, view, plan), *_others(route, view, plan, servers)),
        epoch=route.epoch,
        words="; ".join(told) or "the proxy serves what the registry and the desired state ask for",
    )


def _divisions(route: Route) -> Iterator[Division]:
    members = Counter(member.version for member in route.members)
    if route.groups:
        for group in route.groups:
            yield _division(group, members[group.version])
        return
    left = WHOLE
    for number, (version, count) in enumerate(sorted(members.items()), 1):
        weight = left if number == len(members) else WHOLE * count // len(route.members)
        left -= weight
        yield Division(version=version, weight=weight, members=count)


def _division(group: Group, members: int) -> Division:
    matches = tuple(map(_match, group.matches))
    return Division(version=group.version, weight=group.weight, members=members, matches=matches)


def _match(match: Match) -> str:
    return f"{match.carrier.value} {match.name} = {match.value}"


def _divided_by(key: SplitKey) -> str:
    match key.by:
        case SplitBy.REQUEST:
            return "each request for itself"
        case SplitBy.ADDRESS:
            return "the client's address"
        case SplitBy.COOKIE:
            return f"cookie {key.cookie}; requests without it each for itself"


def _reached(route: Route, view: RegistryView, plan: Plan) -> Iterator[MemberReport]:
    known = view.registrations.get(route.service, {})
    for traffic, members in (("yes", route.members), ("standby", route.standby)):
        for member in members:
            yield _member(member, traffic, known.get(member.instance), plan.verdicts.get(ServerId(member.instance)))


def _member(member: Member, traffic: str, entry: Registration | None, verdict: Verdict | None) -> MemberReport:
    if entry is None:
        words = "its registration is gone; the proxy tries it until it can be spared"
    elif entry.status is InstanceStatus.DRAINING:
        words = "drains; leaves the endpoint in a moment"
    elif traffic == "standby":
        words = "of a version that is kept warm: gets a request only when all others have failed"
    else:
        words = "registered"
    return MemberReport(
        instance=member.instance,
        version=member.version,
        address=f"{member.address}:{member.port}",
        traffic=traffic,
        phase=verdict.phase.value if verdict is not None else "",
        words=words,
    )


def _others(route: Route, view: RegistryView, plan: Plan, servers: Iterable[ServerId]) -> Iterator[MemberReport]:
    """Tell of those that are registered or have the role, and get no requests."""
    reached = {member.instance for member in route.reachable}
    known = view.registrations.get(route.service, {})
    newest = _newest(known)
    for name in sorted({*known, *servers} - reached):
        entry, server = known.get(name), ServerId(name)
        verdict, record = plan.verdicts.get(server), view.records.get(server)
        version = entry.version if entry is not None else record.version if record is not None else None
        yield MemberReport(
            instance=name,
            version=version or Version(""),
            address=f"{entry.address}:{entry.port}" if entry is not None else "",
            traffic="no",
            phase=verdict.phase.value if verdict is not None else "",
            words=_why_not(route, entry, newest) if entry is not None else _unregistered(view, server, verdict),
        )


def _newest(known: Mapping[str, Registration]) -> Mapping[tuple[str, int], str]:
    """Name the instance that speaks for each place: the one that registered there last."""
    ordered = sorted(known.values(), key=lambda entry: (entry.czxid, entry.instance))
    return {place_of(entry): entry.instance for entry in ordered}


def _why_not(route: Route, entry: Registration, newest: Mapping[tuple[str, int], str]) -> str:
    if entry.status is InstanceStatus.DRAINING:
        return "registered as draining: it lets its open requests end"
    successor = newest[place_of(entry)]
    if successor != entry.instance:
        return f"{successor} has registered at the same place since"
    if entry.version not in {member.version for member in route.reachable}:
        return f"registered; no requests go to version {entry.version} now"
    return "registered; the proxy has not taken it in yet"


def _unregistered(view: RegistryView, server: ServerId, verdict: Verdict | None) -> str:
    trouble = view.troubles.get(server)
    words = f"not registered: {verdict.words}" if verdict is not None else "not registered"
    return f"{words}; its agent says: {trouble.words}" if trouble is not None else words


def roles(view: RegistryView, service: ServiceName) -> tuple[ServerId, ...]:
    """Name the servers that have a role of a service or are registered for it, sorted."""
    registered = {entry.server for entry in view.registrations.get(service, {}).values() if entry.server is not None}
    recorded = {server for server, record in view.records.items() if record.service == service}
    return tuple(sorted(registered | recorded))

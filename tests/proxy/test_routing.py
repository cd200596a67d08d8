"""Routing: what joins and leaves a route table, and what silence alone may not take away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.desired import (
    Admin,
    CloudProvider,
    CloudSettings,
    DesiredState,
    Endpoint,
    Limits,
    RegistrySettings,
    RunSpec,
    Service,
)
from hfs_appliance.model.ids import AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.observed import InstanceStatus, Registration, ServerRecord
from hfs_appliance.model.traffic import WHOLE, Carrier, Match, Share, Traffic
from hfs_appliance.proxy.render import Host, render
from hfs_appliance.proxy.router import Router
from hfs_appliance.proxy.routing import RESERVED, Routing, next_table
from hfs_appliance.proxy.table import RouteTable

DNS, DOMAINS = ServiceName("dns"), ServiceName("domains")
UP, DRAINING = InstanceStatus.UP, InstanceStatus.DRAINING

Registrations = Mapping[ServiceName, Mapping[str, Registration]]


def desired(**counts: int | Mapping[str, int]) -> DesiredState:
    """Desire services by name: so many instances of version 1, or so many of each version."""
    return DesiredState(
        environment=EnvironmentName("test"),
        generation=1,
        registry=RegistrySettings(),
        cloud=CloudSettings(provider=CloudProvider.LOCAL),
        endpoint=Endpoint(address="127.0.0.1", port=8080),
        admin=Admin(address="127.0.0.1", port=8081),
        limits=Limits(max_servers=100),
        pools={},
        services={
            ServiceName(name): Service(
                name=ServiceName(name),
                pool=PoolName("small"),
                port=80,
                run=RunSpec(command=("serve",)),
                versions={Version(v): n for v, n in ({"1": count} if isinstance(count, int) else count).items()},
            )
            for name, count in counts.items()
        },
    )


def registered(service: ServiceName, *numbers: int, status: InstanceStatus = UP, version: str = "1") -> Registrations:
    entries = [
        Registration(
            service=service,
            instance=f"{service}-{number}",
            version=Version(version),
            address=f"127.0.1.{number}",
            port=80,
            status=status,
            czxid=number,
        )
        for number in numbers
    ]
    return {service: {entry.instance: entry for entry in entries}}


def merged(*parts: Registrations) -> Registrations:
    names = {name for part in parts for name in part}
    return {name: {k: v for part in parts for k, v in part.get(name, {}).items()} for name in names}


def members(routing: Routing, service: ServiceName = DNS) -> list[str]:
    return [member.instance for member in routing.table.routes[service].members]


def step(
    before: Routing | None, wanted: DesiredState, registrations: Registrations, *, removals_believed: bool = True
) -> Routing:
    return next_table(before.table if before else None, wanted, registrations, {}, removals_believed=removals_believed)


def test_a_desired_service_has_a_route_before_it_has_members() -> None:
    assert members(step(None, desired(dns=2), {})) == []


def test_nothing_undesired_is_routed() -> None:
    routing = step(None, desired(dns=1), merged(registered(DNS, 1), registered(DOMAINS, 2)))
    assert list(routing.table.routes) == [DNS]


def test_a_reserved_name_is_refused_and_hurts_nobody() -> None:
    (docs,) = RESERVED
    routing = step(None, desired(dns=1, docs=1), merged(registered(DNS, 1), registered(docs, 2)))
    assert list(routing.table.routes) == [DNS]
    assert [note.service for note in routing.withheld] == [docs]


def test_a_draining_member_leaves_at_once_even_the_last_one_and_during_grace() -> None:
    before = step(None, desired(dns=2), registered(DNS, 1, 2))
    both_drain = registered(DNS, 1, 2, status=DRAINING)
    assert members(step(before, desired(dns=2), merged(registered(DNS, 1), registered(DNS, 2, status=DRAINING)))) == [
        "dns-1"
    ]
    assert members(step(before, desired(dns=2), both_drain, removals_believed=False)) == []


def test_an_instance_that_vanishes_leaves_at_once_while_others_are_there() -> None:
    before = step(None, desired(dns=2), registered(DNS, 1, 2))
    after = step(before, desired(dns=2), registered(DNS, 1))
    assert members(after) == ["dns-1"]
    assert after.withheld == ()


def test_the_last_members_stay_as_suspects_until_another_one_is_there() -> None:
    before = step(None, desired(dns=1), registered(DNS, 1))
    alone = step(before, desired(dns=1), {})
    assert members(alone) == ["dns-1"]
    assert "they are the last ones" in alone.withheld[0].words
    assert members(step(alone, desired(dns=1), {})) == ["dns-1"]
    assert members(step(alone, desired(dns=1), registered(DNS, 2))) == ["dns-2"]


def test_the_last_member_leaves_once_its_deletion_is_decided_whatever_is_believed_of_absence() -> None:
    before = step(None, desired(dns=2), registered(DNS, 1, 2))

    def after(entries: Registrations, doomed: ServerRecord) -> list[str]:
        return members(
            next_table(before.table, desired(dns=2), entries, {}, {doomed.server: doomed}, removals_believed=False)
        )

    doomed = ServerRecord(
        server=ServerId("dns-1"),
        nonce=Nonce("n1"),
        pool=PoolName("small"),
        az=AvailabilityZone("az1"),
        created_at=Instant(1),
        cause="meet-demand",
        service=DNS,
        delete_at=Instant(2),
    )
    assert after({}, doomed) == ["dns-2"], "its address may be another's in seconds"
    assert after({}, replace(doomed, delete_at=None)) == ["dns-1", "dns-2"]
    assert after({}, replace(doomed, service=DOMAINS)) == ["dns-1", "dns-2"], "not the server that was routed"
    assert after(registered(DNS, 1), doomed) == ["dns-1", "dns-2"], "whoever is heard of says itself when it leaves"


def test_whoever_is_told_to_leave_and_has_not_heard_of_it_stands_in_for_nobody() -> None:
    before = step(None, desired(dns=2), registered(DNS, 1, 2))
    leaving = ServerRecord(
        server=ServerId("dns-2"),
        nonce=Nonce("n2"),
        pool=PoolName("small"),
        az=AvailabilityZone("az1"),
        created_at=Instant(1),
        cause="meet-demand",
        service=DNS,
        drain_at=Instant(2),
    )

    def after(record: ServerRecord) -> Routing:
        entries = registered(DNS, 2)
        return next_table(before.table, desired(dns=1), entries, {}, {record.server: record}, removals_believed=True)

    assert members(after(leaving)) == ["dns-1", "dns-2"]
    assert "they are the last ones" in after(leaving).withheld[0].words
    assert members(after(replace(leaving, service=DOMAINS))) == ["dns-2"]
    assert members(after(replace(leaving, drain_at=None))) == ["dns-2"]


def test_suspects_leave_with_their_service() -> None:
    alone = step(step(None, desired(dns=1), registered(DNS, 1)), desired(dns=1), {})
    assert step(alone, desired(domains=1), {}).table.routes.keys() == {DOMAINS}


def test_a_mass_loss_is_suspect_until_the_service_has_its_number_again() -> None:
    before = step(None, desired(dns=10), registered(DNS, *range(10)))
    lost = step(before, desired(dns=10), registered(DNS, *range(6)))
    assert len(members(lost)) == 10
    assert (
        lost.withheld[0].words
        == "4 of 10 members without registration stay as suspects until 10 instances are registered (6 are)"
    )
    assert len(members(step(lost, desired(dns=10), registered(DNS, *range(6), 11, 12)))) == 12
    assert len(members(step(lost, desired(dns=10), registered(DNS, *range(6), 11, 12, 13, 14)))) == 10


def test_a_mass_loss_that_was_asked_for_is_believed() -> None:
    before = step(None, desired(dns=8), registered(DNS, *range(8)))
    assert len(members(step(before, desired(dns=2), registered(DNS, 0, 1)))) == 2
    assert members(step(before, desired(dns=0), {})) == []


def test_a_third_may_vanish_at_once() -> None:
    before = step(None, desired(dns=10), registered(DNS, *range(10)))
    assert len(members(step(before, desired(dns=10), registered(DNS, *range(7))))) == 7


def test_during_the_recovery_grace_nobody_leaves_for_being_absent() -> None:
    before = step(None, desired(dns=3), registered(DNS, 1, 2, 3))
    after = step(before, desired(dns=3), registered(DNS, 3, 4), removals_believed=False)
    assert members(after) == ["dns-1", "dns-2", "dns-3", "dns-4"]
    assert "only just come back" in after.withheld[0].words


def test_a_place_that_somebody_registered_is_no_suspect_of_another_service() -> None:
    before = step(None, desired(dns=1, domains=1), registered(DNS, 1))
    after = step(before, desired(dns=1, domains=1), registered(DOMAINS, 1), removals_believed=False)
    assert members(after) == []
    assert members(after, DOMAINS) == ["domains-1"]


def test_an_instance_that_moved_is_not_also_kept_at_its_old_place() -> None:
    before = step(None, desired(dns=1), registered(DNS, 1))
    moved = registered(DNS, 2)[DNS]["dns-2"]
    after = step(before, desired(dns=1), {DNS: {"dns-1": moved}}, removals_believed=False)
    assert [member.address for member in after.table.routes[DNS].members] == ["127.0.1.2"]


def test_two_registrations_of_one_place_are_one_member_the_newer() -> None:
    old, new = registered(DNS, 1)[DNS]["dns-1"], registered(DNS, 1, version="2")[DNS]["dns-1"]
    both = {DNS: {"zombie": old, "successor": new}}
    assert len(members(step(None, desired(dns={"1": 1, "2": 1}), both))) == 1


def test_an_old_version_serves_until_the_desired_one_is_complete() -> None:
    before = step(None, desired(dns=2), registered(DNS, 1, 2))
    waiting = step(before, desired(dns={"2": 2}), registered(DNS, 1, 2))
    assert members(waiting) == ["dns-1", "dns-2"]
    both = merged(registered(DNS, 1, 2), registered(DNS, 3, version="2"))
    assert members(step(waiting, desired(dns={"2": 2}), both)) == ["dns-1", "dns-2", "dns-3"]
    complete = merged(both, registered(DNS, 4, version="2"))
    assert members(step(waiting, desired(dns={"2": 2}), complete)) == ["dns-3", "dns-4"]


# -- properties ----------------------------------------------------------------------------------------------------

VERSIONS = st.sampled_from(["1", "2"])
SERVICES = st.sampled_from([DNS, DOMAINS, ServiceName("docs")])


@st.composite
def registrations(draw: st.DrawFn) -> Registrations:
    found: dict[ServiceName, dict[str, Registration]] = {}
    for name in draw(st.lists(SERVICES, unique=True)):
        for number in draw(st.lists(st.integers(1, 12), unique=True)):
            entry = Registration(
                service=name,
                instance=f"i-{number}",
                version=Version(draw(VERSIONS)),
                address=f"127.0.1.{draw(st.integers(1, 12))}",
                port=80,
                status=draw(st.sampled_from(InstanceStatus)),
                czxid=number,
            )
            found.setdefault(name, {})[entry.instance] = entry
    return found


@st.composite
def wishes(draw: st.DrawFn) -> DesiredState:
    counts = st.dictionaries(VERSIONS, st.integers(0, 8), min_size=1)
    return desired(**draw(st.dictionaries(SERVICES, counts)))


@st.composite
def epochs(draw: st.DrawFn) -> Mapping[ServiceName, Traffic]:
    found = {}
    for name in draw(st.lists(SERVICES, unique=True)):
        cut = draw(st.integers(0, WHOLE))
        order = draw(st.permutations(["1", "2", "3"]))
        shares = tuple(
            Share(version=Version(version), weight=weight, instances=draw(st.integers(0, 8)))
            for version, weight in zip(order, (cut, WHOLE - cut, 0), strict=True)
        )
        found[name] = Traffic(service=name, epoch=draw(st.integers(1, 9)), shares=shares)
    return found


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    table = None
    for _ in range(draw(st.integers(1, 3))):
        believed = draw(st.booleans())
        table = next_table(
            table, draw(wishes()), draw(registrations()), draw(epochs()), removals_believed=believed
        ).table
    assert table is not None
    return table


@given(tables(), wishes(), registrations(), st.fixed_dictionaries({"removals_believed": st.booleans()}))
def test_the_table_is_sorted_and_deterministic_and_settles(
    before: RouteTable, wanted: DesiredState, entries: Registrations, belief: dict[str, bool]
) -> None:
    once = next_table(before, wanted, entries, {}, {}, **belief)
    shuffled = {name: dict(reversed(list(entries[name].items()))) for name in reversed(list(entries))}
    assert next_table(before, wanted, shuffled, {}, {}, **belief) == once
    assert next_table(once.table, wanted, entries, {}, {}, **belief).table == once.table
    assert list(once.table.routes) == sorted(once.table.routes)
    for route in once.table.routes.values():
        assert list(route.members) == sorted(set(route.members))


@given(tables(), wishes(), registrations(), st.fixed_dictionaries({"removals_believed": st.booleans()}))
def test_routes_are_those_of_the_desired_services_and_members_are_known(
    before: RouteTable, wanted: DesiredState, entries: Registrations, belief: dict[str, bool]
) -> None:
    table = next_table(before, wanted, entries, {}, {}, **belief).table
    assert table.routes.keys() == wanted.services.keys() - RESERVED
    for name, route in table.routes.items():
        known = {(entry.address, entry.port) for entry in entries.get(name, {}).values()}
        known |= (
            {(member.address, member.port) for member in before.routes[name].reachable}
            if name in before.routes
            else set()
        )
        assert {(member.address, member.port) for member in route.members} <= known


@given(tables(), wishes())
def test_silence_never_empties_an_upstream_that_is_still_wanted(before: RouteTable, wanted: DesiredState) -> None:
    after = next_table(before, wanted, {}, {}, removals_believed=True).table
    for name, service in wanted.services.items():
        if name in before.routes and before.routes[name].members and sum(service.versions.values()):
            assert after.routes[name].members


@given(tables(), wishes(), registrations())
def test_during_grace_whoever_is_only_silent_stays(
    before: RouteTable, wanted: DesiredState, entries: Registrations
) -> None:
    after = next_table(before, wanted, entries, {}, removals_believed=False).table
    heard_of = {(entry.address, entry.port) for known in entries.values() for entry in known.values()}
    for name, route in after.routes.items():
        silent = [
            member
            for member in (before.routes[name].reachable if name in before.routes else ())
            if member.instance not in entries.get(name, {})
            and (member.address, member.port) not in heard_of
            and wanted.services[name].versions.get(member.version, 0) > 0
        ]
        assert set(silent) <= set(route.members)


@pytest.mark.parametrize("status", [UP, DRAINING])
def test_a_draining_registration_is_never_a_member(status: InstanceStatus) -> None:
    routing = step(None, desired(dns=1), registered(DNS, 1, status=status))
    assert members(routing) == (["dns-1"] if status is UP else [])


# -- traffic epochs ------------------------------------------------------------------------------------------------


def epoch(*shares: tuple[str, int, int], number: int = 1) -> Mapping[ServiceName, Traffic]:
    """Divide dns by (version, weight, instances)."""
    given = tuple(Share(version=Version(version), weight=w, instances=n) for version, w, n in shares)
    return {DNS: Traffic(service=DNS, epoch=number, shares=given)}


def divided(
    before: Routing | None,
    traffic: Mapping[ServiceName, Traffic],
    entries: Registrations,
    *,
    removals_believed: bool = True,
) -> Routing:
    table = before.table if before else None
    return next_table(table, desired(dns=3), entries, traffic, removals_believed=removals_believed)


def weights(routing: Routing) -> dict[str, int]:
    return {group.version: group.weight for group in routing.table.routes[DNS].groups}


OLD, NEW = registered(DNS, 1, 2, 3), registered(DNS, 4, 5, 6, version="2")
BOTH = merged(OLD, NEW)


def test_a_version_that_the_epoch_does_not_name_gets_nothing() -> None:
    route = divided(None, epoch(("1", 1000, 3)), BOTH).table.routes[DNS]
    assert {member.version for member in route.reachable} == {"1"}
    assert (route.groups, route.epoch) == ((), 1)


def test_requests_are_divided_by_weight_in_the_order_of_the_epoch() -> None:
    route = divided(None, epoch(("2", 50, 3), ("1", 950, 3)), BOTH).table.routes[DNS]
    assert [(group.version, group.weight) for group in route.groups] == [("2", 50), ("1", 950)]
    assert len(route.members) == 6


def test_a_version_without_weight_and_match_stands_by() -> None:
    route = divided(None, epoch(("2", 1000, 3), ("1", 0, 3)), BOTH).table.routes[DNS]
    assert ({m.version for m in route.members}, {m.version for m in route.standby}) == ({"2"}, {"1"})
    assert route.groups == ()


def test_a_match_needs_no_weight() -> None:
    match = Match(carrier=Carrier.HEADER, name="X-Beta", value="yes")
    shares = (
        Share(version=Version("2"), weight=0, instances=3, matches=(match,)),
        Share(version=Version("1"), weight=WHOLE, instances=3),
    )
    route = divided(None, {DNS: Traffic(service=DNS, epoch=1, shares=shares)}, BOTH).table.routes[DNS]
    assert [(group.version, group.weight, group.matches) for group in route.groups] == [
        ("2", 0, (match,)),
        ("1", 1000, ()),
    ]
    only_matched = divided(None, {DNS: Traffic(service=DNS, epoch=1, shares=shares)}, NEW)
    assert members(only_matched) == ["dns-4", "dns-5", "dns-6"]


def test_a_version_with_nobody_leaves_its_requests_to_the_others() -> None:
    three = epoch(("3", 100, 0), ("2", 300, 3), ("1", 600, 3))
    assert weights(divided(None, three, BOTH)) == {"2": 333, "1": 667}
    assert members(divided(None, epoch(("2", 1000, 3), ("1", 0, 3)), OLD)) == ["dns-1", "dns-2", "dns-3"]
    assert members(divided(None, epoch(("3", 1000, 3)), OLD)) == ["dns-1", "dns-2", "dns-3"]


def test_whoever_stands_in_for_the_versions_of_an_epoch_is_guarded_too() -> None:
    stand_in = divided(None, epoch(("3", 1000, 3)), OLD)
    silent = divided(stand_in, epoch(("3", 1000, 3)), {DNS: {}})
    assert members(silent) == ["dns-1", "dns-2", "dns-3"]
    assert silent.withheld[0].words == "3 of 3 members without registration stay: they are the last ones"
    assert members(divided(silent, epoch(("3", 1000, 3)), registered(DNS, 4, version="3"))) == ["dns-4"]


def test_each_version_is_guarded_by_itself() -> None:
    """That the new version is complete must not make the loss of the old one, which has the traffic, believable."""
    before = divided(None, epoch(("2", 50, 3), ("1", 950, 3)), BOTH)
    lost = divided(before, epoch(("2", 50, 3), ("1", 950, 3)), NEW)
    assert len(members(lost)) == 6
    assert lost.withheld[0].words == "1: 3 of 3 members without registration stay: they are the last ones"
    replaced = divided(lost, epoch(("2", 50, 3), ("1", 950, 3)), merged(NEW, registered(DNS, 7, 8, 9)))
    assert members(replaced) == ["dns-4", "dns-5", "dns-6", "dns-7", "dns-8", "dns-9"]


def test_a_suspect_of_a_version_without_traffic_leaves_with_its_share() -> None:
    before = divided(None, epoch(("2", 50, 3), ("1", 950, 3)), BOTH)
    lost = divided(before, epoch(("2", 1000, 3), ("1", 0, 3)), NEW)
    assert [member.instance for member in lost.table.routes[DNS].standby] == ["dns-1", "dns-2", "dns-3"]
    assert list(divided(lost, epoch(("2", 1000, 3)), NEW).table.routes[DNS].standby) == []


def test_the_end_of_the_last_epoch_changes_nothing_for_a_complete_version() -> None:
    before = divided(None, epoch(("2", 1000, 3), ("1", 0, 3)), BOTH)
    after = next_table(before.table, desired(dns={"2": 3}), NEW, {}, removals_believed=True)
    assert members(after) == members(before)
    assert after.table.routes[DNS].epoch == 0


@given(tables(), wishes(), registrations(), epochs(), st.booleans())
def test_a_divided_table_can_be_written_and_settles_and_keeps_whoever_can_answer(
    before: RouteTable,
    wanted: DesiredState,
    entries: Registrations,
    traffic: Mapping[ServiceName, Traffic],
    believed: bool,  # noqa: FBT001  # drawn
) -> None:
    once = next_table(before, wanted, entries, traffic, removals_believed=believed).table
    again = next_table(once, wanted, entries, traffic, removals_believed=believed).table
    assert again == once
    render(once, Host(user=None, open_files=1024))
    for name, route in once.routes.items():
        up = {place for place, status in newest(entries.get(name, {})).items() if status is UP}
        assert route.members or not up or name not in traffic
        assert not {m.instance for m in route.members} & {m.instance for m in route.standby}


def newest(entries: Mapping[str, Registration]) -> Mapping[tuple[str, int], InstanceStatus]:
    order = sorted(entries.values(), key=lambda entry: (entry.czxid, entry.instance))
    return {(entry.address, entry.port): entry.status for entry in order}


SITUATIONS = st.lists(st.tuples(wishes(), registrations(), epochs(), st.booleans(), st.booleans()), max_size=8)


@given(tables(), SITUATIONS)
def test_a_router_gives_table_after_table_what_would_be_made_from_nothing(
    served: RouteTable,
    situations: list[tuple[DesiredState, Registrations, Mapping[ServiceName, Traffic], bool, bool]],
) -> None:
    router = Router()
    entries: Map[ServiceName, Map[str, Registration]] = Map()
    for wanted, found, traffic, believed, is_published in situations:
        entries = entries.became({name: entries.get(name, Map()).became(known) for name, known in found.items()})
        for _ in range(2):  # the second time nothing is new
            routing = router.next_table(served, wanted, entries, traffic, removals_believed=believed)
            assert routing == next_table(served, wanted, entries, traffic, removals_believed=believed)
            assert routing.table.digest() == replace(routing.table, routes=dict(routing.table.routes)).digest()
            served = routing.table if is_published else served


def test_a_table_shares_the_routes_that_have_not_changed() -> None:
    router, wanted = Router(), desired(dns=2, domains=1)
    both = merged(registered(DNS, 1, 2), registered(DOMAINS, 7))
    first = router.next_table(None, wanted, both, {}, removals_believed=True).table
    both = {**both, **registered(DNS, 1, 2, 3)}
    second = router.next_table(first, wanted, both, {}, removals_believed=True).table
    assert differing(first.routes, second.routes) == {DNS}
    assert second.digest() != first.digest()

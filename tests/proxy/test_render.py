"""Rendering: the file says what the table says and nothing else, whatever the table holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import crossplane
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.instants import SECOND, seconds
from hfs_appliance.model.traffic import Carrier, Match, SplitBy, SplitKey
from hfs_appliance.proxy.render import Host, render
from hfs_appliance.proxy.table import Group, Member, OddField, Route, RouteTable

HOST = Host(user=None, open_files=1024)
GOLDEN = Path(__file__).parents[1] / "golden" / "nginx"

Directive = tuple[str, ...]
"""The blocks that it stands in, its name and its arguments."""


def table(*routes: Route, address: str = "127.0.0.1") -> RouteTable:
    return RouteTable(
        address=address,
        port=8080,
        connect_timeout=SECOND,
        response_timeout=seconds(30),
        routes={route.service: route for route in routes},
    )


def member(address: str = "127.0.1.1", **changes: Any) -> Member:
    return replace(Member(address=address, port=80, version=Version("1.0"), instance="small-0001"), **changes)


def route(service: str, *members: Member, base_path: str = "/") -> Route:
    return Route(service=ServiceName(service), base_path=base_path, members=members)


def directives(text: str, path: Path) -> Counter[Directive]:
    """Read the file as nginx would, by somebody else's parser."""
    path.write_text(text)
    (parsed,) = crossplane.parse(str(path), single=True, catch_errors=False)["config"]
    return Counter(_flat(parsed["parsed"], ()))


def _flat(block: list[dict[str, Any]], above: Directive) -> Iterator[Directive]:
    for one in block:
        own = (*above, " ".join((one["directive"], *one["args"])))
        yield own
        yield from _flat(one.get("block", []), own)


def expected(one: Route) -> Iterator[Directive]:
    """Say, independently of the template, what one route adds to the file."""
    name = one.service
    for upstream, own, others in expected_upstreams(one):
        block = ("http", f"upstream {upstream}")
        yield block
        yield (*block, f"zone {upstream} {32 + 2 * (len(own) + len(others))}k")
        for m, backup in [*((m, "") for m in own), *((m, " backup") for m in others)]:
            place = f"[{m.address}]:{m.port}" if ":" in m.address else f"{m.address}:{m.port}"
            yield (*block, f"server {place} max_fails=1 fail_timeout=1s{backup}")
        yield from ((*block, "keepalive 32"), (*block, "keepalive_timeout 1s"))
    exact, prefix = ("http", "server", f"location = /{name}"), ("http", "server", f"location /{name}/")
    yield from (exact, (*exact, "return 308 $uri/$is_args$args"), prefix)
    if not one.members:
        yield (*prefix, "return 503")
        return
    yield (*prefix, f"set $hfs_service {name}")
    yield (*prefix, f"set $hfs_base_path {one.base_path}")
    if not one.groups:
        yield (*prefix, f"proxy_pass http://service-{name}{one.base_path}")
        return
    yield (*prefix, "rewrite ^/[^/]+/((?s).*)$ $hfs_base_path$1 break")
    matches = [(index, match) for index, group in enumerate(one.groups) for match in group.matches]
    stem = name.replace("-", "_")
    first = f"$hfs_match_{stem}_0" if matches else f"$hfs_drawn_{stem}"
    yield (*prefix, f"proxy_pass http://{first}")
    yield from expected_draw(one, stem)
    for number, (index, match) in enumerate(matches):
        carrier = "http" if match.carrier is Carrier.HEADER else "cookie"
        is_last = number + 1 == len(matches)
        variable = match.name.lower().replace("-", "_")
        block = ("http", f"map =${carrier}_{variable} $hfs_match_{stem}_{number}")
        yield from (block, (*block, f"={match.value} service-{name}.{index}"))
        yield (*block, "default " + (f"$hfs_drawn_{stem}" if is_last else f"$hfs_match_{stem}_{number + 1}"))


def expected_upstreams(one: Route) -> Iterator[tuple[str, list[Member], list[Member]]]:
    if not one.groups and one.members:
        yield f"service-{one.service}", list(one.members), list(one.standby)
    for index, group in enumerate(one.groups):
        own = [m for m in one.members if m.version == group.version]
        yield f"service-{one.service}.{index}", own, [m for m in one.reachable if m.version != group.version]


def expected_draw(one: Route, stem: str) -> Iterator[Directive]:
    name, key = one.service, f"$hfs_key_{stem}"
    if one.key.by is SplitBy.COOKIE:
        cookie = f"$cookie_{one.key.cookie.lower()}"
        yield ("http", f"map {cookie} {key}")
        yield ("http", f"map {cookie} {key}", " $request_id")
        yield ("http", f"map {cookie} {key}", f"default {cookie}")
    drawn_from = {"request": "$request_id", "address": f"{name}:$remote_addr", "cookie": f"{name}:{key}"}[one.key.by]
    block = ("http", f"split_clients {drawn_from} $hfs_drawn_{stem}")
    yield block
    weighed = [(index, group.weight) for index, group in enumerate(one.groups) if group.weight]
    for index, weight in weighed[:-1]:
        yield (*block, f"{weight // 10}.{weight % 10}% service-{name}.{index}")
    yield (*block, f"* service-{name}.{weighed[-1][0]}")


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
VERSIONS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", fullmatch=True)
MEMBERS = st.builds(
    Member,
    address=st.ip_addresses().filter(lambda ip: not getattr(ip, "scope_id", None)).map(str),
    port=st.integers(1, 65535),
    version=VERSIONS,
    instance=VERSIONS,
)
BASE_PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,9}", fullmatch=True), max_size=3).map(
    lambda segments: "".join(("/", *(f"{segment}/" for segment in segments)))
)
PLAIN = st.builds(Route, service=NAMES, base_path=BASE_PATHS, members=st.lists(MEMBERS, max_size=3).map(tuple))
MATCHES = st.builds(
    Match,
    carrier=st.sampled_from(Carrier),
    name=st.from_regex(r"[A-Za-z0-9]{1,63}", fullmatch=True),
    value=st.one_of(st.just("default"), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,62}", fullmatch=True)),
)
KEYS = st.one_of(
    st.just(SplitKey()),
    st.just(SplitKey(by=SplitBy.ADDRESS)),
    st.just(SplitKey(by=SplitBy.COOKIE, cookie="Session_1")),
)


@st.composite
def divided_routes(draw: st.DrawFn) -> Route:
    members = draw(st.lists(MEMBERS, min_size=2, max_size=4, unique_by=lambda m: m.version))
    cut = draw(st.integers(0, 1000))
    weights = [cut, 1000 - cut, *(0 for _ in members[2:])]
    groups = tuple(
        Group(version=m.version, weight=weight, matches=tuple(draw(st.lists(MATCHES, max_size=2))))
        for m, weight in zip(members, weights, strict=True)
    )
    plain = draw(PLAIN)
    taken = {m.version for m in members}
    standby = tuple(m for m in plain.members if m.version not in taken)
    return replace(plain, members=tuple(members), groups=groups, key=draw(KEYS), standby=standby)


ROUTES = st.one_of(PLAIN, divided_routes())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(st.lists(ROUTES, max_size=4, unique_by=lambda one: one.service))
def test_another_parser_finds_exactly_what_the_table_says(tmp_path: Path, routes: list[Route]) -> None:
    def without_revision(text: str, revision: str) -> Counter[Directive]:
        return directives(text.replace(revision, "REVISION"), tmp_path / "nginx.conf")

    bare, full = render(table(), HOST), render(table(*routes), HOST)
    added = without_revision(full.text, full.revision)
    added.subtract(without_revision(bare.text, bare.revision))
    assert +added == Counter(directive for one in routes for directive in expected(one))
    assert not -added


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=12), st.sampled_from(["service", "base_path", "address", "version", "instance", "endpoint"]))
def test_any_text_in_any_field_is_refused_or_harmless(tmp_path: Path, text: str, where: str) -> None:
    fields: dict[str, Callable[[], RouteTable]] = {
        "service": lambda: table(route(text, member())),
        "base_path": lambda: table(route("dns", member(), base_path=text)),
        "address": lambda: table(route("dns", member(text))),
        "version": lambda: table(route("dns", member(version=text))),
        "instance": lambda: table(route("dns", member(instance=text))),
        "endpoint": lambda: table(route("dns", member()), address=text),
    }
    try:
        rendered = render(fields[where](), HOST)
    except OddField:
        return
    found = directives(rendered.text, tmp_path / "nginx.conf")
    usual = directives(render(table(route("dns", member())), HOST).text, tmp_path / "nginx.conf")
    assert Counter(one[-1].split()[0] for one in found.elements()) == Counter(
        one[-1].split()[0] for one in usual.elements()
    )


def divided(*groups: Group) -> Route:
    return replace(route("dns", member(version=Version("1")), member(version=Version("2"))), groups=groups)


def weighing(weight: int, version: str = "1", matched: tuple[str, str] | None = None) -> Group:
    matches = (Match(carrier=Carrier.HEADER, name=matched[0], value=matched[1]),) if matched else ()
    return Group(version=Version(version), weight=weight, matches=matches)


@pytest.mark.parametrize(
    "odd",
    [
        table(route("dns; }", member())),
        table(route("Dns", member())),
        table(route("dns\n", member())),
        table(route("dns", member("example.org"))),
        table(route("dns", member("127.0.0.1 down"))),
        table(route("dns", member("fe80::1%eth0"))),
        table(route("dns", member(port=0))),
        table(route("dns", member(port=70000))),
        table(route("dns", member(version='1"'))),
        table(route("dns", member(instance="$host"))),
        table(route("dns", member(), base_path="/../")),
        table(route("dns", member(), base_path="/a/$b/")),
        table(route("dns", member(), base_path="/a")),
        table(route("dns", member()), address="0.0.0.0; include /etc/passwd"),
        replace(table(), routes={ServiceName("dns"): route("domains")}),
        table(divided(Group(version=Version("1"), weight=1000))),
        table(divided(weighing(500), weighing(499, "2"))),
        table(divided(weighing(-1), weighing(1001, "2"))),
        table(divided(weighing(500), weighing(500, "1"))),
        table(divided(weighing(500, matched=("X-Beta", 'yes"')), weighing(500, "2"))),
        table(divided(weighing(500, matched=("X Beta", "yes")), weighing(500, "2"))),
        table(replace(divided(weighing(500), weighing(500, "2")), key=SplitKey(by=SplitBy.COOKIE, cookie="a-b"))),
    ],
)
def test_odd_fields_are_refused(odd: RouteTable) -> None:
    with pytest.raises(OddField):
        render(odd, HOST)


def test_the_revision_is_of_the_text_and_is_named_in_it() -> None:
    one, other = render(table(), HOST), render(table(route("dns")), HOST)
    assert one == render(table(), HOST)
    assert one.revision != other.revision
    assert f'return 200 "{one.revision}";' in one.text


EXAMPLE = table(
    route("certificates", member("127.77.0.3"), member("::1", port=8443), base_path="/api/v2/"),
    route("dns", member("127.77.0.1"), member("127.77.0.2", version=Version("1.1"), instance="small-0002")),
    route("domains"),
)


DIVIDED = table(
    replace(
        route(
            "dns",
            member("127.77.0.1", version=Version("1.4.2")),
            member("127.77.0.2", version=Version("1.4.2"), instance="small-0002"),
            member("127.77.0.3", version=Version("1.5.0"), instance="small-0003"),
            base_path="/api/",
        ),
        groups=(
            Group(
                version=Version("1.5.0"),
                weight=50,
                matches=(
                    Match(carrier=Carrier.HEADER, name="X-Beta", value="yes"),
                    Match(carrier=Carrier.COOKIE, name="beta", value="default"),
                ),
            ),
            Group(version=Version("1.4.2"), weight=950),
        ),
        standby=(member("127.77.0.4", version=Version("1.4.1"), instance="small-0004"),),
        key=SplitKey(by=SplitBy.COOKIE, cookie="session"),
    ),
    replace(
        route("domains", member("127.77.0.5"), member("127.77.0.6", version=Version("1.1"), instance="small-0006")),
        groups=(Group(version=Version("1.1"), weight=5), Group(version=Version("1.0"), weight=995)),
    ),
)


@pytest.mark.parametrize(("name", "example"), [("three-services", EXAMPLE), ("divided", DIVIDED)])
def test_golden_files(name: str, example: RouteTable) -> None:
    """Whole files, as reviewed; tests/adapters/nginx has a real nginx check them."""
    assert render(example, HOST).text == (GOLDEN / f"{name}.conf").read_text()

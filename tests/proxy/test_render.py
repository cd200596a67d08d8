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
from hfs_appliance.proxy.render import Host, OddField, render
from hfs_appliance.proxy.table import Member, Route, RouteTable

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
    if one.members:
        upstream = ("http", f"upstream service-{name}")
        yield upstream
        yield (*upstream, f"zone service-{name} {32 + 2 * len(one.members)}k")
        for m in one.members:
            place = f"[{m.address}]:{m.port}" if ":" in m.address else f"{m.address}:{m.port}"
            yield (*upstream, f"server {place} max_fails=1 fail_timeout=1s")
        yield from ((*upstream, "keepalive 32"), (*upstream, "keepalive_timeout 1s"))
    exact, prefix = ("http", "server", f"location = /{name}"), ("http", "server", f"location /{name}/")
    yield from (exact, (*exact, "return 308 $uri/$is_args$args"), prefix)
    if one.members:
        yield (*prefix, f"set $hfs_service {name}")
        yield (*prefix, f"set $hfs_base_path {one.base_path}")
        yield (*prefix, f"proxy_pass http://service-{name}{one.base_path}")
    else:
        yield (*prefix, "return 503")


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
ROUTES = st.builds(Route, service=NAMES, base_path=BASE_PATHS, members=st.lists(MEMBERS, max_size=3).map(tuple))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_golden_file() -> None:
    """The whole file, as reviewed; tests/adapters/nginx has a real nginx check it."""
    assert render(EXAMPLE, HOST).text == (GOLDEN / "three-services.conf").read_text()

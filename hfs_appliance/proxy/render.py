"""Route table -> text of nginx.conf. Everything that can vary passes one quoting function, which refuses what is odd.

The jinja2 environment calls `_quoted` for every `{{ … }}` by itself: the template cannot forget it. No text of a
service's or a tenant's making gets into the file; paths in it are relative to the directory that nginx is started in.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Final

from jinja2 import Environment, StrictUndefined, Template

from hfs_appliance.model.ids import is_name, is_version
from hfs_appliance.model.instants import MILLISECOND, Duration
from hfs_appliance.proxy.division import Reference, check_groups, division, upstreams
from hfs_appliance.proxy.table import HEALTH_PATH, Member, OddField, Route, RouteTable

_HARMLESS: Final = re.compile(r"[A-Za-z0-9/_.:=~%*\[\]+-]*")
"""What may stand between quotes: nothing that ends a string, a directive or a block, or that starts a variable."""

_BASE_PATH: Final = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*/)*")
"""Segments that do not begin with a dot: `..` cannot be written."""

_REVISION_GAP: Final = ":revision:"
"""Stands for the revision while it is computed; no field's grammar allows it."""

_REVISION_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the machine decides, not the table."""

    user: str | None
    """Account of the worker processes; None when nginx is not started by root and has no choice."""
    open_files: int
    """Descriptors that a worker may have; a proxied request takes two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A configuration file."""

    revision: str
    """12 hexadecimal digits of the text, which itself names them: nginx can be asked what it serves."""
    text: str


def render(table: RouteTable, host: Host) -> Rendered:
    """Write nginx.conf. Same input, same bytes. Errors: OddField."""
    _check(table)
    routes = [table.routes[name] for name in sorted(table.routes)]
    draft = _template().render(
        revision=_REVISION_GAP,
        health_path=HEALTH_PATH,
        host=host,
        listen=endpoint_of(table.address, table.port),
        connect_timeout=_milliseconds(table.connect_timeout),
        response_timeout=_milliseconds(table.response_timeout),
        # An instance that is silent for the whole response timeout is left for one more attempt, not for all others.
        patience=_milliseconds(Duration(2 * table.response_timeout)),
        routes=routes,
        divisions={route.service: division(route) for route in routes if route.groups},
        upstreams=[upstream for route in routes for upstream in upstreams(route)],
        place=lambda member: endpoint_of(member.address, member.port),
        zone_size=_zone_size,
    )
    revision = hashlib.sha256(draft.encode()).hexdigest()[:_REVISION_DIGITS]
    return Rendered(revision=revision, text=draft.replace(_REVISION_GAP, revision))


def endpoint_of(address: str, port: int) -> str:
    """Write `address:port`, with the brackets that IPv6 needs."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@cache
def _template() -> Template:
    source = files(__package__).joinpath("templates/nginx.conf.j2").read_text()
    environment = Environment(
        autoescape=False,  # noqa: S701  # this is no HTML; `finalize` does what autoescape would
        finalize=_quoted,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(source)


def _quoted(value: object) -> str:
    """Give the one form in which anything variable gets into the file."""
    if isinstance(value, Reference):
        return f'"{_harmless(value.before)}${value.variable}"'
    return f'"{_harmless(str(value))}"'


def _harmless(text: str) -> str:
    if not _HARMLESS.fullmatch(text):
        raise OddField(f"{text[:80]!r} has characters that may not stand in nginx.conf")
    return text


def _check(table: RouteTable) -> None:
    """Hold every field against its own grammar, which is narrower than what quoting lets through."""
    _check_place("endpoint", table.address, table.port)
    for name, route in table.routes.items():
        if not is_name(name) or route.service != name:
            raise OddField(f"service {name[:80]!r} is not of the form [a-z0-9][a-z0-9-]*")
        if not _BASE_PATH.fullmatch(route.base_path):
            raise OddField(f"{name}: base path {route.base_path[:80]!r} is not a plain path that ends with a slash")
        for member in route.reachable:
            _check_member(route, member)
        check_groups(route)


def _check_member(route: Route, member: Member) -> None:
    _check_place(f"{route.service}/{member.instance[:80]}", member.address, member.port)
    if not is_version(member.version) or not is_version(member.instance):
        raise OddField(f"{route.service}: instance {member.instance[:80]!r}, version {member.version[:80]!r}")


def _check_place(owner: str, address: str, port: int) -> None:
    if not _is_plain_address(address) or not 0 < port < 65536:
        raise OddField(f"{owner}: {address[:80]!r} port {port} is not an IP address and a port")


@lru_cache(maxsize=65536)  # half the cost of rendering; addresses come again with every table
def _is_plain_address(text: str) -> bool:
    try:
        return str(ip_address(text)) == text and "%" not in text
    except ValueError:
        return False


def _milliseconds(span: Duration) -> str:
    # 0 would mean "no limit" to some directives and "at once" to others.
    return f"{max(1, span // MILLISECOND)}ms"


def _zone_size(members: int) -> str:
    """Give the size of an upstream's shared memory: measured need is under 1 KiB a member, plus nginx's own."""
    return f"{32 + 2 * members}k"

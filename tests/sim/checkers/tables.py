"""Route tables by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import seconds
from hfs_appliance.proxy.table import Member, Route, RouteTable
from sim.desired import PORT
from tests.sim.checkers.stage import V1, address


def table(routes: Mapping[ServiceName, Iterable[str]]) -> RouteTable:
    """Route services to servers, each at its own address."""
    return RouteTable(
        address="127.0.0.1",
        port=8080,
        connect_timeout=seconds(1),
        response_timeout=seconds(60),
        routes={name: route(name, servers) for name, servers in routes.items()},
    )


def route(name: ServiceName, servers: Iterable[str]) -> Route:
    members = (Member(address=address(server), port=PORT, version=V1, instance=server) for server in servers)
    return Route(service=name, base_path="/", members=tuple(members))

"""Network (Neutron v2.0): networks with one subnet each, routers, security groups, and ports.

Names are not unique here, as in the real one: who asks twice has two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Network
from itertools import count
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.router import ApiError, Route, content

NETWORK: Final = "private"
GROUP: Final = "default"
ROUTER_PORT: Final = "network:router_interface"
SERVER_PORT: Final = "compute:nova"

Item = dict[str, Any]


def fixed_id(name: str) -> str:
    """Give the id of something that is there from the beginning: it follows from its name."""
    return str(uuid5(NAMESPACE_DNS, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A place in a network."""

    id: str
    network_id: str
    device_id: str
    address: str
    project_id: str = ""
    subnet_id: str = ""
    owner: str = SERVER_PORT
    groups: frozenset[str] = frozenset()
    """Ids of its security groups."""

    def shown(self) -> Mapping[str, Any]:
        """Give what the API tells."""
        return {
            "id": self.id,
            "network_id": self.network_id,
            "device_id": self.device_id,
            "device_owner": self.owner,
            "project_id": self.project_id,
            "status": "ACTIVE",
            "security_groups": sorted(self.groups),
            "fixed_ips": [{"ip_address": self.address, "subnet_id": self.subnet_id}],
        }


class Network:
    """Implements Service."""

    type = "network"
    prefix = "/network"
    root = ""
    version: Mapping[str, str] = {"id": "v2.0"}
    needs_token = True

    def __init__(
        self,
        networks: Mapping[str, str],
        groups: Sequence[str] = (GROUP, "web"),
        *,
        project: Callable[[Request], str],
        now: Callable[[], str],
        owner: str,
        quota: int = 100_000,
    ) -> None:
        """`project` and `now` tell whose a request is and what time it is; `owner` has what is there already."""
        self._project: Final = project
        self._now: Final = now
        self._made: Final = count(1)
        self.quota = quota
        self.networks: Final[dict[str, Item]] = {}
        self.subnets: Final[dict[str, Item]] = {}
        self.routers: Final[dict[str, Item]] = {}
        self.groups: Final[dict[str, Item]] = {}
        self.ports: Final[dict[str, Port]] = {}
        self._free: Final[dict[str, Iterator[str]]] = {}
        self._given_back: Final[dict[str, list[str]]] = {}
        self._last = 0
        for name, cidr in networks.items():
            self._put(self.networks, fixed_id(name), {"name": name, "status": "ACTIVE"}, owner)
            subnet = {"name": name, "network_id": fixed_id(name), "cidr": cidr}
            self._address(self._put(self.subnets, fixed_id(f"subnet-{name}"), subnet, owner))
        for name in groups:
            self._put(self.groups, fixed_id(f"group-{name}"), {"name": name, "security_group_rules": []}, owner)
        self.routes: Sequence[Route] = (
            *self._looks("networks", "network", self.networks),
            ("POST", "/v2.0/networks", self._make_network),
            ("DELETE", "/v2.0/networks/{item}", self._remove_network),
            *self._looks("subnets", "subnet", self.subnets),
            ("POST", "/v2.0/subnets", self._make_subnet),
            ("DELETE", "/v2.0/subnets/{item}", self._remove_subnet),
            *self._looks("routers", "router", self.routers),
            ("POST", "/v2.0/routers", self._make_router),
            ("DELETE", "/v2.0/routers/{item}", self._remove_router),
            ("PUT", "/v2.0/routers/{item}/add_router_interface", self._join),
            ("PUT", "/v2.0/routers/{item}/remove_router_interface", self._part),
            *self._looks("security-groups", "security_group", self.groups),
            ("POST", "/v2.0/security-groups", self._make_group),
            ("DELETE", "/v2.0/security-groups/{item}", self._remove_group),
            ("POST", "/v2.0/security-group-rules", self._make_rule),
            ("GET", "/v2.0/ports", self._list_ports),
        )

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {"NeutronError": {"type": HTTPStatus(error.status).phrase, "message": error.message, "detail": ""}}

    def plug(self, network: str, device: str, project: str = "", groups: Iterable[str] = ()) -> Port:
        """Give a server a port. Errors: ApiError."""
        if len(self.ports) >= self.quota:
            raise ApiError(HTTPStatus.FORBIDDEN, "Maximum number of ports exceeded")
        if network not in self._free:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, f"Network {network} requires a subnet in order to boot instances on."
            )
        again, self._last = self._given_back[network], self._last + 1
        address = again.pop(0) if again else next(self._free[network])
        names = set(groups) or {GROUP}
        port = Port(
            id=fixed_id(f"port-{device}-{self._last}"),
            network_id=network,
            device_id=device,
            address=address,
            project_id=project,
            groups=frozenset(item["id"] for item in self.groups.values() if names & {item["id"], item["name"]}),
        )
        self.ports[port.id] = port
        return port

    def unplug(self, device: str) -> None:
        """Take a server's ports away."""
        for port in [port for port in self.ports.values() if port.device_id == device]:
            del self.ports[port.id]
            self._given_back[port.network_id].append(port.address)

    def knows_group(self, name_or_id: str) -> bool:
        """Tell whether there is such a security group."""
        return any(name_or_id in (group["id"], group["name"]) for group in self.groups.values())

    def _looks(self, path: str, key: str, items: Mapping[str, Item]) -> Sequence[Route]:
        """Give the routes that tell of one kind of things."""

        def listed(request: Request) -> Response:
            return Response(body={f"{key}s": _filtered(items.values(), request)})

        def shown(_request: Request, item: str) -> Response:
            return Response(body={key: _found(items, item, key.capitalize())})

        return ("GET", f"/v2.0/{path}", listed), ("GET", f"/v2.0/{path}/{{item}}", shown)

    def _list_ports(self, request: Request) -> Response:
        return Response(body={"ports": _filtered((port.shown() for port in self.ports.values()), request)})

    def _put(self, items: dict[str, Item], item_id: str, body: Mapping[str, Any], project: str) -> Item:
        items[item_id] = {
            "description": "",
            **body,
            "id": item_id,
            "project_id": project,
            "tenant_id": project,
            "created_at": self._now(),
        }
        return items[item_id]

    def _make(self, items: dict[str, Item], key: str, request: Request, body: Mapping[str, Any]) -> Response:
        made = self._put(items, fixed_id(f"made-{next(self._made)}"), body, self._project(request))
        return Response(status=HTTPStatus.CREATED, body={key: made})

    # Networks and subnets

    def _make_network(self, request: Request) -> Response:
        return self._make(self.networks, "network", request, {**content(request, "network"), "status": "ACTIVE"})

    def _remove_network(self, _request: Request, item: str) -> Response:
        _found(self.networks, item, "Network")
        if any(port.network_id == item for port in self.ports.values()):
            words = f"Unable to complete operation on network {item}. There are one or more ports still in use on it."
            raise ApiError(HTTPStatus.CONFLICT, words)
        for subnet in [each["id"] for each in self.subnets.values() if each["network_id"] == item]:
            del self.subnets[subnet]
        del self.networks[item]
        return Response(status=HTTPStatus.NO_CONTENT)

    def _make_subnet(self, request: Request) -> Response:
        body = content(request, "subnet")
        _found(self.networks, body["network_id"], "Network")
        for other in self.subnets.values():
            is_same = other["network_id"] == body["network_id"]
            if is_same and IPv4Network(other["cidr"]).overlaps(IPv4Network(body["cidr"])):
                words = f"Invalid input for operation: Requested subnet with cidr: {body['cidr']} overlaps with another"
                raise ApiError(HTTPStatus.BAD_REQUEST, words)
        made = self._make(self.subnets, "subnet", request, body)
        self._address(made.body["subnet"])
        return made

    def _remove_subnet(self, _request: Request, item: str) -> Response:
        _found(self.subnets, item, "Subnet")
        del self.subnets[item]
        return Response(status=HTTPStatus.NO_CONTENT)

    def _address(self, subnet: Item) -> None:
        hosts = (str(host) for host in IPv4Network(subnet["cidr"]).hosts() if host.packed[-1] not in (0, 1, 255))
        self._free[subnet["network_id"]], self._given_back[subnet["network_id"]] = hosts, []

    # Routers

    def _make_router(self, request: Request) -> Response:
        body = content(request, "router")
        _found(self.networks, body["external_gateway_info"]["network_id"], "External network")
        return self._make(self.routers, "router", request, body)

    def _remove_router(self, _request: Request, item: str) -> Response:
        _found(self.routers, item, "Router")
        if any(port.device_id == item for port in self.ports.values()):
            raise ApiError(HTTPStatus.CONFLICT, f"Router {item} still has ports")
        del self.routers[item]
        return Response(status=HTTPStatus.NO_CONTENT)

    def _join(self, request: Request, item: str) -> Response:
        _found(self.routers, item, "Router")
        subnet = _found(self.subnets, content(request, "subnet_id"), "Subnet")
        if any(port.subnet_id == subnet["id"] for port in self.ports.values()):
            raise ApiError(
                HTTPStatus.BAD_REQUEST, f"Bad router request: Router already has a port on subnet {subnet['id']}"
            )
        port = Port(
            id=fixed_id(f"made-{next(self._made)}"),
            network_id=subnet["network_id"],
            device_id=item,
            address=str(IPv4Network(subnet["cidr"])[1]),
            project_id=subnet["project_id"],
            subnet_id=subnet["id"],
            owner=ROUTER_PORT,
        )
        self.ports[port.id] = port
        return Response(body={"id": item, "subnet_id": subnet["id"], "port_id": port.id})

    def _part(self, request: Request, item: str) -> Response:
        subnet = content(request, "subnet_id")
        for port in list(self.ports.values()):
            if (port.device_id, port.subnet_id) == (item, subnet):
                del self.ports[port.id]
                return Response(body={"id": item, "subnet_id": subnet, "port_id": port.id})
        raise ApiError(HTTPStatus.NOT_FOUND, f"Router {item} has no interface on subnet {subnet}")

    # Security groups

    def _make_group(self, request: Request) -> Response:
        way_out = {"direction": "egress", "ethertype": "IPv4", "protocol": None}
        body = {**content(request, "security_group"), "security_group_rules": [way_out]}
        return self._make(self.groups, "security_group", request, body)

    def _remove_group(self, _request: Request, item: str) -> Response:
        _found(self.groups, item, "Security group")
        if any(item in port.groups for port in self.ports.values()):
            raise ApiError(HTTPStatus.CONFLICT, f"Security Group {item} in use.")
        del self.groups[item]
        return Response(status=HTTPStatus.NO_CONTENT)

    def _make_rule(self, request: Request) -> Response:
        body = content(request, "security_group_rule")
        rules = _found(self.groups, body["security_group_id"], "Security group")["security_group_rules"]
        if body in rules:
            raise ApiError(HTTPStatus.CONFLICT, "Security group rule already exists.")
        rules.append(body)
        return Response(status=HTTPStatus.CREATED, body={"security_group_rule": body})


def _found(items: Mapping[str, Item], item: str, what: str) -> Item:
    if item not in items:
        raise ApiError(HTTPStatus.NOT_FOUND, f"{what} {item} could not be found.")
    return items[item]


def _filtered(items: Iterable[Mapping[str, Any]], request: Request) -> list[Mapping[str, Any]]:
    wanted = request.query.items()
    return [item for item in items if all(str(item.get(key)) == value for key, value in wanted if key != "limit")]

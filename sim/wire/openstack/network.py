"""Network (Neutron v2.0): networks with one subnet each, security groups, and the ports of servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from ipaddress import IPv4Network
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.router import ApiError, Route

NETWORK: Final = "private"
GROUP: Final = "default"


def fixed_id(name: str) -> str:
    """Give the id of something that is there from the beginning: it follows from its name."""
    return str(uuid5(NAMESPACE_DNS, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """One network."""

    id: str
    name: str
    cidr: str
    status: str = "ACTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A server's place in a network."""

    id: str
    network_id: str
    device_id: str
    address: str

    def shown(self) -> Mapping[str, Any]:
        """Give what the API tells."""
        return {
            "id": self.id,
            "network_id": self.network_id,
            "device_id": self.device_id,
            "device_owner": "compute:nova",
            "status": "ACTIVE",
            "fixed_ips": [{"ip_address": self.address}],
        }


class Network:
    """Implements Service."""

    type = "network"
    prefix = "/network"
    root = ""
    version: Mapping[str, str] = {"id": "v2.0"}
    needs_token = True

    def __init__(
        self, networks: Mapping[str, str], groups: Sequence[str] = (GROUP, "web"), *, quota: int = 100_000
    ) -> None:
        self.networks: Final = {
            fixed_id(name): Net(id=fixed_id(name), name=name, cidr=cidr) for name, cidr in networks.items()
        }
        self._groups: Final = [{"id": fixed_id(f"group-{name}"), "name": name} for name in groups]
        self.ports: Final[dict[str, Port]] = {}
        self.quota = quota
        self._free: Final = {net.id: _addresses(net.cidr) for net in self.networks.values()}
        self._given_back: Final[dict[str, list[str]]] = {net: [] for net in self.networks}
        self._last = 0
        self.routes: Sequence[Route] = (
            ("GET", "/v2.0/networks", self._list_networks),
            ("GET", "/v2.0/security-groups", self._list_groups),
            ("GET", "/v2.0/ports", self._list_ports),
        )

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {"NeutronError": {"type": HTTPStatus(error.status).phrase, "message": error.message, "detail": ""}}

    def plug(self, network: str, device: str) -> Port:
        """Give a server a port. Errors: ApiError."""
        if len(self.ports) >= self.quota:
            raise ApiError(HTTPStatus.FORBIDDEN, "Maximum number of ports exceeded")
        again, self._last = self._given_back[network], self._last + 1
        address = again.pop(0) if again else next(self._free[network])
        port = Port(id=fixed_id(f"port-{device}-{self._last}"), network_id=network, device_id=device, address=address)
        self.ports[port.id] = port
        return port

    def unplug(self, device: str) -> None:
        """Take a server's ports away."""
        for port in [port for port in self.ports.values() if port.device_id == device]:
            del self.ports[port.id]
            self._given_back[port.network_id].append(port.address)

    def knows_group(self, name_or_id: str) -> bool:
        """Tell whether there is such a security group."""
        return any(name_or_id in group.values() for group in self._groups)

    def _list_networks(self, request: Request) -> Response:
        return Response(body={"networks": _filtered(map(asdict, self.networks.values()), request)})

    def _list_groups(self, request: Request) -> Response:
        return Response(body={"security_groups": _filtered(self._groups, request)})

    def _list_ports(self, request: Request) -> Response:
        return Response(body={"ports": _filtered((port.shown() for port in self.ports.values()), request)})


def _filtered(items: Iterable[Mapping[str, Any]], request: Request) -> list[Mapping[str, Any]]:
    wanted = request.query.items()
    return [item for item in items if all(str(item.get(key)) == value for key, value in wanted if key != "limit")]


def _addresses(cidr: str) -> Any:
    return (str(address) for address in IPv4Network(cidr).hosts() if address.packed[-1] not in (0, 1, 255))

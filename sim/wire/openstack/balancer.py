"""Load balancer (Octavia v2): load balancers with a listener, a pool, a monitor and members, as hfs asks for them.

What becomes of a change, and when, is the simulated load balancer's business (sim/balancer.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

from hfs_appliance.model.balancer import BalancerState, Place, member_set
from hfs_appliance.ports.errors import Conflict
from sim.balancer import BalancerPace, Members, Octavia
from sim.streams import Streams, Table
from sim.wire.openstack.cloud import FakeCloud
from sim.wire.openstack.compute import isotime
from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.network import Network, fixed_id
from sim.wire.openstack.router import ApiError, Route, content

QUICK: Final = BalancerPace(work=Table.of_ms((0, 20), (1000, 40)), making=Table.of_ms((0, 30), (1000, 60)))
"""As quick as tests want it."""

_MEMBER: Final = frozenset({"name", "address", "protocol_port", "weight", "subnet_id", "admin_state_up", "backup"})
_VIP: Final = ("vip_port_id", "vip_network_id", "vip_subnet_id")
_WEIGHT_MAX: Final = 256


@dataclass(slots=True, kw_only=True)
class Record:
    """One load balancer."""

    id: str
    name: str
    created: str
    project: str
    address: str
    asked: Mapping[str, Any]
    """What it was made of."""
    octavia: Octavia
    status: str = "PENDING_CREATE"
    """While it is pending."""

    @property
    def pool(self) -> str:
        """Id of its pool."""
        return fixed_id(f"pool-{self.id}")

    @property
    def is_leaving(self) -> bool:
        """Tell whether it is being removed: its listener and its pool go before it does."""
        return self.provisioning_status == "PENDING_DELETE"

    @property
    def provisioning_status(self) -> str:
        """Its state as the API tells it."""
        state = self.octavia.state
        return self.status if state is BalancerState.PENDING else state.value.upper()


class LoadBalancers:
    """Implements Service."""

    type = "load-balancer"
    prefix = "/load-balancer"
    root = ""
    version: Mapping[str, str] = {"id": "v2.0"}
    needs_token = True

    def __init__(
        self,
        cloud: FakeCloud,
        network: Network,
        *,
        pace: BalancerPace = QUICK,
        quota: int = 100,
        answers: Callable[[Place], bool] = lambda _: True,
    ) -> None:
        self._cloud: Final = cloud
        self._network: Final = network
        self._pace: Final = pace
        self._answers: Final = answers
        self._stream: Final = Streams(1).named("balancer")
        self._made = 0
        self._records: Final[list[Record]] = []
        self.quota = quota
        self.routes: Sequence[Route] = (
            ("GET", "/v2.0/lbaas/loadbalancers", self._list),
            ("POST", "/v2.0/lbaas/loadbalancers", self._create),
            ("GET", "/v2.0/lbaas/loadbalancers/{balancer}", self._show),
            ("DELETE", "/v2.0/lbaas/loadbalancers/{balancer}", self._delete),
            ("GET", "/v2.0/lbaas/pools/{pool}/members", self._members),
            ("PUT", "/v2.0/lbaas/pools/{pool}/members", self._replace),
        )

    @property
    def records(self) -> list[Record]:
        """Give those that there are."""
        return [record for record in self._records if record.octavia.state is not BalancerState.ABSENT]

    def stick(self) -> None:
        """Let no change end."""
        for record in self.records:
            record.octavia.stick()

    def go_on(self) -> None:
        """Let what has stuck end."""
        for record in self.records:
            record.octavia.go_on()

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {"faultcode": "Client", "faultstring": error.message, "debuginfo": None}

    def _list(self, request: Request) -> Response:
        wanted = {key: request.query[key] for key in ("name", "project_id") if key in request.query}
        shown = (self._shown(record) for record in self._of(request))
        return Response(
            body={
                "loadbalancers": [item for item in shown if all(item[key] == wanted[key] for key in wanted)],
                "loadbalancers_links": [],
            }
        )

    def _show(self, request: Request, balancer: str) -> Response:
        return Response(body={"loadbalancer": self._shown(self._found(request, balancer))})

    def _create(self, request: Request) -> Response:
        asked = content(request, "loadbalancer")
        if not any(asked.get(key) for key in _VIP):
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Validation failure: VIP must contain one of: {', '.join(_VIP)}.")
        network = asked.get("vip_network_id")
        if network is not None and network not in self._network.networks:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Network {network} not found.")
        if len(self._of(request)) >= self.quota:
            raise ApiError(HTTPStatus.FORBIDDEN, "Quota has been met for resources: Load Balancer")
        pools = asked.get("pools") or [{}]
        members = _read(pools[0].get("members", ()))
        self._made += 1
        record = Record(
            id=fixed_id(f"balancer-{self._made}"),
            name=str(asked.get("name", "")),
            created=isotime(self._cloud.timeline.now()).rstrip("Z"),
            project=self._cloud.token_of(request).project,
            address=f"198.51.100.{self._made}",
            asked=asked,
            octavia=Octavia(self._cloud.timeline, self._stream, self._answers, pace=self._pace),
        )
        record.octavia.create(members)
        self._records.append(record)
        return Response(status=HTTPStatus.CREATED, body={"loadbalancer": self._shown(record)})

    def _delete(self, request: Request, balancer: str) -> Response:
        record = self._found(request, balancer)
        if request.query.get("cascade") != "true":
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Load Balancer {record.id} has children. Use cascade to delete it.")
        with _immutable(record):
            record.octavia.delete()
        record.status = "PENDING_DELETE"
        return Response(status=HTTPStatus.NO_CONTENT)

    def _members(self, request: Request, pool: str) -> Response:
        record = self._of_pool(request, pool)
        well = record.octavia.view().answering
        shown = [
            {
                "id": fixed_id(f"member-{pool}-{place}"),
                "name": str(place),
                "address": place.address,
                "protocol_port": place.port,
                "weight": weight,
                "operating_status": "ONLINE" if place in well else "ERROR" if weight else "DRAINING",
                "provisioning_status": "ACTIVE",
            }
            for place, weight in record.octavia.members
        ]
        return Response(body={"members": shown, "members_links": []})

    def _replace(self, request: Request, pool: str) -> Response:
        record = self._of_pool(request, pool)
        members = _read(content(request, "members"))
        with _immutable(record):
            record.octavia.replace(members)
        record.status = "PENDING_UPDATE"
        return Response(status=HTTPStatus.ACCEPTED)

    def _of(self, request: Request) -> list[Record]:
        project = self._cloud.token_of(request).project
        return [record for record in self.records if record.project == project]

    def _found(self, request: Request, balancer: str) -> Record:
        for record in self._of(request):
            if record.id == balancer:
                return record
        raise ApiError(HTTPStatus.NOT_FOUND, f"Load Balancer {balancer} not found.")

    def _of_pool(self, request: Request, pool: str) -> Record:
        for record in self._of(request):
            if record.pool == pool and not record.is_leaving:
                return record
        raise ApiError(HTTPStatus.NOT_FOUND, f"Pool {pool} not found.")

    def _shown(self, record: Record) -> Mapping[str, Any]:
        return {
            "id": record.id,
            "name": record.name,
            "description": str(record.asked.get("description", "")),
            "created_at": record.created,
            "project_id": record.project,
            "provisioning_status": record.provisioning_status,
            "operating_status": "ONLINE",
            "vip_address": record.address,
            "listeners": [] if record.is_leaving else [{"id": fixed_id(f"listener-{record.id}")}],
            "pools": [] if record.is_leaving else [{"id": record.pool}],
        }


@contextmanager
def _immutable(record: Record) -> Iterator[None]:
    """Say as Octavia does that a load balancer takes no change now. Errors: ApiError."""
    try:
        yield
    except Conflict as error:
        words = f"Load Balancer {record.id} is immutable and cannot be updated."
        raise ApiError(HTTPStatus.CONFLICT, words) from error


def _read(asked: Sequence[Mapping[str, Any]]) -> Members:
    """Read members as they are asked for. Errors: ApiError."""
    weights: dict[Place, int] = {}
    for item in asked:
        if odd := sorted(item.keys() - _MEMBER):
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Unknown attribute: {odd[0]}.")
        try:
            place = Place(str(ip_address(item["address"])), int(item["protocol_port"]))
            weight = int(item.get("weight", 1))
        except (KeyError, ValueError) as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Invalid input for a member: {error}") from error
        if not 0 <= weight <= _WEIGHT_MAX:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"Invalid input for field/attribute weight: {weight}")
        weights[place] = weight
    return member_set(weights)

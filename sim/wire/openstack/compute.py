"""Compute (Nova 2.1 with microversions): servers, flavors, keypairs, server groups, zones, limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from hfs_appliance.model.ids import AvailabilityZone
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.observed import CloudStatus
from sim.wire.openstack.cloud import FakeCloud
from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.image import Image
from sim.wire.openstack.keys import Keys
from sim.wire.openstack.network import Network, fixed_id
from sim.wire.openstack.router import ApiError, Microversions, Route, content, document
from sim.wire.openstack.servers import Asked, Record, Servers, matching, read_body

FLAVORS: Final = {"m1.small": 1, "m1.large": 4}
"""Names, with virtual processors."""
ZONES: Final = ("az1", "az2", "az3")

_VERSIONS: Final = Microversions(service="compute", least=(2, 1), most=(2, 96))
_NETWORKS_REQUIRED: Final = (2, 37)
_DOWN_CELLS_SHOWN: Final = (2, 69)
_METADATA_MAX: Final = 255
_USER_DATA_MAX: Final = 65_535
_SERVER_KEYS: Final = {
    *("name", "imageRef", "flavorRef", "metadata", "networks", "availability_zone", "security_groups"),
    *("key_name", "user_data", "config_drive", "min_count", "max_count"),
}
"""What may be asked for; of nova's keys those that mean something here."""
_PAGING: Final = frozenset({"limit", "marker", "sort_key", "sort_dir"})

_WORDS: Final[Mapping[CloudStatus, tuple[str, str, str | None]]] = {
    CloudStatus.BUILDING: ("BUILD", "building", "spawning"),
    CloudStatus.ACTIVE: ("ACTIVE", "active", None),
    CloudStatus.STOPPED: ("SHUTOFF", "stopped", None),
    CloudStatus.ERROR: ("ERROR", "error", None),
    CloudStatus.UNKNOWN: ("UNKNOWN", "active", None),
}
"""Status, state of the VM and of the task."""

_REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: "badRequest",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "itemNotFound",
    HTTPStatus.CONFLICT: "conflictingRequest",
}


class Compute:
    """Implements Service."""

    type = "compute"
    prefix = "/compute"
    root = "/v2.1"
    version: Mapping[str, str] = {"id": "v2.1", "version": "2.96", "min_version": "2.1"}
    needs_token = True

    def __init__(self, cloud: FakeCloud, network: Network, image: Image, *, zones: Sequence[str] = ZONES) -> None:
        self.page = 1_000
        """Longest page of a list."""
        self._cloud: Final = cloud
        self._network: Final = network
        self._image: Final = image
        self._zones: Final = tuple(map(AvailabilityZone, zones))
        stream = cloud.datacentre.stream
        new_id: Callable[[], str] = lambda: str(UUID(int=stream.bits64() << 64 | stream.bits64(), version=4))  # noqa: E731
        self.servers: Final = Servers(cloud.datacentre, network, new_id)
        self.keys: Final = Keys(self.servers.of_group)
        self.routes: Sequence[Route] = (
            ("GET", "/v2.1/servers/detail", self._list),
            ("POST", "/v2.1/servers", self._create),
            ("GET", "/v2.1/servers/{server}", self._show),
            ("DELETE", "/v2.1/servers/{server}", self._delete),
            ("POST", "/v2.1/servers/{server}/action", self._act),
            ("GET", "/v2.1/flavors", self._flavors),
            *self.keys.routes,
            ("GET", "/v2.1/os-availability-zone", self._availability),
            ("GET", "/v2.1/limits", self._limits),
        )

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {
            _REFUSALS.get(HTTPStatus(error.status), "computeFault"): {"code": error.status, "message": error.message}
        }

    # Servers

    def _list(self, request: Request) -> Response:
        version = _VERSIONS.chosen(request)
        records = self.servers.of_project(self._project(request))
        is_plain = not request.query
        shows_down = is_plain and version >= _DOWN_CELLS_SHOWN
        if re.fullmatch("[0-9]*", request.query.get("limit", "")) is None:
            raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid input for query parameters limit.")
        marker = request.query.get("marker")
        if marker is not None:
            places = [place for place, record in enumerate(records) if record.asked.id == marker]
            if not places:
                raise ApiError(HTTPStatus.BAD_REQUEST, f"marker [{marker}] not found")
            records = records[places[0] + 1 :]
        filters = {key: value for key, value in request.query.items() if key not in _PAGING}
        found = list(matching(records, filters))
        reachable = [record for record in found if not self.servers.is_down(record)]
        page = reachable[: min(self.page, int(request.query.get("limit") or self.page))]
        body: dict[str, Any] = {"servers": [self._shown(request, record) for record in page]}
        if len(page) < len(reachable):
            query = urlencode({**request.query, "marker": page[-1].asked.id})
            href = f"http://{request.host}{request.path}?{query}"
            body["servers_links"] = [{"rel": "next", "href": href}]
        if shows_down:
            body["servers"] += [self._barely(record) for record in found if self.servers.is_down(record)]
        return Response(body=body)

    def _show(self, request: Request, server: str) -> Response:
        record = self.servers.find(self._project(request), server, lingers=True)
        is_down = self.servers.is_down(record)
        return Response(body={"server": self._barely(record) if is_down else self._shown(request, record)})

    def _create(self, request: Request) -> Response:
        version = _VERSIONS.chosen(request)
        asked = self._checked(request, content(request, "server"), version)
        self.servers.create(asked)
        href = f"http://{request.host}{request.path}/{asked.id}"
        groups = [{"name": name} for name in asked.groups or ("default",)]
        links = [{"rel": "self", "href": href}]
        body = {
            "id": asked.id,
            "links": links,
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": groups,
            "adminPass": "x",
        }
        return Response(status=HTTPStatus.ACCEPTED, body={"server": body}, headers={"location": href})

    def _delete(self, request: Request, server: str) -> Response:
        self.servers.delete(self.servers.find(self._project(request), server))
        return Response(status=HTTPStatus.NO_CONTENT)

    def _act(self, request: Request, server: str) -> Response:
        record = self.servers.find(self._project(request), server)
        match list(document(request).items()):
            case [("os-getConsoleOutput", {"length": int(length)})]:
                if record.status in (CloudStatus.BUILDING, CloudStatus.ERROR):
                    raise ApiError(HTTPStatus.CONFLICT, f"Instance {server} is not ready")
                lines = [f"[{second:12.6f}] {record.asked.name}: line {second}" for second in range(20)]
                return Response(body={"output": "\n".join(lines[-length:])})
            case [("os-stop", None)]:
                if record.status is not CloudStatus.ACTIVE:
                    vm = _WORDS[record.shown_status][1]
                    words = f"Cannot 'stop' instance {server} while it is in vm_state {vm}"
                    raise ApiError(HTTPStatus.CONFLICT, words)
                self.servers.stop(record)
                return Response(status=HTTPStatus.ACCEPTED)
            case [("forceDelete", None)]:
                self.servers.delete(record)
                return Response(status=HTTPStatus.ACCEPTED)
        raise ApiError(HTTPStatus.BAD_REQUEST, "There is no such action: " + ", ".join(document(request)))

    def _checked(self, request: Request, body: Any, version: tuple[int, int]) -> Asked:
        name, image, flavor = (read_body(body, key, str) for key in ("name", "imageRef", "flavorRef"))
        strangers = ", ".join(sorted(body.keys() - _SERVER_KEYS))
        metadata = body.get("metadata", {})
        networks = body.get("networks", "auto" if version < _NETWORKS_REQUIRED else None)
        az = AvailabilityZone(body.get("availability_zone") or self._zones[0])
        groups = [group["name"] for group in body.get("security_groups", [])]
        group = _hinted_group(request)
        ids = [net["uuid"] for net in networks] if isinstance(networks, list) else list(self._network.networks)[:1]
        texts = [text for pair in metadata.items() for text in pair]
        refusals = (
            (not strangers, f"Additional properties are not allowed ({strangers} was unexpected)"),
            (all(isinstance(text, str) and len(text) <= _METADATA_MAX for text in texts), "Invalid input for metadata"),
            (any(image == known["id"] for known in self._image.images), "Can not find requested image"),
            (flavor in map(fixed_id, FLAVORS), f"Flavor {flavor} could not be found."),
            (networks is not None, "'networks' is a required property"),
            (all(net in self._network.networks for net in ids), f"Network {', '.join(ids)} could not be found."),
            (az in self._zones, "The requested availability zone is not available"),
            (all(map(self._network.knows_group, groups)), f"Unable to find security_group with name or id {groups}"),
            (body.get("key_name") in (None, *self.keys.pairs), "Invalid key_name provided."),
            (group is None or group in self.keys.groups, f"Instance group {group} could not be found."),
            (len(body.get("user_data", "")) <= _USER_DATA_MAX, "User data too large."),
        )
        for is_well, words in refusals:
            if not is_well:
                raise ApiError(HTTPStatus.BAD_REQUEST, words)
        return Asked(
            id=self.servers.new_id(),
            project=self._project(request),
            name=name,
            metadata=metadata,
            image=image,
            flavor=flavor,
            networks=[] if networks == "none" else ids,
            groups=groups,
            az=az,
            key=body.get("key_name"),
            group=group,
            user_data=body.get("user_data", ""),
            has_config_drive=bool(body.get("config_drive")),
        )

    def _shown(self, request: Request, record: Record) -> Mapping[str, Any]:
        asked = record.asked
        status, vm, task = ("DELETED", "deleted", None) if record.is_gone else _WORDS[record.shown_status]
        if record.status is CloudStatus.DELETING and not record.is_gone:
            task = "deleting"  # the rest is as it was
        shown: dict[str, Any] = {
            "id": asked.id,
            "name": asked.name,
            "tenant_id": asked.project,
            "status": status,
            "OS-EXT-STS:vm_state": vm,
            "OS-EXT-STS:task_state": task,
            "OS-EXT-AZ:availability_zone": asked.az,
            "metadata": {} if record.is_gone else asked.metadata,
            "image": {"id": asked.image},
            "created": isotime(record.created),
            "updated": isotime(record.updated),
            "key_name": asked.key,
            "config_drive": "True" if asked.has_config_drive else "",
            "security_groups": [{"name": name} for name in asked.groups],
            "addresses": self._addresses(record),
            "links": [{"rel": "self", "href": f"http://{request.host}/compute/v2.1/servers/{asked.id}"}],
        }
        if status == "ERROR":
            shown["fault"] = {"code": 500, "created": shown["updated"], "message": record.machine.listed.fault}
        return shown

    def _barely(self, record: Record) -> Mapping[str, Any]:
        """Show what is known of a server whose cell is down."""
        asked = record.asked
        return {"id": asked.id, "tenant_id": asked.project, "status": "UNKNOWN", "created": isotime(record.created)}

    def _addresses(self, record: Record) -> Mapping[str, Any]:
        if not record.has_network or record.is_gone:
            return {}
        return {
            self._network.networks[port.network_id]["name"]: [
                {"addr": port.address, "version": 4, "OS-EXT-IPS:type": "fixed"}
            ]
            for port in record.ports
        }

    # What servers are made of

    def _flavors(self, _request: Request) -> Response:
        flavors = [{"id": fixed_id(name), "name": name} for name in FLAVORS]
        return Response(body={"flavors": flavors})

    def _availability(self, _request: Request) -> Response:
        zones = [{"zoneName": zone, "zoneState": {"available": True}, "hosts": None} for zone in self._zones]
        return Response(body={"availabilityZoneInfo": zones})

    def _limits(self, request: Request) -> Response:
        used = sum(not record.is_gone for record in self.servers.of_project(self._project(request)))
        quota = self._cloud.faults.quota
        absolute = {"maxTotalInstances": -1 if quota is None else quota, "totalInstancesUsed": used}
        return Response(body={"limits": {"rate": [], "absolute": absolute}})

    def _project(self, request: Request) -> str:
        return self._cloud.token_of(request).project


def _hinted_group(request: Request) -> str | None:
    """Give the server group that a creation asks for, beside the server."""
    hints = document(request).get("os:scheduler_hints")
    group = hints.get("group") if isinstance(hints, dict) else None
    return group if isinstance(group, str) else None


def isotime(instant: Instant) -> str:
    """Write an instant as nova does: to the second."""
    return f"{datetime.fromtimestamp(instant // SECOND, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"

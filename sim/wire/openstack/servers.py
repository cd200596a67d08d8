"""The servers of the fake: what nova keeps of each, over a machine of the simulated datacentre.

Nova has no idempotence key: each creation makes one more server, whatever its name and metadata say. So a machine is
called by the server's uuid here, and what the appliance calls it is only metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from hfs_appliance.model.ids import NO_UUID, AvailabilityZone, EnvironmentName, Nonce, PoolName, ServerId
from hfs_appliance.model.instants import Instant, seconds
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.ports.errors import Ambiguous, Conflict, Exhausted, Transient
from sim.datacentre import Datacentre
from sim.machine import Machine
from sim.truth import Fact, MachineGone, MachineHidden, MachineMade, StatusChanged
from sim.wire.openstack.network import Network, Port
from sim.wire.openstack.router import ApiError

LINGERS: Final = seconds(0.03)
"""How long a server that is gone is still told of when it is asked for by its id: as DELETED, without its metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a creation has asked for, checked."""

    id: str
    project: str
    name: str
    metadata: Mapping[str, str]
    image: str
    flavor: str
    networks: Sequence[str]
    groups: Sequence[str]
    az: AvailabilityZone
    key: str | None
    group: str | None
    user_data: str
    has_config_drive: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """One server."""

    asked: Asked
    ports: Sequence[Port]
    machine: Machine
    created: Instant
    updated: Instant
    is_gone: bool = False
    former: CloudStatus = CloudStatus.BUILDING
    """What it was before it is what it is."""

    @property
    def shown_status(self) -> CloudStatus:
        """Give the status that the API tells: nova leaves it as it was until a server is gone."""
        return self.former if self.status is CloudStatus.DELETING else self.status

    @property
    def status(self) -> CloudStatus:
        """Give the machine's status."""
        return self.machine.listed.status

    @property
    def has_network(self) -> bool:
        """Tell whether its addresses show: they do once its build has come that far."""
        return self.shown_status not in (CloudStatus.BUILDING, CloudStatus.ERROR)


class Servers:
    """All servers of all projects, those that are gone included."""

    def __init__(self, datacentre: Datacentre, network: Network, new_id: Callable[[], str]) -> None:
        self.records: Final[dict[str, Record]] = {}
        self.down_zones: Final[set[AvailabilityZone]] = set()
        """O4: zones whose cell database does not answer."""
        self._datacentre: Final = datacentre
        self._network: Final = network
        self._new_id: Final = new_id
        self._asked: Final[dict[str, Asked]] = {}
        datacentre.truth.listen(self._hear, (MachineMade, StatusChanged, MachineGone, MachineHidden))

    def new_id(self) -> str:
        """Give a uuid that no server has."""
        return self._new_id()

    def create(self, asked: Asked) -> None:
        """Make one more server. Errors: ApiError."""
        self._asked[asked.id] = asked
        try:
            self._datacentre.create(_spec(asked))
        except Exhausted:
            words = "Quota exceeded for instances: Requested 1, but already used all of them"
            raise ApiError(HTTPStatus.FORBIDDEN, words) from None
        except Conflict as error:
            raise ApiError(HTTPStatus.CONFLICT, error.words) from None
        except Transient as error:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, error.words) from None
        except Ambiguous as error:
            raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, error.words) from None

    def delete(self, record: Record) -> None:
        """Begin to delete a server. Errors: ApiError."""
        try:
            self._datacentre.delete(ServerId(record.asked.id))
        except Conflict as error:
            raise ApiError(HTTPStatus.CONFLICT, error.words) from None

    def stop(self, record: Record) -> None:
        """Switch a server off."""
        self._datacentre.kill(ServerId(record.asked.id), "switched off")

    def find(self, project: str, server: str, *, lingers: bool = False) -> Record:
        """Give a server that is there; if it `lingers`, one that has just gone, too. Errors: ApiError."""
        record = self.records.get(server)
        if record is not None and record.asked.project == project:
            is_shown = lingers and self._datacentre.clock.now() - record.updated < LINGERS
            if is_shown or not record.is_gone:
                return record
        raise ApiError(HTTPStatus.NOT_FOUND, f"Instance {server} could not be found.")

    def of_group(self, group: str) -> list[str]:
        """List the servers of a server group."""
        return [server for server, record in self.records.items() if record.asked.group == group and not record.is_gone]

    def is_kept(self, server: str) -> bool:
        """Tell whether a server has not been deleted to the end."""
        return ServerId(server) in self._datacentre.machines

    def is_down(self, record: Record) -> bool:
        """Tell whether the database that knows a server does not answer."""
        return record.machine.spec.az in self.down_zones

    def of_project(self, project: str) -> list[Record]:
        """List the servers of a project, the newest first, as nova does."""
        mine = (record for record in self.records.values() if record.asked.project == project)
        return sorted(mine, key=lambda record: (record.created, record.asked.id), reverse=True)

    def _hear(self, now: Instant, fact: Fact) -> None:
        match fact:
            case MachineMade(server=server):
                self._begin(now, server)
            case StatusChanged(server=server, before=before) if server in self.records:
                self.records[server].updated, self.records[server].former = now, before
            case MachineGone(server=server) | MachineHidden(server=server) if server in self.records:
                self._end(now, self.records[server])

    def _begin(self, now: Instant, server: ServerId) -> None:
        asked = self._asked.pop(server, None)
        if asked is None:
            return  # a machine that a simulation has put there
        ports = [self._network.plug(network, asked.id, asked.project, asked.groups) for network in asked.networks]
        machine = self._datacentre.machines[server]
        self.records[server] = Record(asked=asked, ports=ports, machine=machine, created=now, updated=now)

    def _end(self, now: Instant, record: Record) -> None:
        if not record.is_gone:
            record.is_gone, record.updated = True, now
            self._network.unplug(record.asked.id)


def matching(records: Sequence[Record], query: Mapping[str, str]) -> Iterator[Record]:
    """Give the servers that a list's filters leave."""
    try:
        name = re.compile(query["name"]) if "name" in query else None
    except re.error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid input for query parameters name.") from None
    since = query.get("changes-since")
    for record in records:
        if name is not None and name.search(record.asked.name) is None:
            continue
        if record.is_gone if since is None else record.updated < _instant(since):
            continue
        yield record


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid input for query parameters changes-since.") from None
    return Instant(int(moment.timestamp()) * 1_000_000_000)


def _spec(asked: Asked) -> ServerSpec:
    return ServerSpec(
        environment=EnvironmentName("openstack"),
        uuid=NO_UUID,
        server=ServerId(asked.id),
        nonce=Nonce(asked.id),
        pool=PoolName(asked.flavor),
        az=asked.az,
        registry_hosts=(),
        session_timeout_ms=0,
    )


def read_body(body: Any, key: str, kind: type) -> Any:
    """Give a required part of a creation. Errors: ApiError."""
    value = body.get(key) if isinstance(body, dict) else None
    if not isinstance(value, kind):
        words = f"Invalid input for field/attribute server. Value: {key!r} is a required property"
        raise ApiError(HTTPStatus.BAD_REQUEST, words)
    return value

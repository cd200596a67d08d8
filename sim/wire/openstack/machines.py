"""What really runs on the fake's servers: processes of this machine, started as cloud-init would start them.

A server is a machine of the local provider (adapters/local/machine.py) whose identity comes from the user data. It
lives no longer than the fake, whose books are in memory.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.local.flavours import Processes
from hfs_appliance.adapters.local.machine import Facts, Machine, make_machine, read_facts
from hfs_appliance.adapters.openstack.userdata import IDENTITY_FILE
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import Nonce, ServiceName, Version
from hfs_appliance.model.instants import Duration
from hfs_appliance.registry.formats import FormatError, read_identity
from sim import machine as simulated
from sim.truth import Condition
from sim.wire.openstack.servers import Record, Servers


class Machines:
    """The processes of all servers, below one directory."""

    def __init__(self, directory: Path, command: Sequence[str]) -> None:
        self.servers: Servers | None = None
        """Whose servers they are; known once the cloud is made."""
        self._directory: Final = directory
        self._command: Final = tuple(command)

    def birth(self, machine: simulated.Machine) -> simulated.Life:
        """Give what runs on a new server."""
        return _Processes(self, machine)

    def clear(self) -> None:
        """End everything and leave nothing behind, also what a fake has left that was killed."""
        for place in self._directory.glob("*/*/server.json"):
            _end(Machine(place.parent, read_facts(place.parent)))

    def start(self, machine: simulated.Machine) -> None:
        """Boot a server: what is on its disk stays from one boot to the next."""
        assert self.servers is not None, "the cloud is made before its servers"
        record = self.servers.records[machine.spec.server]
        identity = _identity(record)
        if identity is None:
            return  # a server that was made by hand, of no use to anybody here
        root = self._directory / record.asked.id
        place = root / identity.server
        if place.exists():
            found = Machine(place, read_facts(place))
        else:
            root.mkdir(parents=True, exist_ok=True)
            found = make_machine(root, _facts(record, identity), identity)
        found.start(Processes(Duration(0), self._command).init(found))

    def stop(self, machine: simulated.Machine) -> None:
        """Cut a server's power; one that is being deleted leaves nothing behind."""
        assert self.servers is not None, "the cloud is made before its servers"
        for place in (self._directory / machine.spec.server).glob("*/server.json"):
            found = Machine(place.parent, read_facts(place.parent))
            found.kill()
            if not self.servers.is_kept(machine.spec.server):
                _end(found)


class _Processes:
    """Implements the simulated machine's Life."""

    def __init__(self, machines: Machines, machine: simulated.Machine) -> None:
        self._machines: Final = machines
        self._machine: Final = machine

    def power_on(self) -> None:
        self._machines.start(self._machine)

    def power_off(self) -> None:
        self._machines.stop(self._machine)

    @property
    def condition(self) -> Condition:
        return Condition.SERVING

    @property
    def role(self) -> tuple[ServiceName, Version] | None:
        return None


def _end(machine: Machine) -> None:
    machine.kill()
    shutil.rmtree(machine.place.parent, ignore_errors=True)


def _identity(record: Record) -> Identity | None:
    """Read the identity in a server's user data, as cloud-init would; its address is the server's."""
    text = base64.b64decode(record.asked.user_data).decode(errors="replace").partition("\n")[2]
    try:
        files = {file["path"]: file["content"] for file in json.loads(text)["write_files"]}
        identity = read_identity(files[IDENTITY_FILE].encode())
    except (ValueError, KeyError, TypeError, FormatError):
        return None
    return replace(identity, address=record.ports[0].address if record.ports else "127.0.0.1")


def _facts(record: Record, identity: Identity) -> Facts:
    return Facts(
        environment=identity.environment,
        server=identity.server,
        nonce=Nonce(record.asked.id),  # two servers may carry one identity; their processes must not
        pool=identity.pool,
        az=identity.az,
        address=identity.address,
        created_at=record.created,
    )

"""The local provider: a Cloud whose servers are process groups of this machine, each with its own loopback address.

What the processes are, an agent or a whole virtual machine, is the flavour's (flavours.py).

No state but the directories below `<state>/servers` (machine.py): another instance of this class, in another process,
sees the same servers. Deletion needs no task of its own: whoever asks about a server that is being deleted takes it a
step further.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final, TypeVar

import trio

from hfs_appliance.adapters.local.flavours import flavour_of
from hfs_appliance.adapters.local.machine import Facts, Machine, make_machine, read_facts
from hfs_appliance.adapters.process import locked
from hfs_appliance.model import desired
from hfs_appliance.model.identity import Identity
from hfs_appliance.model.ids import CloudId, EnvironmentName, ServerId
from hfs_appliance.model.instants import MILLISECOND, Duration, after, seconds
from hfs_appliance.model.observed import CloudServer, CloudStatus, CloudView
from hfs_appliance.ports.clock import Clock
from hfs_appliance.ports.cloud import Permit, ServerSpec, unconditional
from hfs_appliance.ports.errors import Conflict, Exhausted, Missing, Rejected, Transient

_PATIENCE: Final = seconds(3)
"""How long a deleted server's processes may take to end by themselves."""

T = TypeVar("T")


class LocalCloud:
    """Servers of one environment below one directory, which several appliances may share."""

    def __init__(
        self,
        environment: EnvironmentName,
        state: Path,
        settings: desired.LocalCloud,
        clock: Clock,
        command: Sequence[str],
    ) -> None:
        self._environment: Final = environment
        self._root: Final = Path(settings.directory) if settings.directory is not None else state / "servers"
        self._project: Final = f"local:{self._root.resolve()}"
        self._settings: Final = settings
        self._clock: Final = clock
        self._flavour: Final = flavour_of(settings, self._root, command)
        # One worker: steps on one directory never interleave within this process; the lock file keeps others out.
        self._worker: Final = trio.CapacityLimiter(1)
        self._facts: dict[ServerId, tuple[int, Facts]] = {}
        """What was read of server.json, with the time at which it was written."""

    async def servers(self) -> CloudView:
        """List every server."""
        return await self._run(self._list)

    async def server(self, server: ServerId) -> CloudServer:
        """Look at one server. Errors: Missing."""
        return await self._run(lambda: self._look(self._machine(server)))

    async def create(self, spec: ServerSpec, *, permit: Permit = unconditional) -> CloudServer:
        """Make a server, or finish making it. Errors: Conflict, Exhausted, Rejected."""
        return await self._run(lambda: self._create(spec, permit))

    async def delete(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Accept the deletion of a server. Errors: Missing."""
        await self._run(lambda: self._delete(server, permit))

    async def log(self, server: ServerId, lines: int) -> str:
        """Give the tail of what agent and service wrote. Errors: Missing."""
        return await self._run(lambda: self._machine(server).tail(lines))

    async def kill(self, server: ServerId, *, permit: Permit = unconditional) -> None:
        """Kill every process of a server at once and leave everything else as it is. Errors: Missing."""
        await self._run(lambda: self._kill(server, permit))

    async def _run(self, step: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(step, limiter=self._worker)
        except OSError as error:
            raise Transient(f"local provider: {error}") from error

    def _list(self) -> CloudView:
        servers: dict[ServerId, CloudServer] = {}
        is_complete = True
        for server in self._names():
            try:
                servers[server] = self._look(self._machine(server))
            except Missing:
                continue  # its deletion has just come to its end
            except Transient:
                is_complete = False
        self._facts = {server: known for server, known in self._facts.items() if server in servers}
        return CloudView(servers=servers, is_complete=is_complete, project=self._project)

    def _names(self) -> list[ServerId]:
        if not self._root.exists():
            return []
        return sorted(ServerId(entry.name) for entry in os.scandir(self._root) if not entry.name.startswith("."))

    def _machine(self, server: ServerId) -> Machine:
        place = self._root / server
        try:
            written = (place / "server.json").stat().st_mtime_ns
            known = self._facts.get(server)
            if known is None or known[0] != written:
                known = self._facts[server] = (written, read_facts(place))
        except FileNotFoundError:
            self._facts.pop(server, None)
            raise Missing(f"server {server} is not there") from None
        except ValueError as error:
            raise Transient(f"server {server}: server.json cannot be read: {error}") from None
        return Machine(place, known[1])

    def _look(self, machine: Machine) -> CloudServer:
        if machine.is_deleting:
            with locked(self._root):
                if machine.continue_deletion(self._clock.now()):
                    raise Missing(f"server {machine.facts.server} is gone")
            status, fault = CloudStatus.DELETING, ""
        else:
            status, fault = self._status(machine)
        facts = machine.facts
        return CloudServer(
            cloud_id=CloudId(f"local-{facts.nonce}"),
            server=facts.server,
            nonce=facts.nonce,
            pool=facts.pool,
            az=facts.az,
            status=status,
            address=facts.address,
            created_at=facts.created_at,
            uuid=facts.uuid,
            fault=fault,
        )

    def _status(self, machine: Machine) -> tuple[CloudStatus, str]:
        is_booting = self._flavour.is_booting(machine, self._clock.now())
        if machine.is_running or self._is_taken_over(machine):
            return (CloudStatus.BUILDING if is_booting else CloudStatus.ACTIVE), ""
        if machine.was_started:
            # Without its init a machine is off: what is left of it must not go on serving as if it were not.
            machine.kill()
            return CloudStatus.STOPPED, "its init has ended"
        return (CloudStatus.BUILDING, "") if is_booting else (CloudStatus.STOPPED, "it was never started")

    def _is_taken_over(self, machine: Machine) -> bool:
        """Tell whether a machine runs that an appliance started and was killed before it could note that."""
        if machine.was_started:
            return False
        with locked(self._root):  # whoever starts it just now writes the same down
            return machine.take_over()

    def _create(self, spec: ServerSpec, permit: Permit) -> CloudServer:
        if spec.environment != self._environment:
            raise Rejected(f"server {spec.server} is meant for environment {spec.environment}, not {self._environment}")
        with locked(self._root):
            permit()
            try:
                machine = self._machine(spec.server)
            except Missing:
                machine = self._make(spec)
            if machine.facts.nonce != spec.nonce:
                raise Conflict(f"server {spec.server} exists with another nonce")
            if machine.is_deleting:
                raise Conflict(f"server {spec.server} is being deleted")
            if not machine.was_started:
                machine.start(self._flavour.init(machine))
        return self._look(machine)

    def _make(self, spec: ServerSpec) -> Machine:
        facts = Facts(
            environment=spec.environment,
            server=spec.server,
            nonce=spec.nonce,
            pool=spec.pool,
            az=spec.az,
            address=self._free_address(),
            created_at=self._clock.now(),
            uuid=spec.uuid,
        )
        identity = Identity(
            environment=spec.environment,
            server=spec.server,
            nonce=spec.nonce,
            pool=spec.pool,
            az=spec.az,
            address=facts.address,
            registry_hosts=spec.registry_hosts,
            session_timeout=Duration(spec.session_timeout_ms * MILLISECOND),
            updates=self._settings.updates,
            configuration=self._settings.configuration,
            recipe=spec.recipe,
        )
        return make_machine(self._root, facts, self._flavour.fit(identity))

    def _free_address(self) -> str:
        taken = {self._machine(server).facts.address for server in self._names()}
        for address in IPv4Network(self._settings.network).hosts():
            # .0 and .255 are ordinary addresses in a large network, but not to everybody's eyes.
            if address.packed[-1] not in (0, 255) and str(address) not in taken:
                return str(address)
        raise Exhausted(f"no free address is left in {self._settings.network}")

    def _kill(self, server: ServerId, permit: Permit) -> None:
        machine = self._machine(server)
        permit()
        machine.kill()

    def _delete(self, server: ServerId, permit: Permit) -> None:
        machine = self._machine(server)
        with locked(self._root):
            permit()
            now = self._clock.now()
            if not machine.is_deleting:
                machine.begin_deletion(after(now, _PATIENCE))
            machine.continue_deletion(now)

"""The books at the end of a run: what the cloud, the load balancer and the registry hold, compared entry by entry.

Counted anew from what really is there, not folded from what was told: a second opinion beside the checkers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.rollout import RolloutPhase
from hfs_appliance.registry.formats import read_assignment, read_desired, read_record, read_rollout
from hfs_appliance.runtime.desired import effective

if TYPE_CHECKING:
    from sim.fleet import Simulation

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What does not add up, in words."""

    leaks: tuple[str, ...]
    """Machines without a record of their own, members behind the load balancer without a proxy, entries of nobody."""
    duplicates: tuple[str, ...]
    """Instances that share a slot, and machines beyond those that are wanted."""
    open_intents: tuple[str, ...]
    """Records that say that something is still to be done, and rollouts that are not over."""


def close(sim: Simulation) -> Books:
    """Close the books of a world that should be at rest."""
    machines = {**sim.datacentre.machines, **sim.datacentre.ghosts}
    nonces = {server: machine.spec.nonce for server, machine in machines.items()}
    records = _entries(sim, sim.layout.servers, read_record)
    roles = _entries(sim, sim.layout.assignments, read_assignment)
    return Books(
        leaks=(*_unowned(nonces, records, roles), *_members_of_nobody(sim)),
        duplicates=(*_shared_slots(sim), *_surplus(sim, len(nonces))),
        open_intents=(*_unfinished(nonces, records), *_rollouts_under_way(sim)),
    )


def _unowned(
    nonces: Mapping[ServerId, str], records: Mapping[str, ServerRecord], roles: Mapping[str, Assignment]
) -> Iterator[str]:
    for server, nonce in sorted(nonces.items()):
        record = records.get(server)
        if record is None or record.nonce != nonce:
            yield f"{server} has no record of its own"
    for name in sorted(roles.keys() - records.keys()):
        yield f"{name} has a role and no record"


def _members_of_nobody(sim: Simulation) -> Iterator[str]:
    living = {sim.places[name].at for name, appliance in sim.appliances.items() if appliance.is_alive}
    for member in sim.octavia.members:
        if member.place not in living:
            yield f"{member.place} is behind the load balancer, and nobody runs there"


def _shared_slots(sim: Simulation) -> Iterator[str]:
    slots = Counter(
        (role.service, role.version, role.slot) for server in sim.servers() if (role := server.assignment) is not None
    )
    for (service, version, slot), count in sorted(slots.items()):
        if count > 1:
            yield f"{count} servers are {service} {version} slot {slot}"


def _surplus(sim: Simulation, machines: int) -> Iterator[str]:
    value = sim.ensemble.core.tree.znodes[sim.layout.desired].value
    assert value is not None
    desired = effective(read_desired(value))
    wanted = sum(sum(service.versions.values()) for service in desired.services.values())
    wanted += sum(pool.size for pool in desired.pools.values())
    for number in range(wanted, machines):
        yield f"machine {number + 1}, {wanted} are wanted"


def _unfinished(nonces: Mapping[ServerId, str], records: Mapping[str, ServerRecord]) -> Iterator[str]:
    for server, record in sorted(records.items()):
        if server not in nonces:
            yield f"the record of {server} waits for its machine"
        elif record.delete_at is not None or record.drain_at is not None or record.failed_at is not None:
            yield f"{server} is to leave for {record.leave_cause}"
        elif record.service is not None and record.ready_at is None:
            yield f"{server} was claimed for {record.service}, and nobody says that it serves"
        elif record.service is None and record.built_at is None:
            yield f"{server} was created, and nobody says that it is built"


def _rollouts_under_way(sim: Simulation) -> Iterator[str]:
    for service, rollout in sorted(_entries(sim, sim.layout.rollouts, read_rollout).items()):
        if rollout.phase is not RolloutPhase.DONE:
            yield f"the rollout of {service} is in {rollout.phase}"


def _entries(sim: Simulation, parent: str, read: Callable[[bytes], T]) -> dict[str, T]:
    """Read all entries below one. Errors: FormatError."""
    znodes = sim.ensemble.core.tree.znodes
    names = znodes[parent].children if parent in znodes else set[str]()
    return {name: read(znodes[f"{parent}/{name}"].value or b"") for name in sorted(names)}

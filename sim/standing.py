"""A fleet that stands already: every instance serves, every pool is full, as a control plane before ours left it.

Building ten thousand servers from nothing is a scenario of its own; most others begin here.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from hfs_appliance.config import load_text
from hfs_appliance.model.anchor import Anchor
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.desired import DesiredState, Service
from hfs_appliance.model.ids import EnvironmentUuid, PoolName, Version, server_id
from hfs_appliance.model.instants import MILLISECOND
from hfs_appliance.model.ledger import Ledger
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.registry import formats
from hfs_appliance.registry.paths import Layout
from sim.datacentre import PROJECT
from sim.fleet import Simulation
from sim.incarnation import FILE
from sim.role import Role
from sim.servers import SimServer

UUID: Final = EnvironmentUuid("0123456789abcdef" * 2)


def let_stand(sim: Simulation) -> None:
    """Put everything that the desired state asks for into cloud and registry; agents connect within a second."""
    desired = load_text(sim.source, FILE)
    layout, tree = Layout(desired.environment), sim.ensemble
    for path in ("/hfs", layout.root, *layout.parents):
        tree.put(path, b"")
    serials = count(1)
    for service in desired.services.values():
        for version, instances in service.versions.items():
            for slot in range(instances):
                _stand(sim, desired, next(serials), service.pool, (service, version, slot))
    for pool in desired.pools.values():
        for _ in range(pool.size):
            _stand(sim, desired, next(serials), pool.name, None)
    anchor = Anchor(uuid=UUID, project=PROJECT, incarnation=sim.entropy.nonce())
    tree.put(layout.anchor, formats.write(anchor))
    tree.put(layout.ledger, formats.write_ledger(Ledger(next_serial=next(serials))))


def _stand(
    sim: Simulation, desired: DesiredState, serial: int, pool: PoolName, role: tuple[Service, Version, int] | None
) -> None:
    now, layout = sim.clock.now(), Layout(desired.environment)
    zone = desired.cloud.azs[serial % len(desired.cloud.azs)]
    spec = ServerSpec(
        environment=desired.environment,
        uuid=UUID,
        server=server_id(pool, serial),
        nonce=sim.entropy.nonce(),
        pool=pool,
        az=zone,
        registry_hosts=(),
        session_timeout_ms=desired.registry.session_timeout // MILLISECOND,
    )
    record = ServerRecord(
        server=spec.server,
        nonce=spec.nonce,
        pool=pool,
        az=zone,
        created_at=now,
        cause=Cause.MEET_DEMAND.value,
        service=role[0].name if role is not None else None,
        version=role[1] if role is not None else None,
        slot=role[2] if role is not None else None,
        assigned_at=now if role is not None else None,
        ready_at=now if role is not None else None,
    )
    sim.ensemble.put(layout.record(spec.server), formats.write(record))
    taken = None
    if role is not None:
        assignment = _assignment(record, *role)
        taken = Role(formats.write(assignment), assignment)
        sim.ensemble.put(layout.assignment(spec.server), taken.content)
    life = sim.datacentre.let_stand(spec).life
    assert isinstance(life, SimServer)
    life.let_stand(taken)


def _assignment(record: ServerRecord, service: Service, version: Version, slot: int) -> Assignment:
    return Assignment(
        server=record.server,
        nonce=record.nonce,
        service=service.name,
        version=version,
        slot=slot,
        port=service.port,
        run=service.run,
        health=service.health,
        registrar=service.registrar,
        document=service.document,
        base_path=service.base_path,
        drain=service.drain,
        claimed_at=record.created_at,
    )

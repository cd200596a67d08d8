"""Evidence: what each source says of one server, in words for `hfs explain`."""

from __future__ import annotations

from collections.abc import Mapping

from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import format_instant
from hfs_appliance.model.observed import CloudServer, Registration, RegistryView, ServerRecord
from hfs_appliance.model.probes import Probe
from hfs_appliance.model.world import World


def evidence(world: World, server: ServerId) -> Mapping[str, str]:
    """Give the words of each source, by its name; a source that was never read says so."""
    told = {"record": "not read yet", "cloud": "not read yet"}
    if world.cloud is not None:
        found = world.cloud.value.servers.get(server)
        told["cloud"] = _cloud(found) if found is not None else "does not list it"
        if not world.cloud.value.is_complete:
            told["cloud"] += "; the list may leave servers out"
        told["cloud"] += f" (asked {format_instant(world.cloud.observed_at)})"
    if world.registry is not None:
        view = world.registry.value
        record = view.records.get(server)
        told["record"] = _record(record) if record is not None else "none"
        told["pool"] = "announced" if server in view.pool else "not announced"
        told["registration"] = _registered(view, record)
        if server in view.departed:
            told["registration"] += f"; seen to go {format_instant(view.departed[server])}"
        trouble = view.troubles.get(server)
        if trouble is not None:
            told["trouble"] = trouble.words
            told |= {f"failed {number}": line for number, line in enumerate(trouble.report, start=1)}
    if server in world.probes:
        told["probe"] = _probe(world.probes[server])
    return told


def _probe(probe: Probe) -> str:
    in_a_row = f", {probe.failures} bad answers in a row" if probe.failures else ""
    return f"{probe.answer.pulse.value}: {probe.answer.words}{in_a_row} (asked {format_instant(probe.at)})"


def _cloud(server: CloudServer) -> str:
    fault = f": {server.fault}" if server.fault else ""
    return f"{server.status.value}{fault} at {server.address} in {server.az}, made {format_instant(server.created_at)}"


def _record(record: ServerRecord) -> str:
    told = [f"made {format_instant(record.created_at)} ({record.cause})"]
    if record.service is not None and record.assigned_at is not None:
        role = f"{record.service} {record.version}, slot {record.slot}"
        told.append(f"given {role} {format_instant(record.assigned_at)}")
    if record.built:
        told.append(f"built: {record.built}")
    moments = (("first registered", record.ready_at), ("drained", record.drain_at), ("deleted", record.delete_at))
    told += [f"{what} {format_instant(at)}" for what, at in moments if at is not None]
    if record.leave_cause:
        told.append(f"leaves for {record.leave_cause}")
    return ", ".join(told)


def _registered(view: RegistryView, record: ServerRecord | None) -> str:
    if record is None or record.service is None:
        return "none expected: it has no role"
    entry = view.registrations.get(record.service, {}).get(record.server)
    return _registration(entry) if entry is not None else "none"


def _registration(entry: Registration) -> str:
    return f"{entry.service} {entry.version} {entry.status.value} at {entry.address}:{entry.port}"

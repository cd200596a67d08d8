"""Faults of the registry and of what stands in it (Z1 to Z20 of the catalogue)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hfs_appliance.model.instants import MILLISECOND, MINUTE, SECOND, Duration
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import ids_of, records_of, servers_of
from sim.overlaps import chain
from sim.wire.zookeeper.requests import Create, Delete, SetAccess, SetValue
from sim.wire.zookeeper.values import OPEN, Access, AccessList, Permission

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

SHORT = (Duration(100 * MILLISECOND), Duration(10 * SECOND))
OUTAGE = (SECOND, Duration(20 * MINUTE))
GARBAGE = (b"", b"\x00\xff{", b"[1, 2]", b'{"schema": 99}', b"x" * 900_000)
"""Z18: empty, no text, no table, of another time, and large."""
LOCKED: Final[AccessList] = (Access(Permission.READ | Permission.ADMIN, "world", "anyone"),)


# The servers


@kind("registry-away", "Z12", "Z20", words="no server of the registry answers", spans=OUTAGE)
def registry_away(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Stop the ensemble."""
    end = sim.overlaps.during("registry away", sim.ensemble.stop, sim.ensemble.start)
    return Struck(words="the registry is away", end=end)


@kind("registry-leader-lost", "Z13", "Z20", words="the registry elects a leader: it serves nobody", spans=SHORT)
def registry_leader_lost(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Stop the ensemble for an election; every server drops its clients, as ZooKeeper's do."""
    end = sim.overlaps.during("registry away", sim.ensemble.stop, sim.ensemble.start)
    return Struck(words="the registry elects a leader", end=end)


@kind("registry-frozen", "Z12", words="the registry stands still with its connections open", spans=OUTAGE)
def registry_frozen(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Freeze the ensemble."""
    end = sim.overlaps.during("registry frozen", sim.ensemble.freeze, sim.ensemble.thaw)
    return Struck(words="the registry stands still", end=end)


@kind("registry-writes-hang", "Z12", words="the registry has no quorum: reads are answered, writes wait", spans=OUTAGE)
def registry_writes_hang(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Hold all writes."""
    end = sim.overlaps.during("registry without quorum", sim.ensemble.stop_writing, sim.ensemble.write_again)
    return Struck(words="the registry takes no writes", end=end)


@kind("registry-slow", "Z13", words="the registry takes `amount` times as long", amounts=(2, 3000), spans=OUTAGE)
def registry_slow(sim: Simulation, fault: Fault) -> Struck:
    """Slow the ensemble down."""
    end = sim.overlaps.hold(sim.ensemble, "slowness", fault.amount)
    return Struck(words=f"the registry takes {fault.amount} times as long", end=end)


@kind("registry-member-lost", "Z17", words="one server of the registry dies; its clients go to others; target: which")
def registry_member_lost(sim: Simulation, fault: Fault) -> Struck:
    """Break all connections of one server."""
    sim.ensemble.lose_member(fault.target)
    return Struck(words="a server of the registry has lost its clients")


@kind(
    "registry-loses-answers",
    "Z8",
    words="of 1,000 writes, `amount` are carried out and lose connection and answer",
    amounts=(10, 300),
    spans=OUTAGE,
)
def registry_loses_answers(sim: Simulation, fault: Fault) -> Struck:
    """Break connections right after a write."""
    end = sim.overlaps.hold(sim.ensemble, "loses_answers_per_mille", fault.amount)
    return Struck(words=f"{fault.amount} of 1,000 writes lose their answer", end=end)


@kind("registry-wiped", "Z15", words="the registry is empty: every entry and session is gone", is_drawn=False)
def registry_wiped(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Empty the ensemble."""
    sim.ensemble.restore(None)
    return Struck(words="the registry is empty")


@kind(
    "registry-rolled-back",
    "Z15",
    words="at the end the registry is as it was at the beginning: somebody restores a backup",
    spans=(MINUTE, Duration(60 * MINUTE)),
    is_drawn=False,
)
def registry_rolled_back(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Make a backup now, and restore it at the end."""
    backup = sim.ensemble.snapshot()
    return Struck(words="a backup of the registry is made", end=lambda: sim.ensemble.restore(backup))


# Sessions and watches


@kind(
    "sessions-expire",
    "Z1",
    words="the sessions of `amount` living agents expire; target: the first",
    amounts=(1, 5),
    hits=places.servers,
)
def sessions_expire(sim: Simulation, fault: Fault) -> Struck:
    """End the sessions of agents that live."""
    servers = servers_of(sim, fault, fault.amount)
    for server in servers:
        if server.link is not None:
            sim.ensemble.expire(server.link.session_id)
    return Struck(words=f"the sessions of {len(servers)} living agents expire", victims=ids_of(servers))


@kind("sessions-expire-together", "Z16", words="all sessions of one server of the registry expire; target: which")
def sessions_expire_together(sim: Simulation, fault: Fault) -> Struck:
    """End a third of all sessions at one instant."""
    sim.ensemble.expire_member(fault.target)
    return Struck(words="all sessions of one server of the registry expire")


@kind("mcp-session-expires", "Z2", words="the control plane's session expires though it lives")
def mcp_session_expires(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """End the control plane's session."""
    if sim.now is None:
        return Struck(words="there was no control plane")
    sim.ensemble.expire(sim.now.registry.link.session_id)
    return Struck(words="the control plane's session expires")


@kind("mcp-disconnected", "Z4", words="the control plane loses its connection and all watches; its session lives on")
def mcp_disconnected(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Break the control plane's connection."""
    if sim.now is None:
        return Struck(words="there was no control plane")
    sim.now.registry.link.break_off()
    return Struck(words="the control plane's connection breaks")


@kind("mcp-watches-lost", "Z5", words="the registry forgets the control plane's watches, without a word")
def mcp_watches_lost(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Drop the control plane's watches."""
    if sim.now is None:
        return Struck(words="there was no control plane")
    sim.ensemble.lose_watches(sim.now.registry.link)
    return Struck(words="the control plane's watches are forgotten")


@kind("mcp-reads-old", "Z7", words="the control plane's server of the registry lags behind", spans=SHORT)
def mcp_reads_old(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Let the follower that the control plane is connected to learn nothing new (syncLimit: 10 s)."""
    if sim.now is None:
        return Struck(words="there was no control plane", end=chain())
    link = sim.now.registry.link
    link.fall_behind()
    return Struck(words="the control plane reads from a server that lags behind", end=link.catch_up)


# Entries


@kind(
    "entry-corrupt",
    "Z18",
    words="an entry holds nonsense until somebody puts it right; target: which; amount: the nonsense",
    amounts=(0, len(GARBAGE) - 1),
    spans=OUTAGE,
    is_drawn=False,
)
def entry_corrupt(sim: Simulation, fault: Fault) -> Struck:
    """Write nonsense into one of the environment's entries; at the end write back what stood there, if it still is."""
    tree = sim.ensemble.core.tree
    paths = sorted(path for path, znode in tree.znodes.items() if path.startswith(sim.layout.root) and znode.value)
    if not paths:
        return Struck(words="there was no entry to spoil", end=chain())
    path, nonsense = paths[fault.target % len(paths)], GARBAGE[fault.amount % len(GARBAGE)]
    before = tree.znodes[path].value
    sim.ensemble.change(SetValue(path=path, value=nonsense))

    def end() -> None:
        found = sim.ensemble.core.tree.znodes.get(path)
        if found is not None and found.value == nonsense:
            sim.ensemble.change(SetValue(path=path, value=before))

    return Struck(words=f"{path} holds nonsense", end=end)


@kind("entries-locked", "Z19", words="nobody may create or change the control plane's entries", spans=OUTAGE)
def entries_locked(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Change the access lists of the entries that the control plane writes below."""
    layout = sim.layout
    paths = (layout.servers, layout.assignments, layout.ledger, layout.desired)

    def give(access: AccessList) -> None:
        for path in paths:
            if path in sim.ensemble.core.tree.znodes:
                sim.ensemble.change(SetAccess(path=path, access=access))

    end = sim.overlaps.during("entries locked", lambda: give(LOCKED), lambda: give(OPEN))
    return Struck(words="the control plane may not write its entries", end=end)


@kind("service-removed-by-hand", "Z10", "H10", words="somebody deletes a service's registrations; target: which")
def service_removed_by_hand(sim: Simulation, fault: Fault) -> Struck:
    """Delete all registrations of a service and their parent, and make the parent again."""
    tree, services = sim.ensemble.core.tree, sim.layout.services
    names = sorted(tree.znodes[services].children) if services in tree.znodes else []
    if not names:
        return Struck(words="no service was registered")
    parent = f"{services}/{names[fault.target % len(names)]}"
    for instance in sorted(tree.znodes[parent].children):
        sim.ensemble.change(Delete(path=f"{parent}/{instance}"))
    sim.ensemble.change(Delete(path=parent))
    sim.ensemble.change(Create(path=parent, value=b"", access=OPEN))
    return Struck(words=f"{parent} is deleted by hand")


@kind(
    "record-removed-by-hand",
    "H10",
    words="somebody deletes `amount` records; target: the first",
    amounts=(1, 5),
    hits=places.records,
)
def record_removed_by_hand(sim: Simulation, fault: Fault) -> Struck:
    """Delete records."""
    gone = tuple(records_of(sim, fault, fault.amount))
    for name in gone:
        sim.ensemble.change(Delete(path=f"{sim.layout.servers}/{name}"))
    return Struck(words=f"{len(gone)} records are deleted by hand", victims=gone)

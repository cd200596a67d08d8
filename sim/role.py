"""What a simulated server's agent reads of its role: the counterpart of the real agent's `Role`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.ids import serial_of
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.registry import formats
from hfs_appliance.registry.paths import Layout
from sim.ensemble import Ensemble
from sim.link import Link
from sim.presence import Presence, Standing
from sim.wire.zookeeper.requests import AddWatch
from sim.wire.zookeeper.values import WatchMode


class Role(NamedTuple):
    """An assignment, and how it stands in the registry."""

    content: bytes
    assignment: Assignment


class Read(NamedTuple):
    """What stands there, as bytes."""

    anchor: int
    is_forgotten: bool
    content: bytes | None


class Seen(NamedTuple):
    """What stood there."""

    anchor: int
    """Tells one content of the registry from another."""
    is_forgotten: bool
    """It has no record, in a registry that counts beyond its number."""
    role: Role | None
    """None: there is none."""


def read(ensemble: Ensemble, layout: Layout, spec: ServerSpec) -> Read:
    """Read, at the servers, what a server is to be."""
    paths = (layout.root, layout.record(spec.server), layout.assignment(spec.server), layout.ledger)
    root, record, place, ledger = (ensemble.core.tree.znodes.get(path) for path in paths)
    counted = formats.read_ledger(ledger.value).next_serial if record is None and ledger and ledger.value else 0
    is_forgotten = record is None and counted > serial_of(spec.server)
    return Read(root.czxid if root is not None else 0, is_forgotten, place.value if place is not None else None)


def settle(
    ensemble: Ensemble,
    link: Link,
    layout: Layout,
    spec: ServerSpec,
    presence: Presence,
    take: Callable[[Read], None],
) -> None:
    """Watch and read the role over a new connection, and look at every entry, in one go; then put right what is not.

    A registry that comes back has the agents of a whole fleet do this at once, and most find all as it should be.
    """
    watch = AddWatch(path=layout.assignment(spec.server), mode=WatchMode.PERSISTENT)

    def look() -> tuple[Read, Standing]:
        ensemble.watch(watch, link)
        return read(ensemble, layout, spec), presence.look()

    def hear(found: tuple[Read, Standing]) -> None:
        role, standing = found
        presence.settle_all(standing)
        take(role)

    link.request(look, hear)


def understand(found: Read, spec: ServerSpec, known: Role | None) -> Seen | None:
    """Understand what was read; None: it cannot be, or is meant for another server of that name, and is left alone.

    The role that is known already is not read again: when the registry is back, all agents of a fleet look at once.
    """
    try:
        role = _role(found.content, known) if found.content is not None else None
    except formats.FormatError:
        return None
    if not found.anchor or (role is not None and role.assignment.nonce != spec.nonce):
        return None
    return Seen(found.anchor, found.is_forgotten, role)


def _role(content: bytes, known: Role | None) -> Role:
    if known is not None and known.content == content:
        return known
    return Role(content, formats.read_assignment(content))

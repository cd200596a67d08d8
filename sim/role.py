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


class Role(NamedTuple):
    """An assignment, and how it stands in the registry."""

    content: bytes
    assignment: Assignment


class Seen(NamedTuple):
    """What stood there."""

    anchor: int
    """Tells one content of the registry from another."""
    is_forgotten: bool
    """It has no record, in a registry that counts beyond its number."""
    role: Role | None
    """None: there is none."""


def look(
    ensemble: Ensemble,
    link: Link,
    layout: Layout,
    spec: ServerSpec,
    known: Role | None,
    take: Callable[[Seen], None],
) -> None:
    """Read what a server is to be; what cannot be read, or is meant for another server of that name, is left alone.

    The role that is known already is not read again: when the registry is back, all agents of a fleet look at once.
    """
    paths = (layout.root, layout.record(spec.server), layout.assignment(spec.server), layout.ledger)

    def read() -> tuple[int, bool, bytes | None]:
        root, record, place, ledger = (ensemble.core.tree.znodes.get(path) for path in paths)
        counted = formats.read_ledger(ledger.value).next_serial if record is None and ledger and ledger.value else 0
        is_forgotten = record is None and counted > serial_of(spec.server)
        return root.czxid if root is not None else 0, is_forgotten, place.value if place is not None else None

    def understand(found: tuple[int, bool, bytes | None]) -> None:
        anchor, is_forgotten, content = found
        try:
            role = _role(content, known) if content is not None else None
        except formats.FormatError:
            return
        if anchor and (role is None or role.assignment.nonce == spec.nonce):
            take(Seen(anchor, is_forgotten, role))

    link.request(read, understand)


def _role(content: bytes, known: Role | None) -> Role:
    if known is not None and known.content == content:
        return known
    return Role(content, formats.read_assignment(content))

"""Moments: since when a phase holds, and when time alone will end it. Durations come from the desired state."""

from __future__ import annotations

from typing import Final

from hfs_appliance.mcp.facts import DRAIN_MARGIN, Circumstances, Facts
from hfs_appliance.model.desired import Service
from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.observed import ServerRecord

DEFAULT_GRACE: Final = seconds(5)
DEFAULT_PATIENCE: Final = seconds(300)
"""For servers whose service or pool is no longer in the desired state."""


def _service(r: ServerRecord, c: Circumstances) -> Service | None:
    return c.services.get(r.service) if r.service is not None else None


def _ready_within(r: ServerRecord, c: Circumstances) -> Duration:
    service = _service(r, c)
    return service.health.ready_within if service is not None else DEFAULT_PATIENCE


def created(_f: Facts, r: ServerRecord, _c: Circumstances) -> Instant:
    """Asked for."""
    return r.created_at


def assigned(_f: Facts, r: ServerRecord, _c: Circumstances) -> Instant:
    """Given its role."""
    return r.assigned_at or r.created_at


def ready(_f: Facts, r: ServerRecord, _c: Circumstances) -> Instant:
    """First seen registered."""
    return r.ready_at or r.assigned_at or r.created_at


def deleted(_f: Facts, r: ServerRecord, _c: Circumstances) -> Instant:
    """Its deletion was decided."""
    return r.delete_at or r.created_at


def drained(_f: Facts, r: ServerRecord, _c: Circumstances) -> Instant:
    """Its drain was decided."""
    return r.drain_at or r.created_at


def missing_since(f: Facts, _r: ServerRecord, c: Circumstances) -> Instant:
    """When a registration (or pool entry) went, as far as this process can know: never earlier than it could look."""
    return max(c.departed.get(f.server, c.synced_at), c.removals_believed_at)


def drain_ends(_f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """Its instance must have left by then."""
    service = _service(r, c)
    drain = service.drain if service is not None else DEFAULT_PATIENCE
    return after(after(r.drain_at or r.created_at, drain), DRAIN_MARGIN)


def create_ends(_f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """The cloud must list it by then."""
    return after(r.created_at, c.create_within)


def build_ends(f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """It must have announced itself by then."""
    # A build that this process could not see (registry away), or a warm server whose agent was restarted, gets its time
    # from then on.
    start = max(r.created_at, c.synced_at, c.departed.get(f.server, Instant(0)))
    return after(start, c.build_within.get(r.pool, DEFAULT_PATIENCE))


def ready_ends(f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """Its instance must have registered by then."""
    return after(max(assigned(f, r, c), c.synced_at), _ready_within(r, c))


def grace_ends(f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """Capacity is added in its place from then on."""
    service = _service(r, c)
    return after(missing_since(f, r, c), service.suspect_grace if service is not None else DEFAULT_GRACE)


def recovery_ends(f: Facts, r: ServerRecord, c: Circumstances) -> Instant:
    """It is given up then."""
    return after(missing_since(f, r, c), _ready_within(r, c))

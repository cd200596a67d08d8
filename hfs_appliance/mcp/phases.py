"""The rule table: which phase a server is in. Ordered, first match wins; each row serves an incident or an invariant.

A rule only believes, it never acts: `converge` turns phases into actions. Rules that speak of *absence* ask for a fresh
and whole list (`is_cloud_known`) or for the end of the recovery grace (`are_removals_believed`): absence is not death.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hfs_appliance.mcp.facts import (
    CREATE_WITHIN,
    DRAIN_MARGIN,
    Circumstances,
    Facts,
)
from hfs_appliance.model.desired import Service
from hfs_appliance.model.instants import Duration, Instant, after, seconds
from hfs_appliance.model.observed import CloudStatus, InstanceStatus
from hfs_appliance.model.plan import Phase, Verdict

DRAINED: Final = "drained"
"""Rule whose servers may be deleted though nothing is wrong with them."""

DEFAULT_GRACE: Final = seconds(5)
DEFAULT_PATIENCE: Final = seconds(300)
"""For servers whose service or pool is no longer in the desired state."""

_DEAD: Final = (CloudStatus.ERROR, CloudStatus.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row."""

    name: str
    phase: Phase
    words: str
    matches: Callable[[Facts, Circumstances], bool]
    since: Callable[[Facts, Circumstances], Instant]
    until: Callable[[Facts, Circumstances], Instant | None] = lambda _f, _c: None
    """When time alone will move the server to another row."""


def _service(f: Facts, c: Circumstances) -> Service | None:
    return c.services.get(f.record.service) if f.record is not None and f.record.service is not None else None


def _ready_within(f: Facts, c: Circumstances) -> Duration:
    service = _service(f, c)
    return service.health.ready_within if service is not None else DEFAULT_PATIENCE


def _grace(f: Facts, c: Circumstances) -> Duration:
    service = _service(f, c)
    return service.suspect_grace if service is not None else DEFAULT_GRACE


def _created(f: Facts, _c: Circumstances) -> Instant:
    if f.record is not None:
        return f.record.created_at
    return f.cloud.created_at if f.cloud is not None else Instant(0)


def _assigned(f: Facts, c: Circumstances) -> Instant:
    at = f.record.assigned_at if f.record is not None else None
    return at if at is not None else _created(f, c)


def _ready(f: Facts, c: Circumstances) -> Instant:
    at = f.record.ready_at if f.record is not None else None
    return at if at is not None else _assigned(f, c)


def _missing_since(f: Facts, c: Circumstances) -> Instant:
    """When a registration (or pool entry) went, as far as this process can know: never earlier than it could look."""
    return max(c.departed.get(f.server, c.synced_at), c.removals_believed_at)


def _deleted(f: Facts, c: Circumstances) -> Instant:
    at = f.record.delete_at if f.record is not None else None
    return at if at is not None else _created(f, c)


def _drained(f: Facts, c: Circumstances) -> Instant:
    at = f.record.drain_at if f.record is not None else None
    return at if at is not None else _created(f, c)


def _drain_ends(f: Facts, c: Circumstances) -> Instant:
    service = _service(f, c)
    drain = service.drain if service is not None else DEFAULT_PATIENCE
    return after(after(_drained(f, c), drain), DRAIN_MARGIN)


def _create_ends(f: Facts, c: Circumstances) -> Instant:
    return after(_created(f, c), CREATE_WITHIN)


def _build_ends(f: Facts, c: Circumstances) -> Instant:
    pool = f.record.pool if f.record is not None else ""
    # A build that this process could not see (registry away), or a warm server whose agent was restarted, gets its time
    # from then on.
    start = max(_created(f, c), c.synced_at, c.departed.get(f.server, Instant(0)))
    return after(start, c.build_within.get(pool, DEFAULT_PATIENCE))


def _ready_ends(f: Facts, c: Circumstances) -> Instant:
    return after(max(_assigned(f, c), c.synced_at), _ready_within(f, c))


def _grace_ends(f: Facts, c: Circumstances) -> Instant:
    return after(_missing_since(f, c), _grace(f, c))


def _recovery_ends(f: Facts, c: Circumstances) -> Instant:
    return after(_missing_since(f, c), _ready_within(f, c))


def _is_absent(f: Facts, c: Circumstances) -> bool:
    """The cloud, asked after the record was written, does not know the server."""
    return f.cloud is None and c.is_cloud_known and c.listed_at > _created(f, c)


def _is_dead_in_cloud(f: Facts, c: Circumstances) -> bool:
    return c.is_cloud_known and f.cloud is not None and f.cloud.status in _DEAD


def _is_assigned(f: Facts) -> bool:
    return f.record is not None and f.record.service is not None


def _is_ready(f: Facts) -> bool:
    return f.record is not None and f.record.ready_at is not None


def _is_misregistered(f: Facts) -> bool:
    return f.registration is not None and f.record is not None and f.registration.version != f.record.version


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="forget",  # crash table: deletion goes on until the cloud no longer knows the server, then the record goes
        phase=Phase.GONE,
        words="deleted, and the cloud no longer knows it",
        matches=lambda f, c: (
            f.record is not None
            and f.record.delete_at is not None
            and f.cloud is None
            and c.is_cloud_known
            and c.listed_at > f.record.delete_at
            and f.registration is None
            and f.pool_entry is None
        ),
        since=_deleted,
    ),
    Rule(
        name="delete",  # L7: what is to be deleted is deleted, whatever happens meanwhile
        phase=Phase.DELETING,
        words="its deletion was decided; waiting for the cloud to say that it is gone",
        matches=lambda f, _c: f.record is not None and f.record.delete_at is not None,
        since=_deleted,
    ),
    Rule(
        name="no-record",  # crash table: server made, record not written; or the registry lost it
        phase=Phase.AMBIGUOUS,
        words="carries our identity in the cloud, but the registry has no record of it",
        matches=lambda f, _c: f.record is None,
        since=_created,
    ),
    Rule(
        name="dead-but-registered",  # its session has not expired yet: capacity may be added, nothing is destroyed
        phase=Phase.SUSPECT,
        words="the cloud says that it does not run; its registration has not expired yet",
        matches=lambda f, c: (
            (f.registration is not None or f.pool_entry is not None) and (_is_dead_in_cloud(f, c) or _is_absent(f, c))
        ),
        since=_ready,
    ),
    Rule(
        name="dead",  # death certificate: unregistered, and the cloud as second witness
        phase=Phase.LOST,
        words="not registered, and the cloud says that it does not run",
        matches=lambda f, c: (
            c.are_removals_believed and f.registration is None and f.pool_entry is None and _is_dead_in_cloud(f, c)
        ),
        since=_missing_since,
    ),
    Rule(
        name="vanished",  # somebody deleted it, or its host died: unregistered, and absent from a fresh and whole list
        phase=Phase.LOST,
        words="was there, is not registered any more, and the cloud does not list it",
        matches=lambda f, c: (
            _is_assigned(f) and c.are_removals_believed and f.registration is None and _is_absent(f, c)
        ),
        since=_missing_since,
    ),
    Rule(
        name="never-created",  # O1, O2: the request failed, or its answer and the server were lost
        phase=Phase.LOST,
        words="asked for, but the cloud does not list it in time",
        matches=lambda f, c: _is_absent(f, c) and f.pool_entry is None and c.now >= _create_ends(f, c),
        since=_created,
    ),
    Rule(
        name="creating",
        phase=Phase.CREATING,
        words="asked for; the cloud does not list it yet",
        matches=lambda f, _c: f.cloud is None and f.pool_entry is None and not _is_assigned(f),
        since=_created,
        until=_create_ends,
    ),
    Rule(
        name="draining",
        phase=Phase.DRAINING,
        words="out of traffic; lets its open requests end",
        matches=lambda f, c: (
            f.record is not None
            and f.record.drain_at is not None
            and (f.registration is not None or not c.are_removals_believed)
            and c.now < _drain_ends(f, c)
        ),
        since=_drained,
        until=_drain_ends,
    ),
    Rule(
        name=DRAINED,
        phase=Phase.DRAINING,
        words="drained: its instance has left",
        matches=lambda f, _c: f.record is not None and f.record.drain_at is not None,
        since=_drained,
    ),
    Rule(
        name="wrong-version",  # P4, P10: what registered is not what was assigned
        phase=Phase.SUSPECT,
        words="registered as another version than it was given",
        matches=lambda f, _c: _is_misregistered(f),
        since=_ready,
    ),
    Rule(
        name="leaving",  # the instance takes itself out of traffic: no capacity, and no reason to destroy it
        phase=Phase.SUSPECT,
        words="registered as draining, which we did not ask for",
        matches=lambda f, _c: f.registration is not None and f.registration.status is InstanceStatus.DRAINING,
        since=_ready,
    ),
    Rule(
        name="registered",
        phase=Phase.SERVING,
        words="registered and in traffic",
        matches=lambda f, _c: f.registration is not None,
        since=_ready,
    ),
    Rule(
        name="claimed",
        phase=Phase.ASSIGNED,
        words="has a role; its agent has not taken it yet",
        matches=lambda f, c: _is_assigned(f) and f.pool_entry is not None and c.now < _ready_ends(f, c),
        since=_assigned,
        until=_ready_ends,
    ),
    Rule(
        name="warming",
        phase=Phase.WARMING,
        words="its agent installs and starts the service",
        matches=lambda f, c: _is_assigned(f) and not _is_ready(f) and c.now < _ready_ends(f, c),
        since=_assigned,
        until=_ready_ends,
    ),
    Rule(
        name="never-ready",  # P1..P3, H8: a version that does not come up must not take the pool with it
        phase=Phase.LOST,
        words="did not register within its time",
        matches=lambda f, _c: _is_assigned(f) and not _is_ready(f),
        since=_assigned,
    ),
    Rule(
        name="unregistered",  # Z1, P2: a short absence (service restarted, session renewed) is not worth a server
        phase=Phase.SUSPECT,
        words="lost its registration moments ago; may come back",
        matches=lambda f, c: _is_assigned(f) and (not c.are_removals_believed or c.now < _grace_ends(f, c)),
        since=_missing_since,
        until=_grace_ends,
    ),
    Rule(
        name="missing",  # no second witness: capacity is added in its place, nothing is destroyed
        phase=Phase.SUSPECT,
        words="lost its registration, though the cloud says that it runs: replaced, kept for now",
        matches=lambda f, c: _is_assigned(f) and c.now < _recovery_ends(f, c),
        since=_missing_since,
        until=_recovery_ends,
    ),
    Rule(
        name="unrecovered",
        phase=Phase.LOST,
        words="has been without registration for as long as a new instance may take",
        matches=lambda f, _c: _is_assigned(f),
        since=_missing_since,
    ),
    Rule(
        name="warm",
        phase=Phase.WARM,
        words="built; waits for a role",
        matches=lambda f, _c: f.pool_entry is not None,
        since=_created,
    ),
    Rule(
        name="build-failed",  # V2, V3, P1: neither the cloud nor the server says what is wrong; time does
        phase=Phase.LOST,
        words="was not built within its time",
        matches=lambda f, c: c.are_removals_believed and c.now >= _build_ends(f, c),
        since=_created,
    ),
    Rule(
        name="booting",
        phase=Phase.BOOTING,
        words="the cloud builds it",
        matches=lambda f, _c: f.cloud is not None and f.cloud.status is CloudStatus.BUILDING,
        since=_created,
        until=_build_ends,
    ),
    Rule(
        name="configuring",
        phase=Phase.CONFIGURING,
        words="runs; its agent applies updates and configuration",
        matches=lambda _f, _c: True,
        since=_created,
        until=_build_ends,
    ),
)

UNCOUNTED: Final = frozenset({"missing", "dead-but-registered", "wrong-version", "leaving"})
"""Suspects in whose place capacity is added; the others may come back any moment."""


def classify(f: Facts, c: Circumstances) -> tuple[Verdict, Instant | None]:
    """Give the verdict on one server, and when time alone would change it."""
    for rule in RULES:
        if rule.matches(f, c):
            verdict = Verdict(
                server=f.server, phase=rule.phase, rule=rule.name, since=rule.since(f, c), words=rule.words
            )
            return verdict, rule.until(f, c)
    raise AssertionError("the last rule matches everything")

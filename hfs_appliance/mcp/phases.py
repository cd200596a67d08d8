"""The rule table: which phase a server is in. Ordered, first match wins; each row serves an incident or an invariant.

A rule only believes, it never acts: `converge` turns phases into actions. A row first says what must be known of a
server (True), must not (False), or may (None), then what else must hold. Rows that rest on *absence* ask for a fresh,
whole list (`is_cloud_known`) or for the end of the recovery grace (`are_removals_believed`): absence is not death.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hfs_appliance.mcp import moments, witnesses
from hfs_appliance.mcp.facts import Circumstances, Facts
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import CloudStatus, InstanceStatus, ServerRecord
from hfs_appliance.model.plan import Phase

DRAINED: Final = "drained"
"""Rule whose servers may be deleted though nothing is wrong with them."""
FOREIGN: Final = "foreign"
"""Verdict on what belongs to somebody else, whatever the other sources say of that name."""
REGISTERED: Final = "registered"
"""Rule of a server that serves and of which all sources agree."""
UNCOUNTED: Final = frozenset(
    {"missing", "unregistered-alive", "dead-but-registered", "dead-but-announced", "wrong-version", "leaving", "astray"}
)
"""Suspects in whose place capacity is added; the others may come back any moment."""
QUESTIONED: Final = frozenset({"parting", "unready", "never-ready", "missing", "unregistered-alive", "unrecovered"})
"""Rules under which the instance itself is asked whether it lives."""

DEAD: Final = (CloudStatus.ERROR, CloudStatus.STOPPED, CloudStatus.DELETING)
"""What the cloud says of a server that does not run; no verdict rests on any other of its words being believed."""

Condition: TypeAlias = Callable[[Facts, ServerRecord, Circumstances], bool]
Moment: TypeAlias = Callable[[Facts, ServerRecord, Circumstances], Instant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row, for servers that have a record."""

    name: str
    phase: Phase
    words: str
    since: Moment
    until: Moment | None = None
    """When time alone will move the server to another row."""
    cloud: bool | None = None
    pool: bool | None = None
    registration: bool | None = None
    role: bool | None = None
    """The record says which service it is for."""
    drained: bool | None = None
    """The record says that it is to be drained."""
    deleted: bool | None = None
    """The record says that it is to be deleted."""
    matches: Condition | None = None
    """What else must hold; None: nothing."""
    quotes: bool = False
    """Its words go on with what the cloud says is wrong."""


def _is_absent(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    """The cloud, which does not list it, was asked when its creation could not be under way any more.

    A list may be asked for before the creation reaches the cloud, and answered after the server has announced itself.
    """
    return c.is_cloud_known and c.listed_at >= moments.create_ends(f, r, c)


def _was_there(r: ServerRecord) -> bool:
    return r.service is not None or r.built_at is not None


def _is_dead_in_cloud(f: Facts, _r: ServerRecord, c: Circumstances) -> bool:
    return c.is_cloud_known and f.cloud is not None and f.cloud.status in DEAD


def _has_build_error(f: Facts, _r: ServerRecord, c: Circumstances) -> bool:
    has_error = f.cloud is not None and f.cloud.status is CloudStatus.ERROR
    return has_error and c.is_cloud_known and c.are_removals_believed


def _is_over_quota(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    return _has_build_error(f, r, c) and f.cloud is not None and f.cloud.is_exhausted


def _is_listed_since_deleted(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    return c.is_cloud_known and c.listed_at > moments.deleted(f, r, c)


def _is_draining(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    is_registered = f.registration is not None or not c.are_removals_believed
    return is_registered and c.now < moments.drain_ends(f, r, c)


def _is_parting(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    """It may live: its session may have ended, or it was cut off from the registry and never heard that it is to leave.

    Where nobody can ask it, because its service is no longer known or its server does not run, its registration is the
    only witness: that has to be seen to go after it was told to leave.
    """
    if f.cloud is not None and f.cloud.status is CloudStatus.ACTIVE and r.service in c.services:
        has_ended = witnesses.has_ended(f, r, c)
    else:
        has_ended = c.departed.get(f.server, Instant(0)) >= moments.drained(f, r, c)
    return not has_ended and c.now < moments.drain_ends(f, r, c)


def _is_misregistered(f: Facts, r: ServerRecord, _c: Circumstances) -> bool:
    return f.registration is not None and f.registration.version != r.version


def _says_draining(f: Facts, _r: ServerRecord, _c: Circumstances) -> bool:
    return f.registration is not None and f.registration.status is InstanceStatus.DRAINING


def _has_overstayed_alive(f: Facts, r: ServerRecord, c: Circumstances) -> bool:
    is_out_of_time = r.ready_at is None or c.now >= moments.grace_ends(f, r, c)
    return is_out_of_time and c.are_removals_believed and witnesses.answers_well(f, r, c)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="forget",  # crash table: deletion goes on until the cloud no longer knows the server, then the record goes
        phase=Phase.GONE,
        words="deleted, and the cloud no longer knows it",
        cloud=False,
        pool=False,
        registration=False,
        deleted=True,
        matches=_is_listed_since_deleted,
        since=moments.deleted,
    ),
    Rule(
        name="delete",  # L7: what is to be deleted is deleted, whatever happens meanwhile
        phase=Phase.DELETING,
        words="its deletion was decided; waiting for the cloud to say that it is gone",
        deleted=True,
        quotes=True,
        since=moments.deleted,
    ),
    Rule(
        name="role-unknown",  # Z15: the registry lost the claim, not the instance; a serving server is no failed build
        phase=Phase.AMBIGUOUS,
        words="registered as an instance, but its record knows of no role",
        registration=True,
        role=False,
        since=moments.created,
    ),
    Rule(
        name="dead-but-registered",  # its session has not expired yet: capacity may be added, nothing is destroyed
        phase=Phase.SUSPECT,
        words="the cloud says that it does not run; its registration has not expired yet",
        registration=True,
        drained=False,  # it leaves already: to doubt it would have it drained again and again
        matches=_is_dead_in_cloud,
        quotes=True,
        since=moments.ready,
    ),
    Rule(
        name="dead-but-announced",  # the same for a warm server: not to be claimed, not to be destroyed yet
        phase=Phase.SUSPECT,
        words="the cloud says that it does not run; its place in the pool has not expired yet",
        pool=True,
        matches=_is_dead_in_cloud,
        quotes=True,
        since=moments.created,
    ),
    Rule(
        name="over-quota",  # O7: nova lets in who asks at the same time, counts again later, and refuses them then
        phase=Phase.LOST,
        words="the cloud had no quota left for it",
        cloud=True,
        pool=False,
        registration=False,
        role=False,
        matches=_is_over_quota,
        quotes=True,
        since=moments.created,
    ),
    Rule(
        name="build-error",  # V1: a bad image or a full cloud must not be asked for servers without end
        phase=Phase.LOST,
        words="the cloud could not build it",
        cloud=True,
        pool=False,
        registration=False,
        role=False,
        matches=_has_build_error,
        quotes=True,
        since=moments.created,
    ),
    Rule(
        name="dead",  # death certificate: unregistered, and the cloud as second witness
        phase=Phase.LOST,
        words="not registered, and the cloud says that it does not run",
        cloud=True,
        pool=False,
        registration=False,
        matches=lambda f, r, c: c.are_removals_believed and _is_dead_in_cloud(f, r, c),
        quotes=True,
        since=moments.missing_since,
    ),
    Rule(
        name="vanished",  # somebody deleted it: it was there, is silent, and a fresh and whole list agrees
        phase=Phase.LOST,
        words="was there, is not registered, and the cloud does not list it",
        cloud=False,
        pool=False,
        registration=False,
        matches=lambda f, r, c: _was_there(r) and c.are_removals_believed and _is_absent(f, r, c),
        since=moments.missing_since,
    ),
    Rule(
        name="never-created",  # O1, O2: the request failed, or its answer and the server were lost
        phase=Phase.LOST,
        words="asked for, but the cloud does not list it in time",
        cloud=False,
        pool=False,
        registration=False,
        role=False,
        matches=lambda f, r, c: not _was_there(r) and _is_absent(f, r, c),
        since=moments.created,
    ),
    Rule(
        name="creating",
        phase=Phase.CREATING,
        words="asked for; the cloud does not list it yet",
        cloud=False,
        pool=False,
        role=False,
        since=moments.created,
        until=moments.create_ends,
    ),
    Rule(
        name="draining",
        phase=Phase.DRAINING,
        words="out of traffic; lets its open requests end",
        drained=True,
        matches=_is_draining,
        since=moments.drained,
        until=moments.drain_ends,
    ),
    Rule(
        name="parting",  # Z1: its session may have ended instead, and its open requests go on
        phase=Phase.DRAINING,
        words="out of traffic and no longer registered; it is asked whether its instance has ended",
        drained=True,
        matches=_is_parting,
        since=moments.drained,
        until=moments.drain_ends,
    ),
    Rule(
        name=DRAINED,
        phase=Phase.DRAINING,
        words="drained: its instance has left",
        drained=True,
        since=moments.drained,
    ),
    Rule(
        name="wrong-version",  # P4, P10: what registered is not what was assigned
        phase=Phase.SUSPECT,
        words="registered as another version than it was given",
        registration=True,
        matches=_is_misregistered,
        since=moments.ready,
    ),
    Rule(
        name="leaving",  # the instance takes itself out of traffic: no capacity, and no reason to destroy it
        phase=Phase.SUSPECT,
        words="registered as draining, which we did not ask for",
        registration=True,
        matches=_says_draining,
        since=moments.ready,
    ),
    Rule(
        name=REGISTERED,
        phase=Phase.SERVING,
        words="registered and in traffic",
        registration=True,
        since=moments.ready,
    ),
    Rule(
        name="claimed",
        phase=Phase.ASSIGNED,
        words="has a role; its agent has not taken it yet",
        pool=True,
        role=True,
        matches=lambda f, r, c: c.now < moments.ready_ends(f, r, c),
        since=moments.assigned,
        until=moments.ready_ends,
    ),
    Rule(
        name="warming",
        phase=Phase.WARMING,
        words="its agent installs and starts the service",
        role=True,
        matches=lambda f, r, c: r.ready_at is None and c.now < moments.ready_ends(f, r, c),
        since=moments.assigned,
        until=moments.ready_ends,
    ),
    Rule(
        name="never-ready",  # P1..P3, H8: a version that does not come up must not take the pool with it
        phase=Phase.LOST,
        words="did not register within its time, and does not answer as it should",
        role=True,
        matches=lambda f, r, c: r.ready_at is None and witnesses.answers_badly(f, r, c),
        since=moments.assigned,
        until=witnesses.word_ends,
    ),
    Rule(
        name="unregistered-alive",  # N3, Z19: it serves and cannot say so; whoever kills it kills what works
        phase=Phase.SUSPECT,
        words="is not registered, but answers when it is asked: replaced, kept",
        role=True,
        matches=_has_overstayed_alive,
        since=moments.missing_since,
        until=witnesses.word_ends,
    ),
    Rule(
        name="unready",  # out of time, and nobody has said why: the instance is asked first
        phase=Phase.SUSPECT,
        words="did not register within its time; it is asked whether it runs",
        role=True,
        matches=lambda _f, r, _c: r.ready_at is None,
        since=moments.assigned,
    ),
    Rule(
        name="unregistered",  # Z1, P2: a short absence (service restarted, session renewed) is not worth a server
        phase=Phase.SUSPECT,
        words="lost its registration moments ago; may come back",
        role=True,
        matches=lambda f, r, c: not c.are_removals_believed or c.now < moments.grace_ends(f, r, c),
        since=moments.missing_since,
        until=moments.grace_ends,
    ),
    Rule(
        name="unrecovered",  # V5: the cloud says for ever that it runs; the instance itself is the second witness
        phase=Phase.LOST,
        words="has been without registration for as long as a new one may take, and does not answer as it should",
        role=True,
        matches=lambda f, r, c: c.now >= moments.recovery_ends(f, r, c) and witnesses.answers_badly(f, r, c),
        since=moments.missing_since,
        until=witnesses.word_ends,
    ),
    Rule(
        name="missing",  # no second witness: capacity is added in its place, nothing is destroyed
        phase=Phase.SUSPECT,
        words="lost its registration, though the cloud says that it runs: replaced, kept for now",
        role=True,
        since=moments.missing_since,
        until=moments.recovery_ends,
    ),
    Rule(
        name="warm",
        phase=Phase.WARM,
        words="built; waits for a role",
        pool=True,
        since=moments.created,
    ),
    Rule(
        name="astray",  # it was well once: that its agent is silent is one witness, and there is no service to ask
        phase=Phase.SUSPECT,
        words="has left the pool, though the cloud says that it runs: replaced, kept",
        matches=lambda f, r, c: r.built_at is not None and c.now >= moments.build_ends(f, r, c),
        since=moments.missing_since,
    ),
    Rule(
        name="build-failed",  # V2, V3, P1: neither the cloud nor the server says what is wrong; time does
        phase=Phase.LOST,
        words="was not built within its time",
        matches=lambda f, r, c: c.are_removals_believed and c.now >= moments.build_ends(f, r, c),
        since=moments.created,
    ),
    Rule(
        name="booting",
        phase=Phase.BOOTING,
        words="the cloud builds it",
        cloud=True,
        matches=lambda f, _r, _c: f.cloud is not None and f.cloud.status is CloudStatus.BUILDING,
        since=moments.created,
        until=moments.build_ends,
    ),
    Rule(
        name="configuring",
        phase=Phase.CONFIGURING,
        words="runs; its agent applies updates and configuration",
        since=moments.created,
        until=moments.build_ends,
    ),
)

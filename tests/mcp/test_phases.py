"""The rule table, row by row: what is known of one server in, the row, since when and until when out.

The server was asked for at 0 s. Its pool builds within 600 s; an instance of dns is ready within 300 s, is missed after
5 s, and drains in 5 s, with 15 s on top to say so. A nanosecond less or more is another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hfs_appliance.mcp.classify import classify
from hfs_appliance.mcp.facts import CREATE_WITHIN, Circumstances, Facts, circumstances
from hfs_appliance.mcp.phases import RULES
from hfs_appliance.model.desired import CloudProvider, OpenStackCloud, Service
from hfs_appliance.model.ids import NO_UUID, CloudId, EnvironmentUuid, Nonce, ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration, Instant, after, seconds
from hfs_appliance.model.observed import CloudServer, CloudStatus, InstanceStatus, PoolEntry, Registration, ServerRecord
from hfs_appliance.model.plan import Verdict
from hfs_appliance.model.probes import Answer, Probe, Pulse
from sim.worlds import EPOCH, SMALL, ZONES, Fleet, desired

S, NOW = SECOND, 10_000 * SECOND
NAME, DNS = ServerId("small-0001"), ServiceName("dns")
OURS, OTHER = EnvironmentUuid("a" * 32), EnvironmentUuid("b" * 32)
_USUAL = desired({"dns": {"1": 1}}).services[DNS]
SERVICES: Mapping[ServiceName, Service] = {
    DNS: _USUAL,
    ServiceName("slow"): replace(
        _USUAL, health=replace(_USUAL.health, ready_within=seconds(400)), suspect_grace=seconds(9)
    ),
}
ACTIVE, BUILDING, DELETING = CloudStatus.ACTIVE, CloudStatus.BUILDING, CloudStatus.DELETING
ERROR, STOPPED = CloudStatus.ERROR, CloudStatus.STOPPED
ALIVE, SICK, DARK = Pulse.ALIVE, Pulse.SICK, Pulse.DARK

FAULT = "no host has room"
QUOTED = {"delete", "dead-but-registered", "dead-but-announced", "over-quota", "build-error", "dead"}
"""Rows that rest on what the cloud says of a server."""

ROLE = {"service": "dns", "assigned_at": 10 * S}
READY = {**ROLE, "ready_at": 20 * S}
LEFT = {**READY, "departed": 500 * S}
DRAINED = {**READY, "drain_at": 100 * S}


def at(instant: int | None) -> Instant | None:
    return Instant(EPOCH + instant) if instant is not None else None


def verdict_on(
    *,
    cloud: CloudStatus | None = ACTIVE,
    pool: bool = False,
    entry: str = "",
    status: InstanceStatus = InstanceStatus.UP,
    now: int = NOW,
    listed: int | None = None,
    is_exhausted: bool = False,
    is_cloud_known: bool = True,
    believed: bool = True,
    believed_at: int = 0,
    synced: int = 0,
    departed: int | None = None,
    probe: tuple[Pulse, int, int] | None = None,
    of: str = "small",
    service: str = "",
    **instants: int,
) -> tuple[Verdict, Instant | None]:
    """Give the verdict and until when; `probe` is what was answered, when, and how often badly."""
    record = ServerRecord(
        server=NAME, nonce=Nonce("0"), pool=SMALL, az=ZONES[0], created_at=Instant(EPOCH), cause="meet-demand"
    )
    if service:
        record = replace(record, service=ServiceName(service), version=Version("1"))
    record = replace(record, **{name: at(instant) for name, instant in instants.items()})  # type: ignore[arg-type]
    found = CloudServer(
        cloud_id=CloudId("1"),
        server=NAME,
        nonce=Nonce("0"),
        pool=SMALL,
        az=ZONES[0],
        status=cloud or ACTIVE,
        address="10.0.0.1",
        created_at=Instant(EPOCH),
        uuid=OURS,
        fault=FAULT,
        is_exhausted=is_exhausted,
    )
    facts = Facts(
        NAME,
        record,
        found if cloud is not None else None,
        PoolEntry(server=NAME, nonce=Nonce("0"), pool=SMALL, address="10.0.0.1") if pool else None,
        Registration(service=DNS, instance=NAME, version=Version(entry), address="10.0.0.1", port=1, status=status)
        if entry
        else None,
    )
    answered = {}
    if probe is not None:
        pulse, asked, failures = probe
        answer = Answer(pulse=pulse, words="")
        answered[NAME] = Probe(answer=answer, at=Instant(EPOCH + asked), failures=failures, darks=failures)
    return classify(
        facts,
        Circumstances(
            now=Instant(EPOCH + now),
            services=SERVICES,
            create_within=CREATE_WITHIN,
            build_within={of: seconds(600)},
            departed={NAME: Instant(EPOCH + departed)} if departed is not None else {},
            probes=answered,
            uuid=OURS,
            synced_at=Instant(EPOCH + synced),
            is_cloud_known=is_cloud_known,
            listed_at=Instant(EPOCH + (now if listed is None else listed)),
            are_removals_believed=believed,
            removals_believed_at=Instant(EPOCH + believed_at),
        ),
    )


GONE = {"cloud": None, "delete_at": 100 * S}
NEVER = {"cloud": None, "now": 60 * S}
SILENT = {**ROLE, "now": 310 * S}
EARLY = {**LEFT, "now": 504 * S}
LATE = {**LEFT, "now": 800 * S}

CASES: list[tuple[str, int, int | None, dict[str, object]]] = [
    ("forget", 100 * S, None, {**GONE, "listed": 100 * S + 1}),
    ("delete", 100 * S, None, {**GONE, "listed": 100 * S}),
    ("delete", 100 * S, None, {**GONE, "is_cloud_known": False}),
    ("delete", 100 * S, None, {**GONE, "cloud": ACTIVE}),
    ("delete", 100 * S, None, {**GONE, "pool": True}),
    ("delete", 100 * S, None, {**GONE, "entry": "1"}),
    ("delete", 100 * S, None, {**GONE, **DRAINED, "cloud": STOPPED}),
    ("delete", 100 * S, None, {"delete_at": 100 * S, "entry": "1"}),
    ("role-unknown", 0, None, {"entry": "1"}),
    ("role-unknown", 0, None, {"entry": "1", "cloud": STOPPED}),
    ("dead-but-registered", 20 * S, None, {**READY, "entry": "1", "cloud": STOPPED}),
    ("dead-but-registered", 20 * S, None, {**READY, "entry": "1", "cloud": ERROR}),
    ("dead-but-registered", 20 * S, None, {**READY, "entry": "1", "cloud": DELETING}),
    ("dead-but-registered", 20 * S, None, {**READY, "entry": "1", "pool": True, "cloud": STOPPED}),
    ("registered", 20 * S, None, {**READY, "entry": "1", "cloud": STOPPED, "is_cloud_known": False}),
    ("registered", 20 * S, None, {**READY, "entry": "1", "cloud": None}),
    ("draining", 100 * S, 120 * S, {**DRAINED, "entry": "1", "cloud": STOPPED, "now": 110 * S}),
    ("dead-but-announced", 0, None, {"pool": True, "cloud": STOPPED}),
    ("warm", 0, None, {"pool": True, "cloud": STOPPED, "is_cloud_known": False}),
    ("warm", 0, None, {"pool": True, "cloud": None}),
    ("over-quota", 0, None, {"cloud": ERROR, "is_exhausted": True, "now": 9 * S}),
    ("configuring", 0, 600 * S, {"cloud": ERROR, "is_exhausted": True, "now": 9 * S, "is_cloud_known": False}),
    ("configuring", 0, 600 * S, {"cloud": ERROR, "is_exhausted": True, "now": 9 * S, "believed": False}),
    ("dead", 500 * S, None, {**LEFT, "cloud": ERROR, "is_exhausted": True}),
    ("build-error", 0, None, {"cloud": ERROR, "now": 9 * S}),
    ("configuring", 0, 600 * S, {"cloud": ERROR, "now": 9 * S, "is_cloud_known": False}),
    ("configuring", 0, 600 * S, {"cloud": ERROR, "now": 9 * S, "believed": False}),
    ("dead", 500 * S, None, {**LEFT, "cloud": ERROR}),
    ("dead", 500 * S, None, {**LEFT, "cloud": STOPPED}),
    ("dead", 600 * S, None, {**LEFT, "cloud": STOPPED, "believed_at": 600 * S}),
    ("dead", 400 * S, None, {**READY, "cloud": STOPPED, "synced": 400 * S}),
    ("dead", 0, None, {"cloud": STOPPED}),
    ("unregistered", 500 * S, 505 * S, {**LEFT, "cloud": STOPPED, "believed": False}),
    ("missing", 500 * S, 800 * S, {**LEFT, "cloud": STOPPED, "is_cloud_known": False}),
    ("vanished", 500 * S, None, {**LEFT, "cloud": None}),
    ("vanished", 0, None, {"cloud": None, "built_at": 9 * S}),
    ("vanished", 500 * S, None, {**LEFT, "cloud": None, "built_at": 9 * S}),
    ("creating", 0, 60 * S, {"cloud": None, "built_at": 9 * S, "believed": False}),
    ("creating", 0, 60 * S, {"cloud": None, "built_at": 9 * S, "listed": 60 * S - 1}),
    ("unregistered", 500 * S, 505 * S, {**LEFT, "cloud": None, "believed": False}),
    ("never-created", 0, None, {**NEVER}),
    ("never-created", 0, None, {**NEVER, "believed": False}),
    ("creating", 0, 60 * S, {**NEVER, "listed": 60 * S - 1}),
    ("creating", 0, 60 * S, {**NEVER, "is_cloud_known": False}),
    ("draining", 100 * S, 120 * S, {**DRAINED, "entry": "1", "now": 120 * S - 1}),
    ("draining", 100 * S, 120 * S, {**DRAINED, "entry": "2", "now": 110 * S}),
    ("draining", 100 * S, 120 * S, {**DRAINED, "believed": False, "now": 120 * S - 1}),
    ("draining", 100 * S, 415 * S, {**DRAINED, "service": "gone", "entry": "1", "now": 415 * S - 1}),
    ("drained", 100 * S, None, {**DRAINED, "entry": "1", "now": 120 * S}),
    ("drained", 100 * S, None, {**DRAINED, "entry": "2", "now": 120 * S}),
    ("drained", 100 * S, None, {**DRAINED, "believed": False, "now": 120 * S}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 120 * S - 1}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 110 * S, "departed": 105 * S}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 110 * S, "probe": (SICK, 105 * S, 9)}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 110 * S, "probe": (DARK, 100 * S - 1, 9)}),
    ("drained", 100 * S, None, {**DRAINED, "now": 110 * S, "probe": (DARK, 100 * S, 1)}),
    ("drained", 100 * S, None, {**DRAINED, "now": 120 * S}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 110 * S, "cloud": BUILDING, "probe": (DARK, 105 * S, 1)}),
    ("parting", 100 * S, 120 * S, {**DRAINED, "now": 110 * S, "cloud": BUILDING, "departed": 100 * S - 1}),
    ("drained", 100 * S, None, {**DRAINED, "now": 110 * S, "cloud": BUILDING, "departed": 100 * S}),
    (
        "drained",
        100 * S,
        None,
        {**DRAINED, "now": 110 * S, "is_cloud_known": False, "cloud": None, "departed": 105 * S},
    ),
    ("drained", 100 * S, None, {**DRAINED, "now": 110 * S, "service": "gone", "departed": 105 * S}),
    ("wrong-version", 20 * S, None, {**READY, "entry": "2"}),
    ("wrong-version", 20 * S, None, {**READY, "entry": "2", "status": InstanceStatus.DRAINING}),
    ("leaving", 20 * S, None, {**READY, "entry": "1", "status": InstanceStatus.DRAINING}),
    ("registered", 20 * S, None, {**READY, "entry": "1"}),
    ("registered", 10 * S, None, {**ROLE, "entry": "1"}),
    ("registered", 0, None, {"service": "dns", "entry": "1"}),
    ("registered", 20 * S, None, {**READY, "entry": "1", "pool": True, "now": 100 * S}),
    ("claimed", 10 * S, 310 * S, {**ROLE, "pool": True, "now": 310 * S - 1}),
    ("claimed", 10 * S, 310 * S, {**READY, "pool": True, "now": 310 * S - 1}),
    ("claimed", 10 * S, 350 * S, {**ROLE, "pool": True, "now": 310 * S, "synced": 50 * S}),
    ("unready", 10 * S, None, {**ROLE, "pool": True, "now": 310 * S}),
    ("warming", 10 * S, 310 * S, {**ROLE, "now": 310 * S - 1}),
    ("warming", 0, 300 * S, {"service": "dns", "now": 300 * S - 1}),
    ("warming", 10 * S, 310 * S, {**ROLE, "service": "gone", "now": 310 * S - 1}),
    ("warming", 10 * S, 410 * S, {**ROLE, "service": "slow", "now": 410 * S - 1}),
    ("warming", 10 * S, 310 * S, {**ROLE, "now": 309 * S, "probe": (DARK, 309 * S, 9)}),
    ("never-ready", 10 * S, 340 * S + 1, {**SILENT, "probe": (DARK, 310 * S, 3)}),
    ("never-ready", 10 * S, 310 * S + 1, {**SILENT, "probe": (SICK, 280 * S, 3)}),
    ("unready", 10 * S, None, {**SILENT, "probe": (DARK, 280 * S - 1, 9)}),
    ("unready", 10 * S, None, {**SILENT, "probe": (DARK, 310 * S, 2)}),
    ("unready", 10 * S, None, {**SILENT}),
    ("unregistered-alive", 0, 340 * S + 1, {**SILENT, "probe": (ALIVE, 310 * S, 0)}),
    ("unregistered-alive", 0, 310 * S + 1, {**SILENT, "probe": (ALIVE, 280 * S, 0)}),
    ("unready", 10 * S, None, {**SILENT, "probe": (ALIVE, 280 * S - 1, 0)}),
    ("unregistered-alive", 308 * S, 340 * S + 1, {**SILENT, "departed": 308 * S, "probe": (ALIVE, 310 * S, 0)}),
    ("unready", 10 * S, None, {**SILENT, "probe": (ALIVE, 310 * S, 0), "believed": False}),
    ("unregistered-alive", 500 * S, 535 * S + 1, {**LEFT, "now": 505 * S, "probe": (ALIVE, 505 * S, 0)}),
    ("unregistered", 500 * S, 505 * S, {**LEFT, "now": 505 * S - 1, "probe": (ALIVE, 504 * S, 0)}),
    ("unregistered", 500 * S, 505 * S, {**LEFT, "now": 510 * S, "probe": (ALIVE, 505 * S, 0), "believed": False}),
    ("unregistered", 500 * S, 505 * S, {**EARLY}),
    ("unregistered", 100 * S, 105 * S, {**READY, "departed": 100 * S, "now": 104 * S}),
    ("unregistered", 500 * S, 505 * S, {**EARLY, "service": "gone"}),
    ("unregistered", 500 * S, 509 * S, {**LEFT, "service": "slow", "now": 509 * S - 1}),
    ("unregistered", 500 * S, 505 * S, {**LATE, "believed": False, "probe": (DARK, 800 * S, 9)}),
    ("unrecovered", 500 * S, 830 * S + 1, {**LATE, "probe": (DARK, 800 * S, 3)}),
    ("missing", 500 * S, 800 * S, {**LEFT, "now": 800 * S - 1, "probe": (DARK, 799 * S, 9)}),
    ("missing", 500 * S, 800 * S, {**LATE, "probe": (DARK, 800 * S, 2)}),
    ("missing", 500 * S, 800 * S, {**LATE}),
    ("missing", 500 * S, 800 * S, {**LATE, "pool": True}),
    ("missing", 500 * S, 900 * S, {**LATE, "service": "slow", "probe": (DARK, 800 * S, 9)}),
    ("missing", 600 * S, 900 * S, {**LATE, "believed_at": 600 * S}),
    ("missing", 500 * S, 800 * S, {**LATE, "service": "gone"}),
    ("warm", 0, None, {"pool": True, "built_at": 9 * S}),
    ("astray", 500 * S, None, {"built_at": 9 * S, "departed": 500 * S, "now": 1100 * S}),
    ("astray", 500 * S, None, {"built_at": 9 * S, "departed": 500 * S, "now": 1100 * S, "probe": (ALIVE, 1100 * S, 0)}),
    ("astray", 500 * S, None, {"built_at": 9 * S, "departed": 500 * S, "now": 1100 * S, "probe": (DARK, 1100 * S, 9)}),
    ("configuring", 0, 1100 * S, {"built_at": 9 * S, "departed": 500 * S, "now": 1100 * S - 1}),
    ("astray", 0, None, {"built_at": 9 * S, "believed": False}),
    ("build-failed", 0, None, {"now": 600 * S}),
    ("configuring", 0, 600 * S, {"now": 600 * S - 1}),
    ("configuring", 0, 600 * S, {"now": 600 * S, "believed": False}),
    ("configuring", 0, 700 * S, {"now": 600 * S, "synced": 100 * S}),
    ("build-failed", 0, None, {"now": 300 * S, "of": "another pool"}),
    ("configuring", 0, 300 * S, {"now": 300 * S - 1, "of": "another pool"}),
    ("booting", 0, 600 * S, {"now": 599 * S, "cloud": BUILDING}),
    ("build-failed", 0, None, {"now": 600 * S, "cloud": BUILDING}),
    ("configuring", 0, 600 * S, {"now": 9 * S}),
]


@pytest.mark.parametrize(("rule", "since", "until", "known"), CASES)
def test_rows(rule: str, since: int, until: int | None, known: dict[str, object]) -> None:
    verdict, ends = verdict_on(**known)  # type: ignore[arg-type]
    assert verdict.server == NAME
    assert (verdict.rule, verdict.since - EPOCH, ends - EPOCH if ends is not None else None) == (rule, since, until)
    (row,) = [row for row in RULES if row.name == rule]
    is_quoted = rule in QUOTED and known.get("cloud", ACTIVE) is not None
    assert verdict.words == (f"{row.words}: {FAULT}" if is_quoted else row.words)


def test_each_row_has_a_case() -> None:
    assert {rule.name for rule in RULES} == {case[0] for case in CASES}


@pytest.mark.parametrize(
    ("theirs", "ours", "rule"),
    [(OTHER, OURS, "foreign"), (OURS, OURS, "no-record"), (NO_UUID, OURS, "no-record"), (OTHER, NO_UUID, "no-record")],
)
def test_what_has_no_record_is_ours_unless_it_says_another_fleets(
    theirs: EnvironmentUuid, ours: EnvironmentUuid, rule: str
) -> None:
    made = after(EPOCH, Duration(S))
    found = CloudServer(
        cloud_id=CloudId("1"),
        server=NAME,
        nonce=Nonce("0"),
        pool=SMALL,
        az=ZONES[0],
        status=ACTIVE,
        address="10.0.0.1",
        created_at=made,
        uuid=theirs,
    )
    c = circumstances_of(ours)
    verdict, until = classify(Facts(NAME, None, found, None, None), c)
    assert (verdict.rule, verdict.phase, verdict.since, until) == (rule, "ambiguous", made, None)
    entry = PoolEntry(server=NAME, nonce=Nonce("0"), pool=SMALL, address="10.0.0.1")
    verdict, _ = classify(Facts(NAME, None, None, entry, None), c)
    assert (verdict.rule, verdict.since) == ("no-record", 0)


def test_a_creation_is_given_up_when_it_can_be_under_way_no_more() -> None:
    fleet = Fleet(desired=desired({}, pool_size=0))
    world = fleet.world()
    assert world.desired is not None
    slow = replace(fleet.desired.cloud, provider=CloudProvider.OPENSTACK, openstack=OpenStackCloud(call_within=MINUTE))
    assert circumstances(world, world.desired).create_within == CREATE_WITHIN
    assert circumstances(world, replace(fleet.desired, cloud=slow)).create_within == 3 * MINUTE


def circumstances_of(uuid: EnvironmentUuid) -> Circumstances:
    return Circumstances(
        now=EPOCH,
        services={},
        create_within=CREATE_WITHIN,
        build_within={},
        departed={},
        probes={},
        uuid=uuid,
        synced_at=EPOCH,
        is_cloud_known=True,
        listed_at=EPOCH,
        are_removals_believed=True,
        removals_believed_at=EPOCH,
    )

"""Classify: finds the row of the rule table (phases.py) that a server matches."""

from __future__ import annotations

from typing import Final

from hfs_appliance.mcp.facts import Circumstances, Facts, quickly
from hfs_appliance.mcp.phases import FOREIGN, RULES, Rule
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.observed import CloudServer
from hfs_appliance.model.plan import Phase, Verdict


def _rows(signature: int) -> tuple[Rule, ...]:
    """Give the rows that may match servers of one signature, in order."""
    knows = [bool(signature >> bit & 1) for bit in range(6)]
    return tuple(
        rule
        for rule in RULES
        if all(wanted in (None, known) for wanted, known in zip(_wants(rule), knows, strict=True))
    )


def _wants(rule: Rule) -> tuple[bool | None, ...]:
    return (rule.cloud, rule.pool, rule.registration, rule.role, rule.drained, rule.deleted)


_BY_SIGNATURE: Final = tuple(_rows(signature) for signature in range(64))
"""What is known of a server leaves few of the rows: three of them for one that serves."""


def classify(f: Facts, c: Circumstances) -> tuple[Verdict, Instant | None]:
    """Give the verdict on one server, and when time alone would change it."""
    record, cloud = f.record, f.cloud
    if cloud is not None and cloud.uuid != c.uuid and cloud.uuid and c.uuid:
        return _foreign(cloud), None
    if record is None:
        # Crash table: server made, record not written; or the registry lost it.
        return _no_record(f), None
    signature = (
        (cloud is not None)
        | (f.pool_entry is not None) << 1
        | (f.registration is not None) << 2
        | (record.service is not None) << 3
        | (record.drain_at is not None) << 4
        | (record.delete_at is not None) << 5
    )
    for rule in _BY_SIGNATURE[signature]:
        if rule.matches is None or rule.matches(f, record, c):
            words = f"{rule.words}: {cloud.fault}" if rule.quotes and cloud is not None and cloud.fault else rule.words
            verdict = quickly(Verdict, (f.server, rule.phase, rule.name, rule.since(f, record, c), words))
            return verdict, None if rule.until is None else rule.until(f, record, c)
    raise AssertionError("the last row matches everything")


def _foreign(found: CloudServer) -> Verdict:
    return Verdict(
        server=found.server,
        phase=Phase.AMBIGUOUS,
        rule=FOREIGN,
        since=found.created_at,
        words="carries our environment's name and another one's uuid: not ours, never touched",
    )


def _no_record(f: Facts) -> Verdict:
    return Verdict(
        server=f.server,
        phase=Phase.AMBIGUOUS,
        rule="no-record",
        since=f.cloud.created_at if f.cloud is not None else Instant(0),
        words="carries our identity in the cloud, but the registry has no record of it",
    )

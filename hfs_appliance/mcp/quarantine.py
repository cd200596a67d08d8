"""Quarantine: servers that never came up, kept out of service for a while with what is known of them.

Of each service, and of the builds of each pool, the newest few stay as long as `[guard.quarantine]` says: who wants to
know why they failed can look at them. They count in the quota like all that is there, and are no reason not to be
converged. An operator may let one go earlier (`hfs approve`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hfs_appliance.mcp.budget import scope_of
from hfs_appliance.mcp.draft import Draft
from hfs_appliance.mcp.tally import Standing
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant, after, format_instant
from hfs_appliance.model.observed import ServerRecord
from hfs_appliance.model.plan import Cause, Hold

RULE: Final = "quarantine"


def quarantine(draft: Draft) -> Mapping[ServerId, Instant]:
    """Give the failures that are to be kept, each with the instant at which its time ends."""
    limit, now = draft.desired.guard.quarantine, draft.world.now
    if not limit.max:
        return {}
    approved = draft.world.orders.approved(RULE)
    by_scope: dict[str, list[tuple[Instant, ServerId]]] = {}
    for server, standing in draft.tally.condemned.items():
        if _record(standing).leave_cause == Cause.OVER_QUOTA:
            continue  # there is nothing to be seen, and it takes the place of one that would come up
        failed_at = _record(standing).failed_at
        assert failed_at is not None
        if now < after(failed_at, limit.keep) and f"server/{server}" not in approved:
            by_scope.setdefault(scope_of(_record(standing)), []).append((failed_at, server))
    kept = (entry for entries in by_scope.values() for entry in sorted(entries, reverse=True)[: limit.max])
    return {server: after(failed_at, limit.keep) for failed_at, server in kept}


def tell(draft: Draft) -> None:
    """Note who is in quarantine, for how long, and on what evidence."""
    for server, until in sorted(draft.quarantined.items()):
        evidence = _record(draft.tally.condemned[server]).evidence
        words = f"{evidence}; kept out of service until {format_instant(until)}, to be looked at"
        draft.note(Hold(scope=f"server/{server}", rule="quarantine", words=words, until=until, amount=1))


def _record(standing: Standing) -> ServerRecord:
    record = standing.facts.record
    assert record is not None
    return record

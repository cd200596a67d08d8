"""What an action leaves in the record of its server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hfs_appliance.mcp.enact import changed
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.plan import Cause, Condemn, ConfirmBuilt, ConfirmReady, Reason
from sim.worlds import Fleet, desired


@pytest.mark.parametrize("came", [ConfirmBuilt, ConfirmReady])
def test_what_comes_late_and_is_well_is_no_failure_any_more(came: type[ConfirmBuilt | ConfirmReady]) -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=1))
    fleet.settle()
    server, before = next(iter(fleet.records.items()))
    before = replace(before, built_at=None, ready_at=None)
    now = Instant(fleet.now + SECOND)
    found = Reason(cause=Cause.BUILD_FAILED, words="asked for, but the cloud does not list it in time")
    condemned = changed(before, Condemn(server=server, reason=found), now)
    assert (condemned.failed_at, condemned.leave_cause, condemned.evidence) == (now, "build-failed", found.words)
    well = changed(condemned, came(server=server, reason=Reason(cause=Cause.BOOKKEEPING, words="it is there")), now)
    assert well in (replace(before, built_at=now), replace(before, ready_at=now))

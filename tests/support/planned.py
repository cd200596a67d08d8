"""The plan of a small environment that is to grow, as the API would give it."""

from __future__ import annotations

from hfs_appliance.model.plan import Hold
from hfs_appliance.model.reports import BudgetUse, Change, PlannedStep, PlanReport, TrippedGuard

_HELD = Hold(scope="pool/small", rule="limit", words="40 servers are the most")
_STEPS = (
    PlannedStep(
        verb="claim",
        subject="small-0003",
        service="dns",
        version="1.0.0",
        cause="meet-demand",
        words="dns 1.0.0 has 2 of 3",
    ),
    PlannedStep(
        verb="create",
        subject="small-0009 in az1",
        service=None,
        version=None,
        cause="fill-pool",
        words="pool small keeps 3 warm",
        is_under_way=True,
    ),
    PlannedStep(
        verb="confirm-ready",
        subject="small-0003",
        service="dns",
        version="1.0.0",
        cause="bookkeeping",
        words="registered for the first time",
        after_s=None,
    ),
    PlannedStep(
        verb="delete",
        subject="small-0001",
        service=None,
        version=None,
        cause="remediation",
        words="dead",
        after_s=None,
    ),
)


def _guard(scope: str, rule: str, after_s: int | None, *, is_lasting: bool) -> TrippedGuard:
    words = f"{rule} trips"
    return TrippedGuard(scope=scope, rule=rule, words=words, after_s=after_s, lasts_s=60, is_lasting=is_lasting)


def planned(generation: int) -> PlanReport:
    """Give a plan in which everything is shown that a plan may have."""
    now = TrippedGuard(scope=_HELD.scope, rule=_HELD.rule, words=_HELD.words, after_s=0, lasts_s=90, is_lasting=False)
    return PlanReport(
        generation=generation,
        changes=(Change(path='service.dns.version."1.0.0".instances', before="2", after="3"),),
        steps=_STEPS,
        holds=(_HELD,),
        hash="0123456789ab",
        outcome="held",
        duration_s=None,
        unmeasured=("start of dns",),
        servers_now=5,
        servers_peak=7,
        servers_max=40,
        creating_peak=2,
        creating_max=10,
        budget=(
            BudgetUse(scope="environment", spent=1, most=1, allowed=3, window_s=600),
            BudgetUse(scope="service/dns", spent=1, most=1, allowed=3, window_s=600),
        ),
        guards=(
            now,
            _guard("environment", "destroy-budget", 90, is_lasting=False),
            _guard("environment", "max-servers", None, is_lasting=True),
        ),
        restart_needed=("admin.port",),
    )

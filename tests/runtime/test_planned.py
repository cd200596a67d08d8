"""The report of `hfs plan`: times from the events of this run and of earlier ones, and what it is measured against."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.model.events import ActionStarted, Event, PhaseChanged, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import SECOND, Instant
from hfs_appliance.model.plan import Cause
from hfs_appliance.runtime.planned import planned
from sim.worlds import EPOCH, Fleet, desired

DNS = ServiceName("dns")


def recorded(seq: int, at_s: int, event: Event) -> Recorded:
    return Recorded(seq=seq, at=Instant(EPOCH + at_s * SECOND), actor="test", event=event)


def took(seq: int, verb: str, rule: str, phase: str, span_s: int) -> list[Recorded]:
    """Give the events of one stage of a server."""
    server = ServerId("small-0099")
    begun = ActionStarted(action=verb, server=server, cause="x", words="", service=DNS)
    ended = PhaseChanged(server=server, phase=phase, before="", rule=rule, words="", service=DNS)
    return [recorded(seq, 0, begun), recorded(seq + 1, span_s, ended)]


EARLIER = [*took(1, "create", "warm", "warm", 60), *took(3, "drain", "drained", "draining", 5)]
NEWEST = [*took(5, "claim", "registered", "serving", 10), *took(7, "delete", "forget", "gone", 8)]


def test_the_whole_of_a_change() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 5}}, pool_size=2, max_servers=20))
    fleet.settle()
    wanted = desired({"dns": {"1": 2}}, pool_size=2, max_servers=20)
    world = replace(fleet.world(), desired=wanted)
    report = planned(world, fleet.desired, NEWEST, lambda: [*EARLIER, *NEWEST], lambda: False)
    assert (report.generation, len(report.changes), len(report.hash)) == (1, 1, 12)
    shown = [(step.after_s, step.verb, step.subject) for step in report.steps if step.cause != Cause.BOOKKEEPING]
    drains = [(0, "drain", f"small-000{serial}") for serial in (5, 4, 3)]
    assert shown == [*drains, *((5, "delete", f"small-000{serial}") for serial in (3, 4, 5))]
    assert (report.outcome, report.duration_s, report.unmeasured) == ("quiet", 13, ())
    assert (report.servers_now, report.servers_peak, report.servers_max) == (7, 7, 20)
    assert [(use.scope, use.spent, use.most, use.allowed, use.window_s) for use in report.budget] == [
        ("environment", 3, 3, 3, 600),
        ("service/dns", 3, 3, 3, 600),
    ]
    assert (report.holds, report.guards) == ((), ())
    again = planned(world, fleet.desired, [], list, lambda: False)
    assert again.hash == report.hash
    assert (again.duration_s, again.unmeasured) == (None, ("delete of small", "drain of dns"))
    assert [step.after_s for step in again.steps if step.verb == "drain"] == [0, 0, 0]
    assert [step.after_s for step in again.steps if step.verb == "delete"] == [None, None, None]


def test_a_guard_that_trips_has_its_time_and_what_is_held_now_is_named() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 5}}, pool_size=0))
    fleet.settle()
    wanted = desired({}, pool_size=0)
    report = planned(replace(fleet.world(), desired=wanted), None, [*EARLIER, *NEWEST], list, lambda: False)
    (guard,) = report.guards
    assert (guard.scope, guard.rule, guard.after_s, guard.is_lasting) == ("environment", "destroy-budget", 0, False)
    assert [hold.rule for hold in report.holds] == ["destroy-budget"]
    assert (report.generation, report.restart_needed) == (0, ())
    cut = planned(replace(fleet.world(), desired=wanted), None, [], list, lambda: True)
    assert (cut.outcome, cut.steps) == ("cut", ())

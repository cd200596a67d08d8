"""What the benchmark of the bad days counts, and that one of them can be played."""

from __future__ import annotations

from dataclasses import replace

from bench.acceptance import LIES, SERVERS, Ends, measure, stories
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import SECOND
from sim.clock import EPOCH
from sim.scenarios import scaled
from sim.truth import Condition, ConditionChanged, DeletionBegun, FaultBegun, Truth
from tests.sim.checkers.stage import record

ONE, TWO, THREE = (ServerId(f"small-{number}") for number in range(1, 4))


def test_each_day_is_played_at_its_size() -> None:
    found = stories()
    assert found.keys() > set(LIES)
    assert {story.layout.servers for story in found.values()} == {SERVERS}
    assert {fault.kind for fault in found["zone-dies"].faults} == {"zone-dies"}


def test_only_those_count_that_were_well_when_they_were_called_no_good() -> None:
    ends, truth = Ends(), Truth(lambda: EPOCH)
    ends.listen(truth)
    for server, before in ((ONE, Condition.SERVING), (TWO, Condition.DARK), (THREE, Condition.WARM)):
        truth.tell(ConditionChanged(server=server, before=Condition.BUILDING, after=before))
    for server, cause in ((ONE, "remediation"), (TWO, "remediation"), (THREE, "pool-surplus")):
        truth.tell(replace(record(server, is_deleting=True), leave_cause=cause))
    truth.tell(ConditionChanged(server=ONE, before=Condition.SERVING, after=Condition.STOPPED))
    for server in (ONE, TWO, THREE):
        truth.tell(DeletionBegun(server=server, condition=Condition.STOPPED))
    assert ends.condemned == 1


def test_a_warm_server_helps_out_from_when_it_was_needed_until_it_serves() -> None:
    now = EPOCH
    ends, truth = Ends(), Truth(lambda: now)
    ends.listen(truth)
    truth.tell(ConditionChanged(server=ONE, before=Condition.BUILDING, after=Condition.WARM))
    truth.tell(FaultBegun(number=0, kind="zone-dies", words="", victims=(TWO,)))
    now = type(now)(now + 9 * SECOND)
    truth.tell(ConditionChanged(server=ONE, before=Condition.WARM, after=Condition.SERVING))
    truth.tell(ConditionChanged(server=THREE, before=Condition.BUILDING, after=Condition.SERVING))
    assert ends.rescues == [9 * SECOND]


def test_a_day_can_be_played() -> None:
    figures = measure(scaled(stories()["zone-dies"], servers=9), 1)
    assert (figures["violations"], figures["healthy, as no good"]) == (0, 0)
    assert str(figures["repaired"]).startswith("zone-dies ")

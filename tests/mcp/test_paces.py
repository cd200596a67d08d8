"""How long stages take, by events and by records."""

from __future__ import annotations

from dataclasses import replace

from hfs_appliance.mcp.paces import measured
from hfs_appliance.model.events import ActionStarted, Event, HoldChanged, PhaseChanged, Recorded
from hfs_appliance.model.forecast import Stage
from hfs_appliance.model.ids import ServerId, ServiceName
from hfs_appliance.model.instants import SECOND, Instant, after, seconds
from sim.worlds import EPOCH, SMALL, Fleet, desired

DNS = ServiceName("dns")


class History:
    def __init__(self) -> None:
        self.events: list[Recorded] = []

    def note(self, at_s: int, event: Event) -> None:
        at = Instant(EPOCH + at_s * SECOND)
        self.events.append(Recorded(seq=len(self.events) + 1, at=at, actor="test", event=event))

    def act(self, at_s: int, verb: str, server: str) -> None:
        self.note(at_s, ActionStarted(action=verb, server=ServerId(server), cause="x", words=""))

    def phase(self, at_s: int, server: str, phase: str, rule: str = "", service: ServiceName | None = None) -> None:
        event = PhaseChanged(server=ServerId(server), phase=phase, before="", rule=rule, words="", service=service)
        self.note(at_s, event)


def test_events_tell_of_every_stage() -> None:
    history = History()
    history.act(0, "create", "small-0001")
    history.act(5, "create", "small-0001")  # asked for again
    history.phase(20, "small-0001", "configuring")
    history.phase(60, "small-0001", "warm")
    history.act(61, "claim", "small-0001")
    history.phase(71, "small-0001", "serving", service=DNS)
    history.phase(80, "small-0001", "suspect", service=DNS)
    history.phase(90, "small-0001", "serving", service=DNS)  # back: not started anew
    history.act(100, "drain", "small-0001")
    history.phase(100, "small-0001", "draining", "draining", DNS)
    history.phase(106, "small-0001", "draining", "drained", DNS)
    history.act(106, "delete", "small-0001")
    history.phase(110, "small-0001", "gone", "forget", DNS)
    history.phase(111, "small-0002", "gone", "forget")  # nobody saw it begin
    assert measured((), history.events).usual == {
        (Stage.BOOT, "small"): seconds(20),
        (Stage.BUILD, "small"): seconds(60),
        (Stage.START, "dns"): seconds(10),
        (Stage.DRAIN, "dns"): seconds(6),
        (Stage.DELETE, "small"): seconds(4),
    }


def test_the_median_of_the_newest_counts() -> None:
    history = History()
    for number, span in enumerate([*[500] * 30, *[10] * 24, 90]):
        history.act(1_000 * number, "create", f"small-{number:04d}")
        history.phase(1_000 * number + span, f"small-{number:04d}", "warm")
    assert measured((), history.events).of(Stage.BUILD, "small") == seconds(10)


def test_records_tell_of_builds_and_starts_where_events_do_not() -> None:
    fleet = Fleet(desired=desired({"dns": {"1": 1}}, pool_size=0))
    fleet.settle()
    (record,) = fleet.records.values()
    at = record.created_at
    record = replace(
        record,
        built_at=after(at, seconds(40)),
        assigned_at=after(at, seconds(50)),
        ready_at=after(at, seconds(57)),
    )
    usual = measured([record], ()).usual
    assert usual == {(Stage.BUILD, SMALL): seconds(40), (Stage.START, "dns"): seconds(7)}
    assert measured([replace(record, cause="adoption")], ()).usual == {}
    history = History()
    history.act(0, "create", "small-0001")
    history.phase(30, "small-0001", "warm")
    assert measured([record], history.events).of(Stage.BUILD, "small") == seconds(30)


def test_records_that_are_not_complete_and_events_of_something_else_tell_nothing() -> None:
    fleet = Fleet(desired=desired({}, pool_size=1))
    fleet.step()
    (record,) = fleet.records.values()
    assert measured([replace(record, built_at=None)], ()).usual == {}
    history = History()
    history.act(0, "create", "small-0001")
    history.note(10, HoldChanged(scope="environment", rule="storm", words=""))
    history.phase(30, "small-0001", "warm")
    assert measured((), history.events).usual == {(Stage.BUILD, SMALL): seconds(30)}

"""The canonical line: every event there and back, one line each, the same bytes for the same event."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfs_appliance.model.events import ActionStarted, Event, Recorded
from hfs_appliance.model.ids import ServerId
from hfs_appliance.model.instants import Instant
from hfs_appliance.telemetry import canonical

TEXT = st.text() | st.sampled_from(["", "-", "007", "-3", "a b", 'say "x" \\', "\n\r\x00", "\u2028", "<3>", "k=v", "ž"])
VALUES = {
    "str": TEXT,
    "int": st.integers(),
    "ServerId": TEXT,
    "ServiceName": TEXT,
    "ServiceName | None": TEXT | st.none(),
    "Version | None": TEXT | st.none(),
    "PoolName | None": TEXT | st.none(),
    "str | None": TEXT | st.none(),
}


def events() -> st.SearchStrategy[Event]:
    return st.one_of(
        [
            st.builds(kind, **{field.name: VALUES[str(field.type)] for field in fields(kind)})
            for kind in canonical.KINDS.values()
        ]
    )


def recordings() -> st.SearchStrategy[Recorded]:
    return st.builds(
        Recorded,
        seq=st.integers(min_value=1),
        at=st.integers(min_value=0).map(Instant),
        actor=st.sampled_from(["reconcile", "proxy", "supervisor/api"]),
        event=events(),
        cause=st.none() | st.integers(min_value=1),
    )


@given(recordings())
def test_what_is_written_is_read_back(recorded: Recorded) -> None:
    line = canonical.write(recorded)
    assert canonical.read(line) == recorded
    assert line.isascii()
    assert line.splitlines() == [line]


def test_the_line_is_what_the_legend_says() -> None:
    event = ActionStarted(action="create", server=ServerId("small-0007"), cause="fill-pool", words="short of 1")
    recorded = Recorded(seq=12, at=Instant(1_700_000_000_000_000_001), actor="execute", event=event, cause=11)
    assert canonical.write(recorded) == (
        "12 1700000000000000001 execute action-started action=create cause=fill-pool server=small-0007 service=- "
        'version=- words="short of 1" <11>'
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "12 17 execute",
        "x 17 execute action-done",
        "12 17 execute no-such-event a=1",
        "12 17 execute action-done action=create",
        "12 17 execute cloud-unreachable words=two words",
        '12 17 execute cloud-unreachable words="open',
        '12 17 execute cloud-unreachable words="\\x"',
        "12 17 execute cloud-unreachable words=a <x>",
        "12 17 execute cloud-unreachable words=a other=b",
    ],
)
def test_what_is_not_a_line_is_refused(line: str) -> None:
    with pytest.raises(canonical.NotCanonical):
        canonical.read(line)

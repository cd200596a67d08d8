"""Words: one line a class, and the ones that operators read most."""

from __future__ import annotations

import pytest

from hfs_appliance.model import events
from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.telemetry.words import report, words

SMALL_7 = ServerId("small-0007")


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            events.PhaseChanged(
                server=SMALL_7,
                phase="serving",
                before="warming",
                rule="registered",
                words="registered",
                service=ServiceName("dns"),
                version=Version("1.0.0"),
                address="127.77.0.7",
            ),
            "dns 1.0.0 on small-0007 serves (127.77.0.7)",
        ),
        (
            events.PhaseChanged(server=SMALL_7, phase="lost", before="serving", rule="dead", words="the cloud lost it"),
            "small-0007 is lost: the cloud lost it",
        ),
        (
            events.PhaseChanged(
                server=SMALL_7, phase="draining", before="serving", rule="draining", words="lets its open requests end"
            ),
            "small-0007 leaves traffic: lets its open requests end",
        ),
        (
            events.PhaseChanged(
                server=SMALL_7, phase="draining", before="draining", rule="drained", words="its instance has left"
            ),
            "small-0007 has left; its server is deleted next",
        ),
        (
            events.ActionStarted(
                action="claim",
                server=SMALL_7,
                cause="meet-demand",
                words="2 of 3",
                service=ServiceName("dns"),
                version=Version("1.0.0"),
            ),
            "claim small-0007 for dns 1.0.0: 2 of 3",
        ),
        (
            events.LeaderChanged(leader="b:8081", address="http://b:8081", epoch=7, is_ours=0),
            "b:8081 leads the environment, epoch 7: http://b:8081",
        ),
        (
            events.LeaderChanged(leader="a:8081", address="http://a:8081", epoch=8, is_ours=1),
            "this appliance leads the environment, epoch 8",
        ),
        (
            events.LeaderChanged(leader="", address="", epoch=8, is_ours=0),
            "no appliance leads the environment (epoch 8)",
        ),
        (events.ModeChanged(mode="sync", words="takes over, epoch 8"), "mode sync: takes over, epoch 8"),
        (events.ActionDone(action="create", server=SMALL_7, elapsed_ms=4100), "create small-0007 is done, took 4.1s"),
        (events.HoldChanged(scope="pool/small", rule="limit", words=""), "pool/small no longer held by limit"),
        (
            events.DemandChanged(
                service=ServiceName("dns"), before=4, after=8, words="1,480 requests/s at 100 each need 15"
            ),
            "dns scales from 4 to 8: 1,480 requests/s at 100 each need 15",
        ),
        (
            events.RoutesRefused(words="nginx:\n  line 3"),
            "the proxy refused new routes, the former ones stay in force: nginx: line 3",
        ),
        (events.ConvergedChanged(is_converged=1, words=""), "the environment is what was asked for"),
        (
            events.DocumentsMerged(services=1, operations=12, digest="d"),
            "the Swagger document has 12 operations of 1 service",
        ),
    ],
)
def test_sentences(event: Event, sentence: str) -> None:
    assert words(event) == sentence


def test_a_report_has_the_event_for_machines_and_for_people() -> None:
    event = events.ActionFailed(action="create", server=SMALL_7, error="Transient", words="refused")
    told = report(Recorded(seq=4, at=Instant(1_700_000_000_123_000_000), actor="execute", event=event, cause=3))
    assert told.at == "2023-11-14T22:13:20.123Z"
    assert (told.seq, told.actor, told.kind, told.severity, told.cause) == (4, "execute", "action-failed", "warning", 3)
    assert told.fields == {"action": "create", "server": "small-0007", "error": "Transient", "words": "refused"}
    assert told.line == "create small-0007 failed (Transient): refused"

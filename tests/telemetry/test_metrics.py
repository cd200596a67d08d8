"""Metrics: what a scrape shows after given events and plans."""

from __future__ import annotations

from hfs_appliance.model.events import (
    ActionDone,
    ActionFailed,
    ActionStarted,
    Event,
    LeaderChanged,
    ModeChanged,
    Recorded,
)
from hfs_appliance.model.ids import PoolName, ServerId, ServiceName, Version
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.maps import Map
from hfs_appliance.model.plan import Hold, Phase, Plan, PoolCount, VersionCount
from hfs_appliance.telemetry.metrics import Metrics

A, B = ServerId("small-0001"), ServerId("small-0002")


def tell(metrics: Metrics, *events: Event) -> None:
    for seq, event in enumerate(events, start=1):
        metrics(Recorded(seq=seq, at=Instant(seq), actor="execute", event=event))


def lines(metrics: Metrics) -> list[str]:
    return metrics.expose().decode().splitlines()


def test_actions_are_counted_by_cause_and_result() -> None:
    metrics = Metrics()
    tell(
        metrics,
        ActionStarted(action="create", server=A, cause="fill-pool", words=""),
        ActionStarted(action="create", server=B, cause="remediation", words=""),
        ActionDone(action="create", server=A, elapsed_ms=1500),
        ActionFailed(action="create", server=B, error="Transient", words=""),
    )
    shown = lines(metrics)
    assert 'hfs_actions_total{action="create",cause="fill-pool",result="done"} 1.0' in shown
    assert 'hfs_actions_total{action="create",cause="remediation",result="Transient"} 1.0' in shown
    assert 'hfs_events_total{kind="action-started",severity="info"} 2.0' in shown
    assert 'hfs_action_duration_seconds_bucket{action="create",le="2.0"} 1.0' in shown
    assert 'hfs_action_duration_seconds_sum{action="create"} 1.5' in shown


def test_who_leads_is_shown() -> None:
    metrics = Metrics()
    assert "hfs_leads 0.0" in lines(metrics)
    tell(
        metrics,
        LeaderChanged(leader="a", address="", epoch=7, is_ours=1),
        ModeChanged(mode="sync", words=""),
        ModeChanged(mode="active", words=""),
    )
    assert {"hfs_epoch 7.0", "hfs_leads 1.0"} <= set(lines(metrics))
    tell(metrics, ModeChanged(mode="standby", words=""))
    assert "hfs_leads 0.0" in lines(metrics)


def test_gauges_are_the_newest_plan_and_nothing_older() -> None:
    metrics = Metrics()
    dns, version = ServiceName("dns"), Version("1.0.0")
    count = VersionCount(desired=3, serving=2, starting=1, suspect=0, draining=0)
    metrics.observe_plan(
        Plan(
            counts=Map({dns: {version: count, Version("0.9"): count}, ServiceName("old"): {version: count}}),
            pools={PoolName("small"): PoolCount(size=2, warm=1, building=1)},
            phases={Phase.SERVING: 1},
            holds=(Hold(scope="environment", rule="limit", words=""),),
        )
    )
    shown = lines(metrics)
    assert 'hfs_instances{service="dns",state="desired",version="1.0.0"} 3.0' in shown
    assert 'hfs_pool_servers{pool="small",state="building"} 1.0' in shown
    assert 'hfs_servers{phase="serving"} 1.0' in shown
    assert 'hfs_holds{rule="limit"} 1.0' in shown
    assert "hfs_converged 0.0" in shown
    metrics.observe_plan(Plan(counts=Map({dns: {version: count}}), is_converged=True))
    shown = lines(metrics)
    assert 'hfs_instances{service="dns",state="desired",version="1.0.0"} 3.0' in shown
    former = ('service="old"', 'version="0.9"', "hfs_holds{")
    assert not [line for line in shown if any(words in line for words in former)]
    assert "hfs_converged 1.0" in shown

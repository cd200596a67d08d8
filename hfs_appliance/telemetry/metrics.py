"""Metrics: a fold of the events and of the newest plan, in Prometheus' text format.

Counters and the histogram come from events; gauges are what the newest plan says, so that they never drift from it.
Label values come from closed sets or from the configuration, never from outside.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hfs_appliance.model.events import ActionDone, ActionFailed, ActionStarted, LeaderChanged, ModeChanged, Recorded
from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.leadership import Mode
from hfs_appliance.model.maps import Map, differing
from hfs_appliance.model.plan import Plan, VersionCount

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_Counts: TypeAlias = Mapping[Version, VersionCount]
_BUCKETS_S: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """A registry of its own; call the object with each event, `observe_plan` with each plan."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._events = Counter("hfs_events", "Events by kind.", ["kind", "severity"], registry=registry)
        self._actions = Counter(
            "hfs_actions", "Actions that ended, by cause and result.", ["action", "cause", "result"], registry=registry
        )
        self._durations = Histogram(
            "hfs_action_duration_seconds",
            "Duration of done actions.",
            ["action"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._instances = Gauge(
            "hfs_instances",
            "Instances of a service version by state.",
            ["service", "version", "state"],
            registry=registry,
        )
        self._pools = Gauge(
            "hfs_pool_servers", "Servers of a warm pool by state.", ["pool", "state"], registry=registry
        )
        self._servers = Gauge("hfs_servers", "Servers by phase.", ["phase"], registry=registry)
        self._holds = Gauge("hfs_holds", "Things withheld, by rule.", ["rule"], registry=registry)
        self._pending = Gauge("hfs_pending_actions", "Actions of the newest plan.", registry=registry)
        self._is_converged = Gauge("hfs_converged", "1 when the environment is what was asked for.", registry=registry)
        self._leads = Gauge("hfs_leads", "1 when this appliance leads the environment and acts.", registry=registry)
        self._epoch = Gauge("hfs_epoch", "Epoch of the newest leader that is known.", registry=registry)
        self._causes: dict[ServerId, str] = {}
        """Cause of the action under way on a server: a lane holds one at a time."""
        self._shown: Map[ServiceName, _Counts] = Map()

    def __call__(self, recorded: Recorded) -> None:
        """Count one event."""
        event = recorded.event
        self._events.labels(event.kind, event.severity.value).inc()
        match event:
            case ActionStarted():
                self._causes[event.server] = event.cause
            case ActionDone():
                self._count(event, "done")
                self._durations.labels(event.action).observe(event.elapsed_ms / 1000)
            case ActionFailed():
                self._count(event, event.error)
            case LeaderChanged():
                self._epoch.set(event.epoch)
            case ModeChanged():
                self._leads.set(event.mode == Mode.ACTIVE)
            case _:
                pass

    def observe_plan(self, plan: Plan) -> None:
        """Show what the newest plan says; what it no longer names disappears."""
        for gauge in (self._pools, self._servers, self._holds):
            gauge.clear()
        for service in sorted(differing(self._shown, plan.counts)):
            self._show_service(service, self._shown.get(service, {}), plan.counts.get(service, {}))
        self._shown = plan.counts
        for pool, standing in plan.pools.items():
            for state, number in asdict(standing).items():
                self._pools.labels(pool, state).set(number)
        for phase, number in plan.phases.items():
            self._servers.labels(phase.value).set(number)
        for rule, number in Tally(hold.rule for hold in plan.holds).items():
            self._holds.labels(rule).set(number)
        self._pending.set(len(plan.actions))
        self._is_converged.set(plan.is_converged)

    def _show_service(self, service: ServiceName, before: _Counts, counts: _Counts) -> None:
        for version in before.keys() - counts.keys():
            for state in asdict(before[version]):
                self._instances.remove(service, version, state)
        for version, count in counts.items():
            for state, number in asdict(count).items():
                self._instances.labels(service, version, state).set(number)

    def expose(self) -> bytes:
        """Write everything in the text format (CONTENT_TYPE)."""
        return generate_latest(self._registry)

    def _count(self, ended: ActionDone | ActionFailed, result: str) -> None:
        cause = self._causes.pop(ended.server, "unknown")
        self._actions.labels(ended.action, cause, result).inc()

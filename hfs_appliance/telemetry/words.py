"""Words: one sentence for each event, for the operator; and the event as a machine reads it.

Sentences say who and what first, numbers next, why last. Nobody parses them: machines read the fields.
"""

from __future__ import annotations

from typing import Final, assert_never

from hfs_appliance.model import events
from hfs_appliance.model.balancer_events import BalancerChanged, BalancerRefused
from hfs_appliance.model.events import Event, Recorded
from hfs_appliance.model.foundation import FoundationChanged, FoundationRefused
from hfs_appliance.model.instants import MILLISECOND, Duration, format_duration, format_instant
from hfs_appliance.model.reports import EventReport
from hfs_appliance.model.rollout_events import RolloutChanged, RolloutGivenUp, TrafficChanged


def report(recorded: Recorded) -> EventReport:
    """Give the event as the admin API tells it."""
    event = recorded.event
    return EventReport(
        seq=recorded.seq,
        at=format_instant(recorded.at),
        actor=recorded.actor,
        kind=event.kind,
        severity=event.severity,
        cause=recorded.cause,
        fields=recorded.fields(),
        line=words(event),
    )


def words(event: Event) -> str:  # noqa: C901 - one row for each member of the closed union
    """Say what happened in one line."""
    match event:
        case events.ApplianceStarted():
            return f"hfs {event.version} runs the environment {event.environment}"
        case events.ApplianceStopped():
            return _join("hfs ended", event.words)
        case events.SessionChanged():
            return _join(f"registry {event.state}", f"session {event.session}" if event.session else "")
        case events.LeaderChanged():
            return _leader(event)
        case events.ModeChanged():
            return _join(f"mode {event.mode}", event.words)
        case events.DesiredChanged():
            return _join(f"generation {event.generation} by {event.author} is in force", event.words)
        case events.DesiredRefused():
            return _join("the stored desired state is refused, the former one stays in force", event.words)
        case events.PhaseChanged():
            return _phase(event)
        case events.ActionStarted():
            return _join(f"{event.action} {event.server}{_role(event)}", event.words)
        case events.ActionDone():
            return f"{event.action} {event.server} is done, {_elapsed(event.elapsed_ms)}"
        case events.ActionFailed():
            return _join(f"{event.action} {event.server} failed ({event.error})", event.words)
        case events.HoldChanged():
            return _join(f"{event.scope} held by {event.rule}", event.words) if event.words else _freed(event)
        case events.DemandChanged():
            return _join(f"{event.service} scales from {event.before} to {event.after}", event.words)
        case events.SetbackNoted():
            return _join(f"{event.scope} failed {_times(event.failures)} in a row", event.words)
        case events.ConvergedChanged():
            state = "the environment is what was asked for" if event.is_converged else "the environment has work to do"
            return _join(state, event.words)
        case events.RoutesPublished() | events.RoutesRefused():
            return _routes(event)
        case events.ProxyRestarted():
            return _join("the proxy had died and runs again", event.words)
        case BalancerChanged() | BalancerRefused():
            return _balancer(event)
        case events.DocumentsMerged():
            merged = f"{_count(event.operations, 'operation')} of {_count(event.services, 'service')}"
            return f"the Swagger document has {merged}"
        case events.DocumentRefused():
            return _join(f"the document of {event.service} is refused", event.words)
        case events.EntryRefused():
            return _join(f"registry entry {event.path} is ignored", event.words)
        case events.EnvironmentAdopted():
            return _join(f"{event.author} adopted the fleet in {event.project}", event.words)
        case events.OperatorAsked():
            return f"an operator asked for hfs {event.what} {event.subject}".rstrip()
        case RolloutChanged() | RolloutGivenUp() | TrafficChanged():
            return _rollout(event)
        case events.InstanceTroubled():
            return f"{event.server}: {event.words}"
        case events.ResyncFoundDrift():
            return _join(f"the watch had missed {event.entries} entries", event.words)
        case events.PartRestarted():
            return _join(f"{event.part} failed and was started again", event.words)
        case events.PartFailed():
            return _join(f"{event.part} failed and goes on", event.words)
        case events.EventsSkipped():
            return f"{_count(event.count, 'older event')} no longer kept"
        case events.CloudUnreachable() | events.SpareSwept() | FoundationChanged() | FoundationRefused():
            return _cloud(event)
        case _:
            assert_never(event)


_PHASES: Final = {
    "planned": "is planned",
    "creating": "is being created",
    "ambiguous": "may or may not exist",
    "booting": "boots",
    "configuring": "is being configured",
    "warm": "is warm and waits for a role",
    "assigned": "has got its role",
    "warming": "starts its service",
    "serving": "serves",
    "suspect": "is suspect",
    "lost": "is lost",
    "draining": "leaves traffic",
    "quarantined": "is quarantined",
    "deleting": "is being deleted",
    "gone": "is gone",
}
_EXPLAINED: Final = frozenset({"ambiguous", "suspect", "lost", "draining", "quarantined", "deleting"})
"""Phases of which everybody asks why."""
_DRAINED: Final = "drained"
"""The rule (mcp/phases.py) of a draining server whose instance has left."""


def _join(what: str, why: str) -> str:
    """Append the reason; a sentence is one line whatever an adapter put into it."""
    return f"{what}: {' '.join(why.split())}" if why.strip() else what


def _phase(event: events.PhaseChanged) -> str:
    who = f"{event.service} {event.version} on {event.server}" if event.service and event.version else event.server
    where = f" ({event.address})" if event.address else ""
    if event.rule == _DRAINED:  # the same phase, told a second time
        return f"{who} has left{where}; its server is deleted next"
    why = event.words if event.phase in _EXPLAINED else ""
    return _join(f"{who} {_PHASES.get(event.phase, event.phase)}{where}", why)


def _leader(event: events.LeaderChanged) -> str:
    if not event.leader:
        return f"no appliance leads the environment (epoch {event.epoch})"
    who = "this appliance" if event.is_ours else event.leader
    return _join(f"{who} leads the environment, epoch {event.epoch}", "" if event.is_ours else event.address)


_STAGES: Final = {
    "preflight": "is prepared",
    "expand": "brings up its instances",
    "canary": "gets a part of the requests",
    "cutover": "gets all requests",
    "soak": "is promoted, and the old version kept warm",
    "contract": "is past: what is not wanted any more leaves",
    "done": "is over",
}


def _rollout(event: RolloutChanged | RolloutGivenUp | TrafficChanged) -> str:
    match event:
        case RolloutChanged():
            who = f"rollout {event.number} of {event.service} ({event.old} → {event.new})"
            return _join(f"{who} {_STAGES.get(event.phase, event.phase)}", event.words)
        case RolloutGivenUp():
            return _join(f"{event.service} {event.new} is given up, {event.old} gets all requests back", event.words)
        case TrafficChanged():
            return f"requests of {event.service} go to {event.words} (traffic epoch {event.epoch})"


def _routes(event: events.RoutesPublished | events.RoutesRefused) -> str:
    if isinstance(event, events.RoutesRefused):
        return _join("the proxy refused new routes, the former ones stay in force", event.words)
    routes = f"{_count(event.instances, 'instance')} of {_count(event.services, 'service')}"
    return _join(f"the endpoint routes to {routes}, {_elapsed(event.elapsed_ms)}", event.words)


def _balancer(event: BalancerChanged | BalancerRefused) -> str:
    if isinstance(event, BalancerRefused):
        return _join("the load balancer is not as it should be", event.words)
    weighted = f"{event.weighted} of {_count(event.members, 'proxy', 'proxies')}"
    return _join(f"the load balancer sends requests to {weighted}", event.words)


def _role(event: events.ActionStarted) -> str:
    if event.service is None:
        return ""
    return f" for {event.service} {event.version}" if event.version else f" for {event.service}"


def _freed(event: events.HoldChanged) -> str:
    return f"{event.scope} no longer held by {event.rule}"


def _elapsed(elapsed_ms: int) -> str:
    return f"took {format_duration(Duration(elapsed_ms * MILLISECOND))}"


def _count(number: int, noun: str, many: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {many or f'{noun}s'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _cloud(event: events.CloudUnreachable | events.SpareSwept | FoundationChanged | FoundationRefused) -> str:
    match event:
        case events.CloudUnreachable():
            return _join("the cloud does not answer", event.words)
        case events.SpareSwept():
            return f"a second server that calls itself {event.server} is deleted: its creation had come late"
        case FoundationChanged():
            return event.words
        case FoundationRefused():
            return _join("not as it should be", event.words)

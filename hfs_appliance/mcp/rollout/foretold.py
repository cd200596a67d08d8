"""Rollouts of which nothing goes wrong: every proxy follows at once, and the new version is as good as the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hfs_appliance.model.desired import DesiredState
from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant
from hfs_appliance.model.load import LoadView, Measured, Sample
from hfs_appliance.model.maps import Map
from hfs_appliance.model.observed import RegistryView
from hfs_appliance.model.rollout import Move, Rollout, RolloutPhase
from hfs_appliance.model.traffic import ProxyServes

K = TypeVar("K", bound=str)
V = TypeVar("V")

NEVER_SEEN = ProxyServes(proxy="forecast")
"""Stands for the proxies where none has told of itself yet."""


def written(view: RegistryView, move: Move) -> RegistryView:
    """Give what the registry shows once a move is written and every proxy follows it."""
    traffic = _map(view.traffic).updated({move.service: move.traffic})
    epochs = {name: entry.epoch for name, entry in sorted(traffic.items())}
    proxies = {name: replace(proxy, epochs=epochs) for name, proxy in sorted(view.proxies.items())}
    return replace(
        view,
        rollouts=_map(view.rollouts).updated({move.service: move.rollout}),
        traffic=traffic,
        proxies=Map(proxies or {NEVER_SEEN.proxy: replace(NEVER_SEEN, epochs=epochs)}),
    )


def taken_back(desired: DesiredState, move: Move) -> DesiredState:
    """Give the desired state once a move is written."""
    service = desired.services.get(move.service)
    if move.versions is None or service is None:
        return desired
    return replace(desired, services={**desired.services, move.service: replace(service, versions=dict(move.versions))})


def flawless(rollouts: Mapping[ServiceName, Rollout], desired: DesiredState, now: Instant) -> LoadView | None:
    """Give a load with which every gate that is waited for passes; None: none is."""
    services = {}
    for name, rollout in sorted(rollouts.items()):
        service = desired.services.get(name)
        if service is not None and rollout.phase is RolloutPhase.CANARY and rollout.served_at is not None:
            few = service.rollout.gate.min_requests
            measured = Measured(requests=few, latencies={0: few})
            versions = dict.fromkeys(sorted({*rollout.before, *rollout.target}), measured)
            services[name] = (Sample(begin=rollout.served_at, end=max(now, rollout.served_at), versions=versions),)
    return LoadView(services=services) if services else None


def _map(entries: Mapping[K, V]) -> Map[K, V]:
    return entries if isinstance(entries, Map) else Map(entries)
